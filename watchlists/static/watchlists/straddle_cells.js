// The cells of the preset Straddle, to the right of the puts of the ladder. They are made when the preset is shown first,
// and written only while it is shown. Paint only.

import { directionOf } from "../marketdata/format.js";
import { Cell, setAttribute } from "./cells.js";
import { PRESET_COLUMNS } from "./columns.js";
import { make } from "./dom.js";
import { straddleOf } from "./straddle.js";
import { STRADDLE_COLUMNS } from "./straddle_columns.js";

/** @typedef {import("../marketdata/analytics.js").AnalyticsCache} AnalyticsCache */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** The part of a chain that counts here. @typedef {{strikes: [string, number | null, number | null][], spot_instrument_id: number, tick_size: number | null}} Chain */
/** @typedef {{row: HTMLElement, strike: number, call: number | null, put: number | null, cells: Cell[]}} StraddleRow */

/** Where they begin: the rows have the columns of the presets before them. */
const FIRST_COLUMN = 2 * PRESET_COLUMNS.length + 2;
/** The name of the preset in `data-columns`. */
const PRESET = "straddle";

export class StraddleCells {
  #container;
  #quotes;
  #analytics;
  /** @type {Chain | null} */
  #chain = null;
  /** @type {StraddleRow[]} */
  #rows = [];
  /** Of the rows that have been made: they stay when the window moves. @type {WeakMap<HTMLElement, Cell[]>} */
  #made = new WeakMap();

  /**
   * @param {HTMLElement} container  Its `data-columns` names the preset.
   * @param {QuoteCache} quotes
   * @param {AnalyticsCache} analytics
   */
  constructor(container, quotes, analytics) {
    this.#container = container;
    this.#quotes = quotes;
    this.#analytics = analytics;
    // As long as the page: another preset paints what it shows.
    new MutationObserver(() => this.paint(null)).observe(container, { attributeFilter: ["data-columns"] });
  }

  /**
   * Take the rows of the ladder, one for each strike of the chain.
   * @param {Chain} chain @param {readonly HTMLElement[]} rows
   */
  attach(chain, rows) {
    this.#chain = chain;
    this.#rows = chain.strikes.flatMap(([strike, call, put], index) => {
      const row = rows[index];
      return row === undefined ? [] : [{ row, strike: Number(strike), call, put, cells: this.#made.get(row) ?? [] }];
    });
    if (this.isShown) {
      // Before the first paint: the focus returns to its column.
      this.#make();
    }
  }

  get isShown() {
    return this.#container.dataset["columns"] === PRESET;
  }

  detach() {
    this.#chain = null;
    this.#rows = [];
  }

  /**
   * Write the strikes of the changed instruments; null writes all.
   * @param {Set<number> | null} changed
   */
  paint(changed) {
    const chain = this.#chain;
    if (chain === null || !this.isShown) {
      return;
    }
    const isNew = this.#make();
    const hasChanged = (/** @type {number | null} */ id) => id !== null && changed?.has(id) === true;
    const isAll = changed === null || isNew || hasChanged(chain.spot_instrument_id);
    for (const one of this.#rows) {
      if (isAll || hasChanged(one.call) || hasChanged(one.put)) {
        this.#write(one, chain);
      }
    }
  }

  /** @param {StraddleRow} one @param {Chain} chain */
  #write({ row, strike, call, put, cells }, chain) {
    const straddle = straddleOf(strike, this.#leg(call), this.#leg(put), this.#readLeg(chain.spot_instrument_id), chain.tick_size);
    setAttribute(row, "data-straddle", straddle.state);
    STRADDLE_COLUMNS.forEach(({ read, write, reasonOf, name }, index) => {
      const value = read(straddle);
      const cell = /** @type {Cell} */ (cells[index]);
      cell.write(write(value, chain.tick_size));
      setAttribute(cell.node, "title", value === null ? (reasonOf?.(straddle) ?? "") : "");
      if (name === "pair-change") {
        setAttribute(cell.node, "data-direction", directionOf(value));
      }
    });
  }

  /** @param {number | null} instrumentId */
  #leg(instrumentId) {
    return instrumentId === null ? null : this.#readLeg(instrumentId);
  }

  /** @param {number} instrumentId */
  #readLeg(instrumentId) {
    const quote = this.#quotes.find(instrumentId);
    return { quote, state: this.#quotes.stateOf(quote), analytics: this.#analytics.findOption(instrumentId) };
  }

  /** Make heads and cells; return whether there were none. */
  #make() {
    if (this.#rows.every(({ cells }) => cells.length > 0)) {
      return false;
    }
    this.#makeHeads();
    for (const one of this.#rows.filter(({ cells }) => cells.length === 0)) {
      one.cells = STRADDLE_COLUMNS.map(({ name }, index) => {
        const column = String(FIRST_COLUMN + index);
        const node = make("div", { role: "gridcell", tabindex: "-1", class: `straddle-cell ${name}`, "aria-colindex": column });
        one.row.append(node);
        return new Cell(node);
      });
      this.#made.set(one.row, one.cells);
    }
    return true;
  }

  #makeHeads() {
    const [sides, columns] = this.#container.querySelector(".ladder-head")?.children ?? [];
    if (sides?.querySelector(".straddle-cell") !== null) {
      return;
    }
    const span = String(STRADDLE_COLUMNS.length);
    sides.append(make("div", { role: "columnheader", class: "side-name straddle-cell", "aria-colspan": span, text: "Straddle" }));
    columns?.append(
      ...STRADDLE_COLUMNS.map(({ name, label, title, header }) =>
        make("div", { role: "columnheader", class: `straddle-cell ${name}`, "aria-label": header, title, text: label }),
      ),
    );
  }
}
