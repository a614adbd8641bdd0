// The ladder: calls left, strikes in the middle, puts right. It builds its rows once per chain and then writes only the
// changed cells. Paint only: the strikes and legs come from the server's chain message.

import * as format from "../marketdata/format.js";
import { priceOf } from "../marketdata/quotes.js";
import { setAttribute } from "./cells.js";
import { make } from "./dom.js";
import { GridFocus } from "./grid_focus.js";
import { buildHead, LegCells, SIDE_COLUMNS } from "./leg_cells.js";
import { isSameChain } from "./underlying.js";

/** @typedef {import("../marketdata/analytics.js").AnalyticsCache} AnalyticsCache */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */

/**
 * The server's answer to watching a chain.
 * @typedef {object} Chain
 * @property {string} symbol
 * @property {string} exchange
 * @property {string} instrument_type  The kind of watchlist entry that this chain is.
 * @property {string} expiry
 * @property {string | null} former_symbol  The symbol of the watch, if the exchange has renamed the underlying.
 * @property {number} days_left
 * @property {boolean} over  Whether the last session of the expiry has ended.
 * @property {number} series_id  The id of its analytics.
 * @property {number} spot_instrument_id
 * @property {string} atm
 * @property {string} strike_step
 * @property {number | null} lot_size
 * @property {number | null} tick_size
 * @property {[string, number | null, number | null][]} strikes  [strike, call, put], lowest first
 * @property {number[]} not_streaming
 * @property {"no_room" | "soon" | null} not_streaming_reason
 */

/** Chosen: bars need not follow each tick; a new highest open interest rescales them all. */
const BARS_EVERY_MS = 1_000;

export class ChainLadder {
  #container;
  #quotes;
  #analytics;
  /** @type {Chain | null} */
  #chain = null;
  /** @type {Map<number, LegCells>} */
  #legs = new Map();
  /** @type {{row: HTMLElement, heading: HTMLElement, strike: number}[]} */
  #rows = [];
  /** @type {HTMLElement | null} */
  #atmRow = null;
  /** The first row above the spot. @type {HTMLElement | null} */
  #spotRow = null;
  #barsAt = -Infinity;
  #focus;
  /** The strike that the address names, until a chain is shown. @type {number | null} */
  #soughtStrike = null;

  /**
   * @param {HTMLElement} container  The scrolling element around the ladder.
   * @param {QuoteCache} quotes
   * @param {AnalyticsCache} analytics
   */
  constructor(container, quotes, analytics) {
    this.#container = container;
    this.#quotes = quotes;
    this.#analytics = analytics;
    this.#focus = new GridFocus(container);
  }

  /**
   * Show a chain, or a new window of the same chain. Another chain, or another number of strikes, scrolls to ATM.
   * @param {Chain} chain
   */
  show(chain) {
    const previous = this.#chain;
    const isSame = isSameChain(previous, chain);
    this.#chain = chain;
    // The server repeats the chain when its streaming legs change; rebuilding equal rows would drop focus and marks.
    if (isSame && JSON.stringify(previous?.strikes) === JSON.stringify(chain.strikes)) {
      return;
    }
    // A recentred window has other strikes: the trader's scroll position stays; another chain or width moves it.
    const top = this.#container.scrollTop;
    this.#focus.noteBefore();
    this.#build(chain);
    this.#focus.setRows(this.#rows, isSame);
    this.paint(null);
    this.paintAnalytics(null);
    if (isSame && previous?.strikes.length === chain.strikes.length) {
      this.#container.scrollTop = top;
    } else {
      this.scrollToAtm();
      this.#showSoughtStrike();
    }
  }

  /** @param {number | null} strike  The strike that the next chain shows first; null for ATM. */
  seekStrike(strike) {
    this.#soughtStrike = strike;
  }

