// A chain as a table for spreadsheets: the columns on the screen, as plain numbers. Pure.
// A text that a spreadsheet would read as a formula gets an apostrophe; numbers stay numbers, negative ones too.

import { BUILD_UPS } from "../marketdata/analytics.js";
import { changeOf, priceOf } from "../marketdata/quotes.js";
import { mirror } from "./columns.js";
import { straddleOf } from "./straddle.js";
import { STRADDLE_COLUMNS } from "./straddle_columns.js";

/** @typedef {import("../marketdata/analytics.js").OptionAnalytics} OptionAnalytics */
/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {Pick<import("./chain.js").Chain, "symbol" | "exchange" | "expiry" | "tick_size" | "strikes" | "spot_instrument_id">} Chain */
/** @typedef {{columns: readonly Column[], straddle: boolean}} Shown  Columns of the calls, from the left; of the straddles. */

/**
 * One value of the table. The text of a number has no grouping, and is empty for an unknown value.
 * @typedef {{text: string, isNumber: boolean}} Field
 */

/** What is known of one option. @typedef {{quote: Quote | null, state: State, analytics: OptionAnalytics | null}} Leg */

/** UTF-8's byte order mark: without it, Excel reads the file in the code page of the system. */
const BYTE_ORDER_MARK = "\ufeff";
/** OWASP, CSV injection: what begins with one of these is a formula to a spreadsheet. */
const FORMULA = /^[=+\-@\t\r]/;
const DECIMALS = 2;
/** Of a tick below one paisa, as on the screen. */
const FINE_DECIMALS = 4;

/**
 * The fields of each column, with their heads. The change of open interest has the build-up beside it, as on the screen.
 * @type {Readonly<Record<Column, readonly [string, (leg: Leg, tickSize: number | null) => Field][]>>}
 */
const FIELDS = Object.freeze({
  "oi-change": [
    ["OI change", ({ analytics }) => numberField(analytics?.oiChange ?? null, 0)],
    ["build-up", ({ analytics }) => textField(BUILD_UPS[analytics?.buildUp ?? 0]?.short ?? "")],
  ],
  oi: [["OI", ({ quote }) => numberField(quote?.oi ?? null, 0)]],
  volume: [["volume", ({ quote }) => numberField(quote?.volume ?? null, 0)]],
  iv: [["IV", ({ analytics }) => numberField(analytics?.iv ?? null, 1)]],
  delta: [["delta", ({ analytics }) => numberField(analytics?.delta ?? null, 2)]],
  gamma: [["gamma", ({ analytics }) => numberField(analytics?.gamma ?? null, 5)]],
  theta: [["theta", ({ analytics }) => numberField(analytics?.theta ?? null, 2)]],
  vega: [["vega", ({ analytics }) => numberField(analytics?.vega ?? null, 2)]],
  intrinsic: [["intrinsic", ({ analytics }) => numberField(analytics?.intrinsic ?? null, 2)]],
  "time-value": [["time value", ({ analytics }) => numberField(analytics?.timeValue ?? null, 2)]],
  change: [["change", ({ quote }, tickSize) => numberField(changeOf(quote, tickSize).change, 2)]],
  "change-percent": [["change %", ({ quote }, tickSize) => numberField(changeOf(quote, tickSize).percent, 2)]],
  bid: [["bid", ({ quote }, tickSize) => priceField(quote?.bid, tickSize)]],
  ltp: [["LTP", ({ quote }, tickSize) => priceField(quote?.ltp, tickSize)]],
  ask: [["ask", ({ quote }, tickSize) => priceField(quote?.ask, tickSize)]],
});
/** At the outer end of each side: an old price must not pass for a live one in the table either. */
const STATE = /** @type {const} */ (["state", (/** @type {Leg} */ { state }) => textField(state)]);

/**
 * Return the table of a chain: a header row, then one row a strike, the lowest first. Calls are left of the strike, puts
 * right of it, each in the order of the screen; straddles are behind the puts.
 * @param {Chain} chain
 * @param {(instrumentId: number) => Leg} readLeg
 * @param {Shown} shown
 * @returns {Field[][]}
 */
