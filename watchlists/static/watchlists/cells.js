// Cells that touch the DOM only when their text differs, and that flash when their price changes. Paint only.

import { ARROWS, directionOf, formatPrice, formatTime, formatTradeTime } from "../marketdata/format.js";
import { changeOf } from "../marketdata/quotes.js";

/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {import("../marketdata/quotes.js").State} State */

/** Length of a flash. Chosen: at most two flashes start in a cell per second; WCAG 2.3.1 allows three. */
const FLASH_MS = 500;

/** End of the flash of each flashing cell. @type {Map<HTMLElement, number>} */
const flashing = new Map();

export class Cell {
  #text;
  #written = "";

  /** @param {HTMLElement} node */
  constructor(node) {
    this.node = node;
    this.#text = document.createTextNode("");
    node.append(this.#text);
  }

  /**
   * Write `text`; return whether it differs from the text before.
   * @param {string} text
   */
  write(text) {
    if (text === this.#written) {
      return false;
    }
    this.#written = text;
    // The data of one text node: `textContent` would make a new node for every tick.
    this.#text.data = text;
    return true;
  }
}

/** A price that shows the direction of its last change, by an arrow and a color, while it flashes. */
export class PriceCell extends Cell {
  /** @type {number | null} */
  #price = null;

  /** @param {Quote | null} quote @param {State} state @param {number | null} [tickSize] */
  writePrice(quote, state, tickSize = null) {
    const before = this.#price;
    const price = quote?.ltp ?? null;
    this.#price = price;
    const hasChanged = this.write(formatPrice(price, tickSize));
    // Only live prices flash.
    if (hasChanged && state === "live" && before !== null && price !== null && price !== before) {
      flash(this.node, price > before ? "up" : "down");
    }
  }

  /** Forget the last price, so that the next one, of another instrument, does not flash as a change. */
  forget() {
    this.#price = null;
  }
}

/** @param {HTMLElement} node @param {"up" | "down"} move */
function flash(node, move) {
  // A change during a flash sets its direction but does not restart it, see FLASH_MS.
  const isNew = !flashing.has(node);
  if (node.dataset["move"] !== move) {
    node.dataset["move"] = move;
  }
  if (isNew) {
    node.classList.add("flash");
    flashing.set(node, performance.now() + FLASH_MS);
  }
}

/**
 * End the expired flashes; return whether others remain, so that the page paints again.
 * @param {number} now
 */
export function endFlashes(now) {
  for (const [node, until] of flashing) {
    // A node of a replaced ladder would never be painted again and would stay in the map.
    if (now >= until || !node.isConnected) {
      node.classList.remove("flash");
      delete node.dataset["move"];
      flashing.delete(node);
    }
  }
  return flashing.size > 0;
}

/**
 * Set an attribute only when it differs: an equal write would still invalidate style.
 * @param {HTMLElement} node
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

/**
 * Write the price of an instrument, and set the direction of its change and its state on `item`, for the styles.
 * @param {QuoteCache} quotes
 * @param {number | null} instrumentId
 * @param {PriceCell} price
 * @param {HTMLElement} item
 * @returns {{change: number | null, percent: number | null, arrow: string, stateTitle: string}}
 */
export function paintQuote(quotes, instrumentId, price, item) {
  const quote = instrumentId === null ? null : quotes.find(instrumentId);
  const state = quotes.stateOf(quote);
  const { change, percent } = changeOf(quote);
  const direction = directionOf(change);
  price.writePrice(quote, state);
  setAttribute(item, "data-direction", direction);
  setAttribute(item, "data-quote", state);
  return { change, percent, arrow: ARROWS[direction], stateTitle: stateTitleOf(state, quote) };
}

/**
 * Return the tooltip of a price that is not live; empty for a live one.
 * @param {State} state
 * @param {Quote | null} quote
 */
export function stateTitleOf(state, quote) {
  const at = formatTradeTime(quote?.ltt ?? null);
  switch (state) {
    case "stale":
      // Of the broker's chain: it names no trade.
      if (quote?.connection === 0 && quote.isSeeded && quote.receivedAtMs !== null) {
        return ` · does not stream: the broker's price of ${formatTime(quote.receivedAtMs)}`;
      }
      return ` · outdated: last trade at ${at}`;
    case "suspect":
      return ` · latest price rejected as invalid; showing the previous one of ${at}`;
    case "closed":
      return ` · market closed: last trade at ${at}`;
    default:
      return "";
  }
}
