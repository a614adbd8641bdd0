// What happened on the present day: candles of the underlying, continued with the live price of the page. Pure but for the
// request that its caller gives it.

import { formatFixed, formatTime } from "../marketdata/format.js";

/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./chart_data.js").Table} Table */

/** One candle; `at` is the true UTC epoch of its opening, in seconds. @typedef {{at: number, open: number, high: number, low: number, close: number}} Candle */

/** The broker's trade times are the clock of IST as if it were UTC (docs/dhan.md). */
export const IST_SECONDS = 19_800;
export const MINUTE_SECONDS = 60;
/** Chosen: between two requests the page sees one price a second, so highs and lows may be missed for two minutes. */
const LOAD_EVERY_MS = 120_000;
/** Chosen: as long as the server keeps that the broker gave no answer. */
const RETRY_AFTER_MS = 30_000;

/**
 * Return the candles of an answer of the API.
 * @param {{candles: [number, number, number, number, number, number | null][]}} answer
 * @returns {Candle[]}
 */
export function candlesOf(answer) {
  return answer.candles.map(([at, open, high, low, close]) => ({ at, open, high, low, close }));
}

/**
 * Return when a price was traded, in seconds of the true UTC epoch; null where that is unknown.
 * @param {Quote} quote
 */
export function tradedAt(quote) {
  if (quote.ltt !== null) {
    return quote.ltt - IST_SECONDS;
  }
  return quote.receivedAtMs === null ? null : Math.floor(quote.receivedAtMs / 1_000);
}

/**
 * Return candles of a minute with a price of the page: in the last candle, or in a new one after it. A price that is
 * older than the last candle changes nothing.
 * @param {readonly Candle[]} candles
 * @param {number} price
 * @param {number} second
 * @returns {readonly Candle[]}
 */
export function continueCandles(candles, price, second) {
  const at = second - (second % MINUTE_SECONDS);
  const last = candles.at(-1);
  if (last === undefined || at > last.at) {
    return [...candles, { at, open: price, high: price, low: price, close: price }];
  }
  if (at < last.at || (price === last.close && price <= last.high && price >= last.low)) {
    return candles;
  }
  const { open, high, low } = last;
  return [...candles.slice(0, -1), { at, open, high: Math.max(high, price), low: Math.min(low, price), close: price }];
}

/**
 * Return candles as a table, the newest first: that is the one a trader looks for.
 * @param {readonly Candle[]} candles
 * @returns {Table}
 */
export function candleTable(candles) {
  return {
    head: ["Time", "Open", "High", "Low", "Close"],
    rows: candles
      .map(({ at, ...prices }) => [
        formatTime(at * 1_000),
        ...[prices.open, prices.high, prices.low, prices.close].map((one) => formatFixed(one, 2)),
      ])
      .reverse(),
  };
}

/**
 * The points of one chain's day: requested when they are read first, then every two minutes while they are read.
 * @template Point
 */
export class DayPoints {
  #request;
  #name = "";
  #dueAt = -Infinity;
  #isLoading = false;
  /** @type {readonly Point[] | null} */
  #points = null;
  #error = "";

  /** @param {(chain: Chain) => Promise<readonly Point[]>} request */
  constructor(request) {
    this.#request = request;
  }

  /**
   * Return the points of a chain, continued by `extend`; a sentence while there are none.
   * @param {Chain} chain
   * @param {number} nowMs
   * @param {(points: readonly Point[]) => readonly Point[]} extend
   * @returns {readonly Point[] | string}
   */
  read(chain, nowMs, extend) {
    const name = [chain.exchange, chain.symbol, chain.expiry].join("/");
    if (name !== this.#name) {
      this.#name = name;
      this.#points = null;
      this.#error = "";
      this.#dueAt = -Infinity;
      // The answer to the request before is of another chain: it is dropped.
      this.#isLoading = false;
    }
    if (!this.#isLoading && nowMs >= this.#dueAt) {
      void this.#load(chain, name, nowMs);
    }
    if (this.#points === null) {
      return this.#error || "Loading …";
    }
    this.#points = extend(this.#points);
    return this.#points;
  }

  /** @param {Chain} chain @param {string} name @param {number} nowMs */
  async #load(chain, name, nowMs) {
    this.#isLoading = true;
    try {
      const points = await this.#request(chain);
      if (name === this.#name) {
        this.#points = points;
        this.#dueAt = nowMs + LOAD_EVERY_MS;
        this.#isLoading = false;
      }
    } catch (error) {
      if (name === this.#name) {
        // The points that the page has stay.
        this.#error = error instanceof Error ? error.message : String(error);
        this.#dueAt = nowMs + RETRY_AFTER_MS;
        this.#isLoading = false;
      }
    }
  }
}
