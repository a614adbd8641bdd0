// The trader's list: one line per entry with its live price. Paint only; entries come from GET watchlist/me.

import * as format from "../marketdata/format.js";
import { changeOf } from "../marketdata/quotes.js";
import { Cell, hint, mark, PriceCell, titleOf } from "./cells.js";
import { make } from "./dom.js";

/** @typedef {import("../marketdata/quotes.js").QuoteBook} QuoteBook */

/**
 * One entry as the API answers it.
 * @typedef {object} Entry
 * @property {number} id
 * @property {string} symbol
 * @property {string} exchange
 * @property {string} instrument_type
 * @property {string | null} expiry
 * @property {number | null} instrument_id
 * @property {number | null} quoted_instrument_id  Whose price stands in the line; of a chain, its spot.
 * @property {number} legs
 * @property {string} state  live, waiting, stale, evicted or not_subscribed.
 */

/**
 * What the page does when a line is used.
 * @typedef {object} Acts
 * @property {(entry: Entry) => void} onOpen
 * @property {(entry: Entry) => void} onRemove
 * @property {(entry: Entry) => Promise<void>} onClaimAgain
 */

/** @type {Record<string, string>} */
const KINDS = {
  EQUITY: "Equity",
  FUTURE: "Future",
  STOCK_OPTION: "Options",
  INDEX_OPTION: "Options",
  COMMODITY_OPTION: "Options",
};

/** Why an entry does not stream, where that is not a matter of a moment. @type {Record<string, string>} */
const UNCLAIMED = {
  evicted: "Evicted, not streaming",
  not_subscribed: "Comes back in the morning",
};

/** @param {Entry} entry */
export function isChain(entry) {
  return entry.instrument_type.endsWith("_OPTION");
}

/** @param {Entry} entry */
export function nameOf(entry) {
  return entry.expiry === null ? entry.symbol : `${entry.symbol} ${format.formatExpiry(entry.expiry)}`;
}

class Line {
  #price;
  #change;
  #percent;

  /**
   * @param {Entry} entry
   * @param {Acts} acts
   */
  constructor(entry, acts) {
    this.entry = entry;
    const price = make("span", { class: "price" });
    const change = make("span", { class: "change" });
    const percent = make("span", { class: "percent" });
    const kind = isChain(entry) && entry.legs > 0 ? `${entry.legs} legs` : (KINDS[entry.instrument_type] ?? "");
    const open = make("button", { type: "button", class: "line-open" }, [
      make("span", { class: "line-name" }, [
        make("span", { class: "symbol", text: entry.symbol }),
        ...(entry.expiry === null ? [] : [make("span", { class: "expiry", text: format.formatExpiry(entry.expiry) })]),
      ]),
      make("span", { class: "line-kind", text: `${entry.exchange} · ${kind}` }),
      price,
      make("span", { class: "line-change" }, [change, percent]),
    ]);
    open.addEventListener("click", () => acts.onOpen(entry));
    this.removeButton = make("button", {
      type: "button",
      class: "icon-button line-remove",
      "aria-label": `Remove ${nameOf(entry)}`,
      title: `Remove ${nameOf(entry)}`,
      text: "×",
    });
    this.removeButton.addEventListener("click", () => acts.onRemove(entry));
    this.item = make("li", { class: "line", "data-entry": String(entry.id), "data-state": entry.state }, [
      open,
      this.removeButton,
    ]);
    const why = UNCLAIMED[entry.state];
    if (why !== undefined) {
      this.item.append(this.#offerAgain(why, acts));
    }
    this.openButton = open;
    this.#price = new PriceCell(price);
    this.#change = new Cell(change);
    this.#percent = new Cell(percent);
  }

  /**
   * Say why the entry does not stream, and offer to claim it again.
   * @param {string} why
   * @param {Acts} acts
   */
  #offerAgain(why, acts) {
    const again = make("button", { type: "button", class: "button", "aria-label": `Claim ${nameOf(this.entry)} again`, text: "Claim again" });
    again.addEventListener("click", async () => {
      again.disabled = true;
      await acts.onClaimAgain(this.entry);
      again.disabled = false;
    });
    return make("div", { class: "line-state" }, [make("span", { text: why }), again]);
  }

  /** @param {QuoteBook} book */
  paint(book) {
    const id = this.entry.quoted_instrument_id;
    const quote = id === null ? null : book.find(id);
    const state = book.stateOf(quote);
    const { change, percent } = changeOf(quote);
    const direction = format.directionOf(change);
    this.#price.writePrice(quote?.ltp ?? null, format.formatPrice(quote?.ltp ?? null), state === "live");
    this.#change.write(change === null ? "" : `${format.ARROWS[direction]} ${format.formatChange(change)}`.trim());
    this.#percent.write(percent === null ? "" : format.formatPercent(percent));
    mark(this.item, "direction", direction);
    mark(this.item, "quote", state);
    hint(this.openButton, `Open ${nameOf(this.entry)}${titleOf(state, quote)}`);
  }
}

export class WatchlistPanel {
  #list;
  #empty;
  #book;
  #acts;
  /** @type {Line[]} */
  #lines = [];

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} empty  Shown while the list is.
   * @param {QuoteBook} book
   * @param {Acts} acts
   */
  constructor(list, empty, book, acts) {
    this.#list = list;
    this.#empty = empty;
    this.#book = book;
    this.#acts = acts;
  }

  /** @param {Entry[]} entries */
  show(entries) {
    this.#lines = entries.map((entry) => new Line(entry, this.#acts));
    this.#list.replaceChildren(...this.#lines.map((line) => line.item));
    this.#list.removeAttribute("aria-busy");
    this.#empty.hidden = entries.length > 0;
    this.paint(null);
  }

  get entries() {
    return this.#lines.map((line) => line.entry);
  }

  /**
   * Whether these are the instruments whose prices stand in the list.
   * @param {number[]} instrumentIds  Each once, in any order.
   */
  quotes(instrumentIds) {
    const quoted = new Set(this.entries.map((entry) => entry.quoted_instrument_id).filter((id) => id !== null));
    return quoted.size === instrumentIds.length && instrumentIds.every((id) => quoted.has(id));
  }

  /**
   * Mark the entry whose chain is open.
   * @param {(entry: Entry) => boolean} isOpen
   */
  markOpen(isOpen) {
    for (const line of this.#lines) {
      if (isOpen(line.entry)) {
        line.openButton.setAttribute("aria-current", "true");
      } else {
        line.openButton.removeAttribute("aria-current");
      }
    }
  }

  /**
   * Say that an entry is on its way out, or that it stays after all.
   * @param {Entry} entry
   * @param {boolean} isLeaving
   */
  markLeaving(entry, isLeaving) {
    const line = this.#lines.find((one) => one.entry.id === entry.id);
    line?.item.classList.toggle("leaving", isLeaving);
    line?.removeButton.toggleAttribute("disabled", isLeaving);
  }

  /** @param {Set<number> | null} changed */
  paint(changed) {
    for (const line of this.#lines) {
      const id = line.entry.quoted_instrument_id;
      if (changed === null || (id !== null && changed.has(id))) {
        line.paint(this.#book);
      }
    }
  }
}
