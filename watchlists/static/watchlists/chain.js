// The ladder: calls left, strikes in the middle, puts right. It builds its rows once per chain and then writes only the
// changed cells. Paint only: the strikes and legs come from the server's chain message.

import { BUILD_UPS, IV_REASONS, OI_SOURCES } from "../marketdata/analytics.js";
import * as format from "../marketdata/format.js";
import { changeOf, priceOf } from "../marketdata/quotes.js";
import { Cell, PriceCell, setAttribute, stateTitleOf } from "./cells.js";
import { make } from "./dom.js";
import { isSameChain } from "./underlying.js";

/** @typedef {import("../marketdata/analytics.js").AnalyticsCache} AnalyticsCache */
/** @typedef {import("../marketdata/analytics.js").OptionAnalytics} OptionAnalytics */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** @typedef {import("../marketdata/frames.js").Quote} Quote */

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

/**
 * The columns of a side that are visible follow `data-columns` of the container (chain.css).
 * @typedef {"oi" | "volume" | "change" | "bid" | "ltp" | "ask" | "oi-change" | "iv" | "delta" | "theta" | "vega"} Column
 */

/** @type {Record<Column, string>} */
const LABELS = {
  oi: "OI",
  volume: "Volume",
  change: "Chg",
  bid: "Bid",
  ltp: "LTP",
  ask: "Ask",
  "oi-change": "ΔOI",
  iv: "IV",
  delta: "Delta",
  theta: "Theta",
  vega: "Vega",
};
/** Explanations of column heads. @type {Partial<Record<Column, string>>} */
const TITLES = {
  "oi-change": "Open interest less that of the previous close, with the kind of build-up",
  iv: "Implied volatility in percent, of the option out of the money at this strike",
  delta: "Change of the value per rupee of the forward",
  theta: "Change of the value in one trading day, in rupees",
  vega: "Change of the value for one percentage point of volatility, in rupees",
};
/** @type {Record<"call" | "put", Column[]>} */
const COLUMNS = {
  call: ["oi-change", "oi", "volume", "iv", "delta", "theta", "vega", "change", "bid", "ltp", "ask"],
  put: ["bid", "ltp", "ask", "change", "vega", "theta", "delta", "iv", "volume", "oi", "oi-change"],
};
const SIDE_COLUMNS = COLUMNS.call.length;
/** Chosen: bars need not follow each tick; a new highest open interest rescales them all. */
const BARS_EVERY_MS = 1_000;

/** One side of one strike. */
class LegCells {
  /** @type {Record<Exclude<Column, "ltp">, Cell> & {ltp: PriceCell}} */
  #cells;
  /** Behind the open interest, as long as its share of the highest one. */
  #bar = make("span", { class: "bar", "aria-hidden": "true" });
  #barPercent = 0;

  /** @param {HTMLElement} row @param {"call" | "put"} side */
  constructor(row, side) {
    this.side = side;
    this.row = row;
    const first = side === "call" ? 1 : SIDE_COLUMNS + 2;
    const entries = COLUMNS[side].map((column, index) => {
      const node = make("div", { role: "gridcell", class: `${side} ${column}`, "aria-colindex": String(first + index) });
      row.append(node);
      return [column, column === "ltp" ? new PriceCell(node) : new Cell(node)];
    });
    this.#cells = Object.fromEntries(entries);
    this.#cells.oi.node.prepend(this.#bar);
  }

  /** @param {number} share  Of the highest open interest, from 0 to 1. */
  writeBar(share) {
    const percent = Math.round(100 * share);
    if (percent !== this.#barPercent) {
      this.#barPercent = percent;
      // A transform changes no layout, and through the object model a strict policy permits it.
      this.#bar.style.transform = `scaleX(${percent / 100})`;
    }
  }