export function tableOf(chain, readLeg, { columns, straddle }) {
  const calls = [STATE, ...columns.flatMap((one) => FIELDS[one])];
  const puts = [...mirror(columns).flatMap((one) => FIELDS[one].toReversed()), STATE];
  const header = [
    ...calls.map(([name]) => textField(`Call ${name}`)),
    textField("Strike"),
    ...puts.map(([name]) => textField(`Put ${name}`)),
    ...(straddle ? STRADDLE_COLUMNS.map(({ header: name }) => textField(name)) : []),
  ];
  const leg = (/** @type {typeof calls} */ fields, /** @type {number | null} */ id) => {
    const known = id === null ? null : readLeg(id);
    return fields.map(([, read]) => (known === null ? textField("") : read(known, chain.tick_size)));
  };
  const rows = chain.strikes.map(([strike, call, put]) => [
    ...leg(calls, call),
    { text: String(Number(strike)), isNumber: true },
    ...leg(puts, put),
    ...(straddle ? straddleFields(chain, [strike, call, put], readLeg) : []),
  ]);
  return [header, ...rows];
}

/** @param {number | null | undefined} price @param {number | null} tickSize */
function priceField(price, tickSize) {
  return numberField(priceOf(price ?? null, tickSize), priceDecimals(tickSize));
}

/**
 * @param {Chain} chain @param {Chain["strikes"][number]} strike @param {(instrumentId: number) => Leg} readLeg
 * @returns {Field[]}
 */
function straddleFields({ spot_instrument_id: spotId, tick_size: tickSize }, [strike, callId, putId], readLeg) {
  const [call, put] = [callId, putId].map((id) => (id === null ? null : readLeg(id)));
  const straddle = straddleOf(Number(strike), call ?? null, put ?? null, readLeg(spotId), tickSize);
  return STRADDLE_COLUMNS.map(({ read, decimals }) => numberField(read(straddle), decimals ?? priceDecimals(tickSize)));
}

/** @param {number | null} tickSize */
function priceDecimals(tickSize) {
  return tickSize !== null && tickSize > 0 && tickSize < 0.01 ? FINE_DECIMALS : DECIMALS;
}

/** @param {string} text @returns {Field} */
export function textField(text) {
  return { text, isNumber: false };
}

/**
 * @param {number | null} value
 * @param {number} decimals
 * @returns {Field}
 */
export function numberField(value, decimals) {
  const text = value === null ? "" : value.toFixed(decimals);
  // What rounds to zero has no sign.
  return { text: Number(text) === 0 ? text.replace("-", "") : text, isNumber: true };
}

/**
 * Return the table as a CSV file (RFC 4180) for spreadsheets.
 * @param {Field[][]} rows
 */
export function toCsv(rows) {
  return BYTE_ORDER_MARK + rows.map((row) => `${row.map(csvField).join(",")}\r\n`).join("");
}

/**
 * Return the table as text for the clipboard: a spreadsheet that it is pasted into splits it at the tabs.
 * @param {Field[][]} rows
 */
export function toTabbedText(rows) {
  // A tab or a line break inside a field would begin another cell.
  return rows.map((row) => row.map((field) => safeText(field).replace(/[\t\r\n]+/g, " ")).join("\t")).join("\n");
}

/** @param {Field} field */
function csvField(field) {
  const text = safeText(field);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {Field} field */
function safeText({ text, isNumber }) {
  return !isNumber && FORMULA.test(text) ? `'${text}` : text;
}

/**
 * Return the name of the file: NSE-NIFTY-2026-12-01-20261129-1015.csv, with the time in India.
 * @param {Chain} chain
 * @param {number} epochMs
 */
export function fileNameOf(chain, epochMs) {
  const [day = "", time = ""] = new Date(epochMs + IST_OFFSET_MS).toISOString().split("T");
  const name = [chain.exchange, chain.symbol, chain.expiry, day.replaceAll("-", ""), time.slice(0, 5).replace(":", "")];
  // M&M: no operating system refuses these characters, and none of them needs quotes in a shell.
  return `${name.join("-").replace(/[^A-Za-z0-9-]/g, "_")}.csv`;
}

/** India has no daylight saving time: UTC+5:30. */
const IST_OFFSET_MS = (5 * 60 + 30) * 60_000;
