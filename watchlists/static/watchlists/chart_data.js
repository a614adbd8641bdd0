// What the charts of a chain show: rows of numbers from the quotes and the analytics of the page, and the same rows as a
// table. Pure: no DOM.

import { formatCompact, formatCompactChange, formatFixed, formatStrike } from "../marketdata/format.js";

/** @typedef {import("../marketdata/analytics.js").OptionAnalytics} OptionAnalytics */
/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").State} State */

/** What is known of an instrument. @typedef {{quote: Quote | null, state: State, analytics: OptionAnalytics | null}} Leg */
/** @typedef {Pick<import("./chain.js").Chain, "strikes" | "atm">} Strikes */

/**
 * One strike. Null means unknown, never zero; open interest in units.
 * @typedef {object} StrikeRow
 * @property {number} strike
 * @property {boolean} isAtm
 * @property {number | null} iv  Percent; both options of a strike have one volatility.
 * @property {number | null} callOi
 * @property {number | null} putOi
 * @property {number | null} callOiChange  Since the previous close.
 * @property {number | null} putOiChange
 */

/** A chart in numbers, for those who cannot see it. @typedef {{head: string[], rows: string[][]}} Table */

/**
 * Return the strikes of a chain, the lowest first.
 * @param {Strikes} chain
 * @param {(instrumentId: number) => Leg} readLeg
 * @returns {StrikeRow[]}
 */
export function strikeRows(chain, readLeg) {
  const atm = Number(chain.atm);
  return chain.strikes.map(([strike, callId, putId]) => {
    const call = callId === null ? null : readLeg(callId);
    const put = putId === null ? null : readLeg(putId);
    return {
      strike: Number(strike),
      isAtm: Number(strike) === atm,
      iv: call?.analytics?.iv ?? put?.analytics?.iv ?? null,
      callOi: call?.quote?.oi ?? null,
      putOi: put?.quote?.oi ?? null,
      callOiChange: call?.analytics?.oiChange ?? null,
      putOiChange: put?.analytics?.oiChange ?? null,
    };
  });
}

/**
 * Return the open interest of strikes as a table, in the words of the chain.
 * @param {readonly StrikeRow[]} rows
 * @returns {Table}
 */
export function oiTable(rows) {
  return {
    head: ["Strike", "Call OI", "Call OI change", "Put OI", "Put OI change"],
    rows: rows.map((row) => [
      formatStrike(row.strike),
      formatCompact(row.callOi),
      formatCompactChange(row.callOiChange),
      formatCompact(row.putOi),
      formatCompactChange(row.putOiChange),
    ]),
  };
}

/**
 * Return the volatilities of strikes as a table.
 * @param {readonly StrikeRow[]} rows
 * @returns {Table}
 */
export function smileTable(rows) {
  return {
    head: ["Strike", "IV %"],
    rows: rows.map((row) => [formatStrike(row.strike), formatFixed(row.iv, 1)]),
  };
}

/**
 * Return the number of decimals that all strikes need.
 * @param {readonly StrikeRow[]} rows
 */
export function strikeDecimals(rows) {
  return rows.every(({ strike }) => Number.isInteger(strike)) ? 0 : 2;
}
