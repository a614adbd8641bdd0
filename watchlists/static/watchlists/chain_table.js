// A chain as a table for spreadsheets: the values on the screen, as plain numbers. Pure.
// A text that a spreadsheet would read as a formula gets an apostrophe; numbers stay numbers, negative ones too.

import { BUILD_UPS } from "../marketdata/analytics.js";
import { changeOf, priceOf } from "../marketdata/quotes.js";

/** @typedef {import("../marketdata/analytics.js").OptionAnalytics} OptionAnalytics */
/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** @typedef {Pick<import("./chain.js").Chain, "symbol" | "exchange" | "expiry" | "tick_size" | "strikes">} Chain */

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

/** Of the calls, from the left; the puts have them from the right. */
const COLUMNS = Object.freeze([
  "state",
  "OI",
  "OI change",
  "build-up",
  "volume",
  "vega",
  "theta",
  "delta",
  "IV",
  "change",
  "bid",
  "LTP",
  "ask",
]);

/**
 * Return the table of a chain: a header row, then one row a strike, the lowest first.
 * @param {Chain} chain
 * @param {(instrumentId: number) => Leg} readLeg
 * @returns {Field[][]}
 */
export function tableOf(chain, readLeg) {
  const header = [
    ...COLUMNS.map((name) => textField(`Call ${name}`)),
    textField("Strike"),
    ...COLUMNS.map((name) => textField(`Put ${name}`)).reverse(),
  ];
  const rows = chain.strikes.map(([strike, call, put]) => [
    ...legFields(call, readLeg, chain.tick_size),
    { text: String(Number(strike)), isNumber: true },
    ...legFields(put, readLeg, chain.tick_size).reverse(),
  ]);
  return [header, ...rows];
}

/**
 * @param {number | null} instrumentId  Null where the strike lacks this option.
 * @param {(instrumentId: number) => Leg} readLeg
 * @param {number | null} tickSize
 * @returns {Field[]}
 */
function legFields(instrumentId, readLeg, tickSize) {
  if (instrumentId === null) {
    return COLUMNS.map(() => textField(""));
  }
  const { quote, state, analytics } = readLeg(instrumentId);
  const decimals = tickSize !== null && tickSize > 0 && tickSize < 0.01 ? FINE_DECIMALS : DECIMALS;
  const price = (/** @type {number | null | undefined} */ value) => numberField(priceOf(value ?? null, tickSize), decimals);
  return [
    // An old price must not pass for a live one in the table either.
    textField(state),
    numberField(quote?.oi ?? null, 0),
    numberField(analytics?.oiChange ?? null, 0),
    textField(BUILD_UPS[analytics?.buildUp ?? 0]?.short ?? ""),
    numberField(quote?.volume ?? null, 0),
    numberField(analytics?.vega ?? null, 2),
    numberField(analytics?.theta ?? null, 2),
    numberField(analytics?.delta ?? null, 2),
    numberField(analytics?.iv ?? null, 1),
    numberField(changeOf(quote, tickSize).change, 2),
    price(quote?.bid),
    price(quote?.ltp),
    price(quote?.ask),
  ];
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
