// The index strip in the top bar: a price and a change for each index. Paint only.

import { formatPercent } from "../marketdata/format.js";
import { Cell, paintQuote, PriceCell, setAttribute } from "./cells.js";
import { make, makeButton } from "./dom.js";

/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {{symbol: string, instrument_id: number}} Index */

export class IndexStrip {
  #quotes;
  /** @type {Map<number, {item: HTMLElement, symbol: string, price: PriceCell, percent: Cell}>} */
  #items = new Map();

  /**
   * @param {HTMLElement} container
   * @param {Index[]} indices
   * @param {QuoteCache} quotes
   * @param {(symbol: string) => void} onOpen
   */
  constructor(container, indices, quotes, onOpen) {
    this.#quotes = quotes;
    for (const { symbol, instrument_id: instrumentId } of indices) {
      const price = make("span", { class: "price" });
      const percent = make("span", { class: "percent" });
      const name = make("span", { class: "name", text: symbol });
      const item = makeButton({ class: "index" }, () => onOpen(symbol), [name, price, percent]);
      container.append(item);
      this.#items.set(instrumentId, { item, symbol, price: new PriceCell(price), percent: new Cell(percent) });
    }
    this.paint(null);
  }

  get instrumentIds() {
    return [...this.#items.keys()];
  }

  /** @param {Set<number> | null} changed */
  paint(changed) {
    for (const [instrumentId, { item, symbol, price, percent }] of this.#items) {
      if (changed === null || changed.has(instrumentId)) {
        const { percent: points, arrow, stateTitle } = paintQuote(this.#quotes, instrumentId, price, item);
        percent.write(points === null ? "" : `${arrow} ${formatPercent(points)}`.trim());
        setAttribute(item, "title", `Open the option chain of ${symbol}${stateTitle}`);
      }
    }
  }
}
