// The index strip in the top bar: a price and a change for each index. Paint only.

import * as format from "../marketdata/format.js";
import { changeOf } from "../marketdata/quotes.js";
import { Cell, PriceCell, setData, setTitle, stateTitleOf } from "./cells.js";
import { make } from "./dom.js";

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
        const quote = this.#quotes.find(instrumentId);
        const state = this.#quotes.stateOf(quote);
        const { change, percent: points } = changeOf(quote);
        const direction = format.directionOf(change);
        price.writePrice(quote?.ltp ?? null, format.formatPrice(quote?.ltp ?? null), state === "live");
        percent.write(points === null ? "" : `${format.ARROWS[direction]} ${format.formatPercent(points)}`.trim());
        setData(item, "direction", direction);
        setData(item, "quote", state);
        setTitle(item, `Open the option chain of ${symbol}${stateTitleOf(state, quote)}`);
      }
    }
  }
}
