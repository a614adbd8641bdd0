// The ladder: calls left, strikes in the middle, puts right. It builds a row once for each strike and then writes only the
// changed cells. Paint only: the strikes and legs come from the server's chain message.

import * as format from "../marketdata/format.js";
import { priceOf } from "../marketdata/quotes.js";
import { setAttribute } from "./cells.js";
import { isColumn, PRESET_COLUMNS } from "./columns.js";
import { make } from "./dom.js";
import { strikeAbove } from "./follow.js";
import { GridFocus } from "./grid_focus.js";
import { placeRows, setTracks } from "./ladder_rows.js";
import { LadderView } from "./ladder_view.js";
import { buildHead, cellKeys, LegCells } from "./leg_cells.js";
import { SoughtPlace } from "./sought.js";
import { StraddleCells } from "./straddle_cells.js";
import { STRADDLE_COLUMNS } from "./straddle_columns.js";
import { isSameChain } from "./underlying.js";

/** @typedef {import("../marketdata/analytics.js").AnalyticsCache} AnalyticsCache */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {import("./columns.js").Column} Column */
/**
 * A strike on the screen. `legs` has the cells of its call and of its put, with their instruments.
 * @typedef {{row: HTMLElement, heading: HTMLElement, strike: number, legs: readonly [number | null, LegCells][]}} StrikeRow
 */

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
  /** By strike and legs: a row stays when the window moves. @type {Map<string, StrikeRow>} */
  #rowsByKey = new Map();
  /** @type {StrikeRow[]} */
  #rows = [];
  /** Of the calls, from the left. @type {readonly Column[]} */
  #columns = PRESET_COLUMNS;
  /** @type {HTMLElement | null} */
  #atmRow = null;
  /** The first row above the spot. @type {HTMLElement | null} */
  #spotRow = null;
  #barsAt = -Infinity;
  #straddles;
  #focus;
  #view;
  /** What the address or the search names. */
  sought;

  /**
   * @param {HTMLElement} container  The scrolling element around the ladder.
   * @param {QuoteCache} quotes
   * @param {AnalyticsCache} analytics
   * @param {(isFollowing: boolean) => void} onFollow  The ladder follows the spot from now on, or no longer.
   */
  constructor(container, quotes, analytics, onFollow) {
    this.#container = container;
    this.#quotes = quotes;
    this.#analytics = analytics;
    this.#straddles = new StraddleCells(container, quotes, analytics);
    this.#focus = new GridFocus(container);
    this.#view = new LadderView(container, onFollow);
    this.sought = new SoughtPlace(container, this.#focus, (row) => this.#view.show(row));
  }

  /**
   * Show a chain, or a new window of the same chain. Another chain scrolls to ATM.
   * @param {Chain} chain
   */
  show(chain) {
    const previous = this.#chain;
    const isSame = isSameChain(previous, chain);
    this.#chain = chain;
    // The server repeats the chain when its streaming legs change: equal rows stay as they are.
    if (isSame && JSON.stringify(previous?.strikes) === JSON.stringify(chain.strikes)) {
      this.sought.showIn(chain, this.#rows, isSame);
      return;
    }
    const isSameWidth = isSame && previous?.strikes.length === chain.strikes.length;
    const places = isSame ? this.#view.notePlaces() : [];
    this.#focus.noteBefore();
    if (isSame) {
      this.#renew(chain);
    } else {
      this.#build(chain);
    }
    this.#finish(places, previous?.symbol === chain.symbol && previous.exchange === chain.exchange);
    if (!isSame) {
      this.scrollToAtm();
    } else if (!isSameWidth && this.#view.isFollowing) {
      this.scrollToAtm();
    }
    this.sought.showIn(chain, this.#rows, isSame);
  }

  /**
   * Show these columns of each side. The rows are built again; what was visible stays in its place.
   * @param {readonly Column[] | null} columns  Of the calls, from the left; null for those of the presets.
   */
  setColumns(columns) {
    const next = columns ?? PRESET_COLUMNS;
    if (next.join() === this.#columns.join()) {
      // Another preset of the same cells.
      this.#focus.leaveHidden();
      return;
    }
    this.#columns = next;
    if (this.#chain !== null) {
      const places = this.#view.notePlaces();
      this.#focus.noteBefore();
      this.#build(this.#chain);
      this.#finish(places, true);
      this.#view.centerSideways();
      this.sought.showIn(this.#chain, this.#rows, true);
    }
  }

  /** The columns that one sees, of the calls from the left: a preset hides some of those that the rows have. */
  get visibleColumns() {
    const heads = [...this.#container.querySelectorAll(".column-row > .call")].filter((one) => one.getClientRects().length > 0);
    return heads.map((one) => one.getAttribute("data-column") ?? "").filter(isColumn);
  }

  /** Whether one sees the columns of the preset Straddle. */
  get showsStraddles() {
    return this.#straddles.isShown;
  }

  /** @param {import("./ladder_view.js").Place[]} places @param {boolean} isSameUnderlying */
  #finish(places, isSameUnderlying) {
    const keys = [...cellKeys(this.#columns), ...STRADDLE_COLUMNS.map((one) => one.name)];
    this.#focus.setRows(this.#rows, keys, isSameUnderlying);
    this.#view.setRows(this.#rows, places);
    this.paint(null);
    this.paintAnalytics(null);
  }

  clear() {
    this.#chain = null;
    this.#legs.clear();
    this.#rowsByKey.clear();
    this.#rows = [];
    this.#atmRow = null;
    this.#spotRow = null;
    this.#barsAt = -Infinity;
    this.#view.clear();
    this.#straddles.detach();
    this.#container.replaceChildren();
  }

  /** @param {Chain} chain */
  #build(chain) {
    this.clear();
    this.#chain = chain;
    const ladder = make("div", { role: "grid", class: "ladder" }, [buildHead(this.#columns), make("div", { role: "rowgroup", class: "strike-rows" })]);
    if (this.#columns !== PRESET_COLUMNS) {
      setTracks(ladder, this.#columns);
    }
    this.#container.append(ladder);
    this.#renew(chain);
  }

  /** @param {Chain} chain  Make the rows those of its strikes; rows of strikes that stay, stay in the page. */
  #renew(chain) {
    const former = this.#rowsByKey;
    this.#rowsByKey = new Map(chain.strikes.map((one) => [one.join("|"), former.get(one.join("|")) ?? this.#buildRow(one)]));
    this.#rows = [...this.#rowsByKey.values()];
    this.#legs = new Map(this.#rows.flatMap(({ legs }) => legs.flatMap(([id, cells]) => (id === null ? [] : [[id, cells]]))));
    const [ladder, body] = [this.#container.querySelector(".ladder"), this.#container.querySelector(".strike-rows")];
    ladder?.setAttribute("aria-label", `Option chain of ${chain.symbol}, ${format.formatExpiry(chain.expiry)}`);
    ladder?.setAttribute("aria-rowcount", String(chain.strikes.length + 2));
    const straddles = this.#columns === PRESET_COLUMNS ? STRADDLE_COLUMNS.length : 0;
    ladder?.setAttribute("aria-colcount", String(2 * this.#columns.length + 1 + straddles));
    if (body !== null) {
      placeRows(body, this.#rows.map((one) => one.row));
    }
    this.#straddles.attach(chain, this.#rows.map((one) => one.row));
    // A new row may have the highest open interest.
    this.#barsAt = -Infinity;
  }

  /** @param {Chain["strikes"][number]} strike @returns {StrikeRow} */
  #buildRow([strike, call, put]) {
    const row = make("div", { role: "row", class: "strike-row" });
    const callCells = new LegCells(row, "call", this.#columns);
    const colindex = String(this.#columns.length + 1);
    const heading = make("div", { role: "rowheader", class: "strike", tabindex: "-1", "aria-colindex": colindex, text: format.formatStrike(strike) });
    row.append(heading);
    const putCells = new LegCells(row, "put", this.#columns);
    /** @type {[number | null, LegCells][]} */
    const legs = [[call, callCells], [put, putCells]];
    for (const [, cells] of legs.filter(([instrumentId]) => instrumentId === null)) {
      // The strike has no such leg: it gets dashes once, because no quote will ever paint it.
      cells.write(null, "waiting", null);
      cells.writeAnalytics(null);
    }
    for (const [instrumentId, { side }] of legs) {
      if (instrumentId !== null) {
        row.dataset[`${side}Id`] = String(instrumentId);
      }
    }
    return { row, heading, strike: Number(strike), legs };
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
    this.#straddles.paint(changed);
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
    this.#straddles.paint(changed);
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
    const strike = strikeAbove(this.#rows.map((one) => one.strike), spot);
    const above = this.#rows.find((one) => one.strike === strike)?.row ?? null;
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
    this.#view.follow(spot, this.#atmRow);
  }

  /** Return the ATM strike as text; a dash without a chain. */
  atmText() {
    return this.#atmRow?.querySelector(".strike")?.textContent ?? format.UNKNOWN;
  }

  /** Show the strike at the money in the middle, and follow the spot. */
  scrollToAtm() {
    this.#view.returnToAtm();
  }

  /** Follow the spot, or stop where it is. */
  toggleFollow() {
    if (this.#view.isFollowing) {
      this.#view.pause();
    } else {
      this.#view.returnToAtm();
    }
  }
}
