// The columns of the preset Straddle: what they show of a strike, and how a screen and a spreadsheet write it. Pure.

import * as format from "../marketdata/format.js";

/** @typedef {import("./straddle.js").Straddle} Straddle */

/**
 * One column. `decimals` are those of a spreadsheet; null for a price, which has those of the tick.
 * @typedef {object} StraddleColumn
 * @property {string} name     Its class; the puts and calls have their own.
 * @property {string} label
 * @property {string} title    Explains the head.
 * @property {string} header   In a spreadsheet.
 * @property {(one: Straddle) => number | null} read
 * @property {(value: number | null, tickSize: number | null) => string} write
 * @property {number | null} decimals
 * @property {(one: Straddle) => string} [reasonOf]  Why there is a dash.
 */

const plain = (/** @type {number} */ decimals) => (/** @type {number | null} */ value) => format.formatFixed(value, decimals);

/** @type {readonly StraddleColumn[]} */
export const STRADDLE_COLUMNS = Object.freeze([
  {
    name: "pair-price",
    label: "Straddle",
    title: "Last prices of call and put together",
    header: "Straddle",
    read: (one) => one.price,
    write: format.formatPrice,
    decimals: null,
    reasonOf: (one) => one.reason,
  },
  {
    name: "pair-change",
    label: "Chg",
    title: "Change of the straddle since the previous closes",
    header: "Straddle change",
    read: (one) => one.change,
    write: format.formatChange,
    decimals: 2,
    reasonOf: (one) => one.reason || "The previous close of the call or the put is unknown",
  },
  {
    name: "pair-lower",
    label: "BE −",
    title: "Break-even below: strike less the straddle, in percent from the spot",
    header: "Break-even below %",
    read: (one) => one.lower,
    write: format.formatPercent,
    decimals: 2,
    reasonOf: (one) => one.distanceReason,
  },
  {
    name: "pair-upper",
    label: "BE +",
    title: "Break-even above: strike and the straddle, in percent from the spot",
    header: "Break-even above %",
    read: (one) => one.upper,
    write: format.formatPercent,
    decimals: 2,
    reasonOf: (one) => one.distanceReason,
  },
  {
    name: "pair-iv",
    label: "IV",
    title: "Mean of the implied volatilities of call and put, in percent",
    header: "Straddle IV",
    read: (one) => one.iv,
    write: plain(1),
    decimals: 1,
  },
  {
    name: "pair-delta",
    label: "Delta",
    title: "Delta of call and put together",
    header: "Straddle delta",
    read: (one) => one.delta,
    write: plain(2),
    decimals: 2,
  },
  {
    name: "pair-theta",
    label: "Theta",
    title: "Change of both values in one trading day, in rupees",
    header: "Straddle theta",
    read: (one) => one.theta,
    write: plain(2),
    decimals: 2,
  },
  {
    name: "pair-vega",
    label: "Vega",
    title: "Change of both values for one percentage point of volatility, in rupees",
    header: "Straddle vega",
    read: (one) => one.vega,
    write: plain(2),
    decimals: 2,
  },
  {
    name: "pair-oi",
    label: "OI",
    title: "Open interest of call and put together",
    header: "Straddle OI",
    read: (one) => one.oi,
    write: format.formatCompact,
    decimals: 0,
  },
  {
    name: "pair-pcr",
    label: "PCR",
    title: "Open interest of the put divided by that of the call",
    header: "Strike PCR",
    read: (one) => one.pcr,
    write: plain(2),
    decimals: 2,
    reasonOf: () => "The open interest of the call or the put is unknown, or that of the call is zero",
  },
]);
