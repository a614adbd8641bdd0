// The section of one instrument: price, depth, figures and buttons. It builds its cells once per kind of instrument and
// then writes only the changed texts. Paint only; the texts come from detail_facts.js.

import { formatWhole } from "../marketdata/format.js";
import { Cell, PriceCell, setAttribute } from "./cells.js";
import {
  describeChange,
  describeContract,
  describeDepth,
  describeFigures,
  describeName,
  describeState,
  EXPLANATIONS,
  listFigures,
  unitOf,
} from "./detail_facts.js";
import { byId, byIdAs, make } from "./dom.js";

/** @typedef {import("./detail_facts.js").Instrument} Instrument */
/** @typedef {import("./detail_facts.js").LevelTexts} LevelTexts */
/** @typedef {import("./detail_facts.js").Subject} Subject */

/** Whether the instrument is on a list of the trader, and marked *keep*. @typedef {{keep: boolean} | null} Listed */

const LEVELS = 5;
/** Chosen: from here on a price with two decimals does not fit in its column in the usual size. */
const LONG_PRICE = 100_000;

/** Three cells of one side of one level. */
class LevelCells {
  #price;
  #quantity;
  #orders;

  /** @param {HTMLElement} price @param {HTMLElement} quantity @param {HTMLElement} orders */
  constructor(price, quantity, orders) {
    this.#price = new Cell(price);
    this.#quantity = new Cell(quantity);
    this.#orders = new Cell(orders);
  }

  /** @param {LevelTexts} texts */
  write({ price, quantity, orders, title }) {
    this.#price.write(price);
    this.#quantity.write(quantity);
    this.#orders.write(orders);
    setAttribute(this.#price.node, "title", title);
  }
}

export class DetailPanel {
  #section = byId("detail");
  #ltp = new PriceCell(byId("detail-ltp"));
  #change = new Cell(byId("detail-change"));
  #state = new Cell(byId("detail-state"));
  #totalBids = new Cell(byId("detail-total-bids"));
  #totalAsks = new Cell(byId("detail-total-asks"));
  #bids = /** @type {LevelCells[]} */ ([]);
  #asks = /** @type {LevelCells[]} */ ([]);
  /** @type {Map<string, Cell>} */
  #figures = new Map();
  #kind = "";

  constructor() {
    const cell = (/** @type {string} */ name) => make("td", { class: name });
    for (let level = 1; level <= LEVELS; level += 1) {
      const [bid, ask] = [cell("bid"), cell("ask")];
      const bidSize = { quantity: cell("quantity"), orders: cell("orders") };
      const askSize = { quantity: cell("quantity"), orders: cell("orders") };
      this.#bids.push(new LevelCells(bid, bidSize.quantity, bidSize.orders));
      this.#asks.push(new LevelCells(ask, askSize.quantity, askSize.orders));
      const cells = [bidSize.orders, bidSize.quantity, bid, ask, askSize.quantity, askSize.orders];
      byId("detail-levels").append(make("tr", {}, cells));
    }
  }

  /** @param {string} name  What is known before the server's answer. */
  showLoading(name) {
    byId("detail-name").textContent = name;
    byId("detail-exchange").textContent = "";
    byId("detail-contract").textContent = "";
    this.#say("Loading …", "loading");
  }

  /** @param {string} sentence */
  showError(sentence) {
    this.#say(sentence, "error");
  }

  /** @param {string} sentence @param {"loading" | "error" | "full"} state */
  #say(sentence, state) {
    byId("detail-sentence").textContent = sentence;
    this.#section.dataset["state"] = state;
    this.#section.ariaBusy = String(state === "loading");
  }

  /** Show another instrument, or the same one with another answer. @param {Instrument} instrument @param {boolean} isOther */
  show(instrument, isOther) {
    if (isOther) {
      this.#ltp.forget();
    }
    byId("detail-name").textContent = describeName(instrument);
    byId("detail-name").title = `${instrument.name} · ${instrument.token}`;
    byId("detail-exchange").textContent = instrument.exchange;
    byId("detail-contract").textContent = `${describeContract(instrument)}${instrument.over ? " · over" : ""}`;
    for (const id of ["detail-bid-quantity", "detail-ask-quantity"]) {
      byId(id).title = `Quantity in ${unitOf(instrument)}; one lot is ${formatWhole(instrument.lot_size)}`;
    }
    byId("detail-chain").hidden = !instrument.has_options;
    this.#build(instrument);
    this.#say("", "full");
  }

  /** @param {Instrument} instrument */
  #build({ kind }) {
    if (kind === this.#kind) {
      return;
    }
    this.#kind = kind;
    this.#section.dataset["kind"] = kind;
    this.#figures.clear();
    for (const group of ["day", "greeks"]) {
      const figures = listFigures(kind).filter((one) => one.group === group);
      const nodes = figures.map(({ id, label }) => {
        const value = make("dd", { id: `detail-${id}` });
        this.#figures.set(id, new Cell(value));
        return make("div", {}, [make("dt", { text: label, title: EXPLANATIONS[id] ?? "" }), value]);
      });
      byId(`detail-${group}`).hidden = nodes.length === 0;
      byId(`detail-${group}`).replaceChildren(...nodes);
    }
  }

  /** Write the texts that differ. @param {Subject} subject */
  paint(subject) {
    const { instrument, quote, state } = subject;
    this.#ltp.writePrice(quote, state, instrument.tick_size);
    const change = describeChange(quote, instrument.tick_size);
    this.#change.write(change.text);
    setAttribute(this.#section, "data-direction", change.direction);
    setAttribute(this.#section, "data-quote", state);
    setAttribute(this.#section, "data-digits", (quote?.ltp ?? 0) >= LONG_PRICE ? "many" : "few");
    const standing = describeState(subject);
    this.#state.write(standing.text);
    setAttribute(this.#state.node, "title", standing.title);
    const { bids, asks, totalBids, totalAsks } = describeDepth(subject);
    bids.forEach((texts, index) => this.#bids[index]?.write(texts));
    asks.forEach((texts, index) => this.#asks[index]?.write(texts));
    this.#totalBids.write(totalBids.text);
    this.#totalAsks.write(totalAsks.text);
    for (const [id, { text, title }] of describeFigures(subject)) {
      const cell = this.#figures.get(id);
      cell?.write(text);
      setAttribute(/** @type {Cell} */ (cell).node, "title", title);
    }
  }

  /** Show what the buttons do. @param {Instrument} instrument @param {Listed} listed */
  paintButtons(instrument, listed) {
    const add = byIdAs("detail-add", "button");
    const keep = byIdAs("detail-keep", "button");
    add.hidden = keep.hidden = instrument.entry_type === null;
    add.disabled = listed !== null;
    const label = listed !== null ? "On your list" : "Add to list";
    if (add.textContent !== label) {
      add.textContent = label;
    }
    const isKept = listed?.keep === true;
    setAttribute(keep, "aria-pressed", String(isKept));
    keep.title = isKept ? "Kept: it streams again at 08:45 of the next trading day" : "Keep it on your list: stream it again at 08:45 of the next trading day";
    const star = isKept ? "★ Keep" : "☆ Keep";
    if (keep.textContent !== star) {
      keep.textContent = star;
    }
  }
}
