// Cells that touch the DOM only when their text differs, and that flash when their price changes. Paint only.

import { formatTradeTime } from "../marketdata/format.js";

/** @typedef {import("../marketdata/frames.js").Quote} Quote */
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

  /**
   * @param {number | null} price
   * @param {string} text
   * @param {boolean} isLive  Only live prices flash.
   */
  writePrice(price, text, isLive) {
    const before = this.#price;
    this.#price = price;
    if (this.write(text) && isLive && before !== null && price !== null && price !== before) {
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
 * Set a data attribute only when it differs: an equal write would still invalidate style.
 * @param {HTMLElement} node
 * @param {string} name
 * @param {string} value
 */
export function setData(node, name, value) {
  if (node.dataset[name] !== value) {
    node.dataset[name] = value;
  }
}

/**
 * Set the tooltip only when it differs.
 * @param {HTMLElement} node
 * @param {string} text
 */
export function setTitle(node, text) {
  if (node.title !== text) {
    node.title = text;
  }
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
      return ` · outdated: last trade at ${at}`;
    case "suspect":
      return ` · latest price rejected as invalid; showing the previous one of ${at}`;
    case "closed":
      return ` · market closed: last trade at ${at}`;
    default:
      return "";
  }
}
