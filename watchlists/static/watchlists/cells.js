// Cells that touch the DOM only when their text differs, and that are marked while their price has just changed. Paint
// only.

import { ARROWS, directionOf, formatPrice, formatTime, formatTradeTime } from "../marketdata/format.js";
import { changeOf } from "../marketdata/quotes.js";

/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {import("../marketdata/quotes.js").State} State */

/** How long a change is marked. Required: long enough to see, short enough that few cells are marked at a time. */
const MARK_MS = 250;
/** Required: at most one mark starts in a cell in this time. WCAG 2.3.1 allows three a second. */
const MARK_EVERY_MS = 1_000;

/** When the mark of each cell ends, of those that are marked. @type {Map<HTMLElement, number>} */
const marked = new Map();
/** When the last mark of a cell began. @type {WeakMap<HTMLElement, number>} */
const begun = new WeakMap();

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

/** A price that shows the direction of a change for a moment, by an arrow, an edge and a color. */
export class PriceCell extends Cell {
  /** @type {number | null} */
  #price = null;

  /** @param {Quote | null} quote @param {State} state @param {number | null} [tickSize] */
  writePrice(quote, state, tickSize = null) {
    const before = this.#price;
    const price = quote?.ltp ?? null;
    this.#price = price;
    const hasChanged = this.write(formatPrice(price, tickSize));
    // Only live prices are marked.
    if (hasChanged && state === "live" && before !== null && price !== null && price !== before) {
      mark(this.node, price > before ? "up" : "down", performance.now());
    }
  }

  /** Forget the last price, so that the next one, of another instrument, is not marked as a change. */
  forget() {
    this.#price = null;
  }
}

/** @param {HTMLElement} node @param {"up" | "down"} move @param {number} now */
function mark(node, move, now) {
  if (!marked.has(node) && now - (begun.get(node) ?? -Infinity) < MARK_EVERY_MS) {
    return;
  }
  // A change while a cell is marked sets its direction but does not mark it for longer.
  if (node.dataset["move"] !== move) {
    node.dataset["move"] = move;
  }
  if (!marked.has(node)) {
    marked.set(node, now + MARK_MS);
    begun.set(node, now);
  }
}

/**
 * End the marks whose time is over; return whether others remain, so that the page paints again.
 * @param {number} now
 */
export function endMarks(now) {
  for (const [node, until] of marked) {
    // A node of a replaced ladder would never be painted again and would stay in the map.
    if (now >= until || !node.isConnected) {
      delete node.dataset["move"];
      marked.delete(node);
    }
  }
  return marked.size > 0;
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