  /** Scroll to the sought strike and focus it, once; one outside of the window leaves ATM in the middle. */
  #showSoughtStrike() {
    const found = this.#rows.find((one) => one.strike === this.#soughtStrike);
    this.#soughtStrike = null;
    if (found !== undefined) {
      this.#scrollTo(found.row);
      found.row.classList.add("sought");
      this.#focus.focus(found.heading);
    }
  }

  clear() {
    this.#chain = null;
    this.#legs.clear();
    this.#rows = [];
    this.#atmRow = null;
    this.#spotRow = null;
    this.#barsAt = -Infinity;
    this.#container.replaceChildren();
  }

  /** @param {Chain} chain */
  #build(chain) {
    this.clear();
    this.#chain = chain;
    const rows = chain.strikes.map((strike, index) => this.#buildRow(index, strike));
    const attributes = {
      role: "grid",
      class: "ladder",
      "aria-label": `Option chain of ${chain.symbol}, ${format.formatExpiry(chain.expiry)}`,
      "aria-rowcount": String(chain.strikes.length + 2),
      "aria-colcount": String(2 * SIDE_COLUMNS + 1),
    };
    const body = make("div", { role: "rowgroup" }, rows);
    this.#container.append(make("div", attributes, [buildHead(), body]));
  }

  /** @param {number} index @param {Chain["strikes"][number]} strike */
  #buildRow(index, [strike, call, put]) {
    const row = make("div", { role: "row", class: "strike-row", "aria-rowindex": String(index + 3) });
    const callCells = new LegCells(row, "call");
    const heading = make("div", { role: "rowheader", class: "strike", tabindex: "-1", "aria-colindex": String(SIDE_COLUMNS + 1), text: format.formatStrike(strike) });
    row.append(heading);
    const putCells = new LegCells(row, "put");
    for (const [instrumentId, cells] of /** @type {[number | null, LegCells][]} */ ([[call, callCells], [put, putCells]])) {
      if (instrumentId === null) {
        // The strike has no such leg: it gets dashes once, because no quote will ever paint it.
        cells.write(null, "waiting", null);
        cells.writeAnalytics(null);
      } else {
        this.#legs.set(instrumentId, cells);
      }
    }
    this.#rows.push({ row, heading, strike: Number(strike) });
    return row;
  }

  /**
   * Write the cells of the changed instruments; null writes all cells.
   * @param {Set<number> | null} changed
   */
  paint(changed) {
    if (this.#chain === null) {
      return;
    }
    for (const [instrumentId, cells] of this.#legs) {
      if (changed === null || changed.has(instrumentId)) {
        const quote = this.#quotes.find(instrumentId);
        cells.write(quote, this.#quotes.stateOf(quote), this.#chain.tick_size);
      }
    }
    if (changed === null || changed.has(this.#chain.spot_instrument_id)) {
      this.#paintMoneyness(this.#chain);
    }
    this.#paintBars(performance.now());
  }

  /** @param {number} now */
  #paintBars(now) {
    if (now - this.#barsAt < BARS_EVERY_MS) {
      return;
    }
    this.#barsAt = now;
    const shown = [...this.#legs].map(([id, cells]) => ({ cells, oi: this.#quotes.find(id)?.oi ?? 0 }));
    const highest = Math.max(1, ...shown.map((one) => one.oi));
    for (const { cells, oi } of shown) {
      cells.writeBar(oi / highest);
    }
  }

  /**
   * Mark the strikes with the highest open interest and of max pain; null where unknown.
   * @param {{resistance: number | null, support: number | null, maxPain: number | null}} strikes
   */
  markStrikes({ resistance, support, maxPain }) {
    /** @type {[string, string, number | null][]} */
    const marks = [
      ["R", "Resistance: calls have their highest open interest here", resistance],
      ["S", "Support: puts have their highest open interest here", support],
      ["MP", "Max pain: all options together would be worth least at expiry here", maxPain],
    ];
    for (const { heading, strike } of this.#rows) {
      const own = marks.filter((one) => one[2] === strike);
      setAttribute(heading, "data-mark", own.map((one) => one[0]).join(" "));
      setAttribute(heading, "title", own.map((one) => one[1]).join(". "));
    }
  }

  /**
   * Write the analytics of the changed options; null writes those of all.
   * @param {Set<number> | null} changed
   */
  paintAnalytics(changed) {
    for (const [instrumentId, cells] of this.#legs) {
      if (changed === null || changed.has(instrumentId)) {
        cells.writeAnalytics(this.#analytics.findOption(instrumentId));
      }
    }
  }

  /**
   * Mark the ATM strike and shade the legs in the money, by the live spot; without a spot, by the ATM of the window.
   * @param {Chain} chain
   */
  #paintMoneyness(chain) {
    // As quoted: a float32 of 303.3 is below the strike 303.3.
    const spot = priceOf(this.#quotes.find(chain.spot_instrument_id)?.ltp ?? null) ?? Number(chain.atm);
    let nearest = this.#rows[0];
    for (const one of this.#rows) {
      setAttribute(one.row, "data-money", one.strike < spot ? "call" : one.strike > spot ? "put" : "at");
      // `<=`: a tie goes to the higher strike, as in marketdata/domain/chain.py.
      if (nearest !== undefined && Math.abs(one.strike - spot) <= Math.abs(nearest.strike - spot)) {
        nearest = one;
      }
    }
    // The line of the spot runs between two strikes.
    const above = this.#rows.find((one) => one.strike > spot)?.row ?? null;
    if (above !== this.#spotRow) {
      this.#spotRow?.classList.remove("above-spot");
      above?.classList.add("above-spot");
      this.#spotRow = above;
    }
    if (nearest !== undefined && nearest.row !== this.#atmRow) {
      this.#atmRow?.classList.remove("atm");
      this.#atmRow = nearest.row;
      nearest.row.classList.add("atm");
      this.#focus.offer(nearest.heading);
    }
  }

  /** Return the ATM strike as text; a dash without a chain. */
  atmText() {
    return this.#atmRow?.querySelector(".strike")?.textContent ?? format.UNKNOWN;
  }

  scrollToAtm() {
    if (this.#atmRow !== null) {
      this.#scrollTo(this.#atmRow);
    }
  }

  /** @param {HTMLElement} row */
  #scrollTo(row) {
    // Centered below the sticky head, and sideways on narrow screens, where the strike column is in the middle.
    const head = this.#container.querySelector(".ladder-head")?.clientHeight ?? 0;
    this.#container.scrollTop = row.offsetTop - head - (this.#container.clientHeight - head - row.offsetHeight) / 2;
    this.#container.scrollLeft = (this.#container.scrollWidth - this.#container.clientWidth) / 2;
  }
}
