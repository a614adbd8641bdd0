// Cells that are written only when their text differs, and that flash when their price moves. Paint only.

import { formatTradeTime } from "../marketdata/format.js";

/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").State} State */

/** A cell may not start to flash more than twice a second (WCAG 2.3.1 allows three). */
const FLASH_MS = 500;

/** @type {Map<HTMLElement, number>} */
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
   * Write `text`; returns whether that changed anything.
   * @param {string} text
   */
  write(text) {
    if (text === this.#written) {
      return false;
    }
    this.#written = text;
    this.#text.data = text;
    return true;
  }
}

/**
 * A price that shows which way it moved: by an arrow, and by a color while the flash lasts.
 */
export class PriceCell extends Cell {
  /** @type {number | null} */
  #price = null;

  /**
   * @param {number | null} price
   * @param {string} text
   * @param {boolean} isLive  Old prices do not flash.
   */
  writePrice(price, text, isLive) {
    const before = this.#price;
    this.#price = price;
    if (this.write(text) && isLive && before !== null && price !== null && price !== before) {
      flash(this.node, price > before ? "up" : "down");
    }
  }

  /** Forget the last price, so that the next one does not look like a move. */
  forget() {
    this.#price = null;
  }
}

/**
 * @param {HTMLElement} node
 * @param {"up" | "down"} move
 */
function flash(node, move) {
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
 * End the flashes that are over. Returns whether some still last, so that the page paints again.
 * @param {number} now
 */
export function endFlashes(now) {
  for (const [node, until] of flashing) {
    if (now >= until || !node.isConnected) {
      node.classList.remove("flash");
      delete node.dataset["move"];
      flashing.delete(node);
    }
  }
  return flashing.size > 0;
}

/**
 * Set a data attribute only when it differs.
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
 * Set what is said where a pointer rests, only when it differs.
 * @param {HTMLElement} node
 * @param {string} text
 */
export function setTitle(node, text) {
  if (node.title !== text) {
    node.title = text;
  }
}

/**
 * What to say of a price that is not live, where a pointer rests on it; empty for one that is.
 * @param {State} state
 * @param {Quote | null} quote
 */
export function stateTitleOf(state, quote) {
  const at = formatTradeTime(quote?.ltt ?? null);
  switch (state) {
    case "stale":
      return ` · old: last trade heard of at ${at}`;
    case "suspect":
      return ` · the broker's newest price cannot be; this is the one before, of ${at}`;
    case "closed":
      return ` · closed: last trade at ${at}`;
    default:
      return "";
  }
}