  /** @param {Quote | null} quote @param {State} state @param {number | null} tickSize */
  write(quote, state, tickSize) {
    setAttribute(this.row, `data-${this.side}`, state);
    setAttribute(this.#cells.ltp.node, "title", stateTitleOf(state, quote).replace(/^ · /, ""));
    const { change } = changeOf(quote, tickSize);
    this.#cells.ltp.writePrice(quote, state, tickSize);
    this.#cells.bid.write(format.formatPrice(quote?.bid ?? null, tickSize));
    this.#cells.ask.write(format.formatPrice(quote?.ask ?? null, tickSize));
    if (this.#cells.change.write(format.formatChange(change))) {
      setAttribute(this.#cells.change.node, "data-direction", format.directionOf(change));
    }
    // Counts are abbreviated; the tooltip has the full number.
    this.#writeCount(this.#cells.volume, quote?.volume ?? null);
    this.#writeCount(this.#cells.oi, quote?.oi ?? null);
  }

  /** @param {OptionAnalytics | null} analytics */
  writeAnalytics(analytics) {
    const cells = this.#cells;
    if (cells.iv.write(format.formatFixed(analytics?.iv ?? null, 1))) {
      cells.iv.node.title = IV_REASONS[analytics?.reason ?? IV_REASONS.length - 1] ?? "";
    }
    cells.delta.write(format.formatFixed(analytics?.delta ?? null, 2));
    cells.theta.write(format.formatFixed(analytics?.theta ?? null, 2));
    cells.vega.write(format.formatFixed(analytics?.vega ?? null, 2));
    const change = analytics?.oiChange ?? null;
    const buildUp = BUILD_UPS[analytics?.buildUp ?? 0];
    const text = format.formatCompactChange(change);
    if (cells["oi-change"].write(buildUp?.short ? `${buildUp.short} ${text}` : text)) {
      setAttribute(cells["oi-change"].node, "data-direction", format.directionOf(change));
      const source = OI_SOURCES[analytics?.oiChangeSource ?? 0];
      const since = change === null ? "" : `${format.formatWhole(change)} since the previous close, by ${source}`;
      cells["oi-change"].node.title = [since, buildUp?.text].filter(Boolean).join(" · ");
    }
  }

  /** @param {Cell} cell @param {number | null} count */
  #writeCount(cell, count) {
    if (cell.write(format.formatCompact(count))) {
      cell.node.title = count === null ? "" : format.formatWhole(count);
    }
  }
}

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
    container.addEventListener("keydown", (event) => this.#moveFocus(event));
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
    this.#build(chain);
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
      this.#setTabStop(found.heading);
      found.row.classList.add("sought");
      found.heading.focus({ preventScroll: true });
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
      this.#setTabStop(nearest.heading);
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

  /** @param {HTMLElement} heading */
  #setTabStop(heading) {
    // Roving tabindex: Tab reaches the grid at one strike, and the arrow keys move from there.
    for (const one of this.#rows) {
      one.heading.tabIndex = one.heading === heading ? 0 : -1;
    }
  }

  /** @param {KeyboardEvent} event */
  #moveFocus(event) {
    const at = this.#rows.findIndex((one) => one.heading === document.activeElement);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (at < 0 || step === undefined) {
      return;
    }
    event.preventDefault();
    const next = this.#rows[Math.max(0, Math.min(this.#rows.length - 1, at + step))];
    if (next !== undefined) {
      this.#setTabStop(next.heading);
      next.heading.focus({ preventScroll: true });
      next.row.scrollIntoView({ block: "nearest" });
    }
  }
}

function buildHead() {
  const sides = make("div", { role: "row", class: "side-row", "aria-rowindex": "1" }, [
    make("div", { role: "columnheader", class: "side-name", "aria-colspan": String(SIDE_COLUMNS), text: "Calls" }),
    make("div", { role: "columnheader", class: "side-name strike" }),
    make("div", { role: "columnheader", class: "side-name", "aria-colspan": String(SIDE_COLUMNS), text: "Puts" }),
  ]);
  const columns = make("div", { role: "row", class: "column-row", "aria-rowindex": "2" }, [
    ...COLUMNS.call.map((column) => buildColumnHead("call", column)),
    make("div", { role: "columnheader", class: "strike", text: "Strike" }),
    ...COLUMNS.put.map((column) => buildColumnHead("put", column)),
  ]);
  return make("div", { role: "rowgroup", class: "ladder-head" }, [sides, columns]);
}

/** @param {"call" | "put"} side @param {Column} column */
function buildColumnHead(side, column) {
  const name = `${side === "call" ? "Call" : "Put"} ${LABELS[column]}`;
  const title = TITLES[column] ?? "";
  return make("div", { role: "columnheader", class: `${side} ${column}`, "aria-label": name, title, text: LABELS[column] });
}
