// The indices in the top bar. Paint only.

import * as format from "../marketdata/format.js";
import { changeOf } from "../marketdata/quotes.js";
import { Cell, hint, mark, PriceCell, titleOf } from "./cells.js";
import { make } from "./dom.js";

/** @typedef {import("../marketdata/quotes.js").QuoteBook} QuoteBook */
/** @typedef {{symbol: string, instrument_id: number}} Index */

export class IndexStrip {
  #book;
  /** @type {Map<number, {item: HTMLElement, symbol: string, price: PriceCell, percent: Cell}>} */
  #items = new Map();

  /**
   * @param {HTMLElement} container
   * @param {Index[]} indices
   * @param {QuoteBook} book
   * @param {(symbol: string) => void} onOpen
   */
  constructor(container, indices, book, onOpen) {
    this.#book = book;
    for (const { symbol, instrument_id: instrumentId } of indices) {
      const price = make("span", { class: "price" });
      const percent = make("span", { class: "percent" });
      const item = make("button", { type: "button", class: "index", title: `Open the option chain of ${symbol}` }, [
        make("span", { class: "name", text: symbol }),
        price,
        percent,
      ]);
      item.addEventListener("click", () => onOpen(symbol));
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
        const quote = this.#book.find(instrumentId);
        const state = this.#book.stateOf(quote);
        const { change, percent: points } = changeOf(quote);
        const direction = format.directionOf(change);
        price.writePrice(quote?.ltp ?? null, format.formatPrice(quote?.ltp ?? null), state === "live");
        percent.write(points === null ? "" : `${format.ARROWS[direction]} ${format.formatPercent(points)}`.trim());
        mark(item, "direction", direction);
        mark(item, "quote", state);
        hint(item, `Open the option chain of ${symbol}${titleOf(state, quote)}`);
      }
    }
  }
}
