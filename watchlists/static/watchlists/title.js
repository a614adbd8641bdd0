// The title of the tab: price and symbol of the open chain, for a trader who works in another tab.

import { formatPrice } from "../marketdata/format.js";

/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** @typedef {import("./chain.js").Chain} Chain */

/** Chosen: a title that changes faster cannot be read, and browsers limit a hidden tab to one timer a second. */
export const TITLE_EVERY_MS = 1_000;

/**
 * Return the title for a chain. An old price must not pass for a live one, so the title has none then. Pure.
 * @param {string} symbol
 * @param {Quote | null} spot
 * @param {State} state  Of the spot.
 */
export function titleOf(symbol, spot, state) {
  switch (state) {
    case "live":
    case "closed":
      return `${formatPrice(spot?.ltp ?? null)} ${symbol}`;
    case "stale":
    case "suspect":
      return `${symbol} (price outdated)`;
    case "waiting":
      return symbol;
  }
}

export class TabTitle {
  #usual = document.title;
  #paintedAt = -Infinity;

  /**
   * Write the title, at most once a second.
   * @param {Chain | null} chain
   * @param {QuoteCache} quotes
   * @param {number} now  Milliseconds of performance.now().
   */
  paint(chain, quotes, now) {
    if (now - this.#paintedAt < TITLE_EVERY_MS) {
      return;
    }
    const spot = chain && quotes.find(chain.spot_instrument_id);
    const title = chain === null ? this.#usual : titleOf(chain.symbol, spot, quotes.stateOf(spot));
    if (title !== document.title) {
      document.title = title;
      this.#paintedAt = now;
    }
  }
}
