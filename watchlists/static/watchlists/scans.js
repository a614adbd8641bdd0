// The rankings of the scanner: their columns and words, the order of the rows, and the state of the newest result. Pure.
// Messages: marketdata/streaming/messages.py; rankings and their rules: docs/analytics.md.

import { BUILD_UPS } from "../marketdata/analytics.js";
import * as format from "../marketdata/format.js";
import { addressOf } from "./underlying.js";

/**
 * A row of a result. Which figures it has depends on the ranking; null is unknown.
 * @typedef {{symbol: string, exchange: string, expiry?: string, strike?: number | null, option_type?: string} & Record<string, any>} Row
 */

/**
 * The server's newest result of a ranking.
 * @typedef {object} ScanMessage
 * @property {string} ranking
 * @property {string | null} underlying  Such as NSE:NIFTY; null for all.
 * @property {"live" | "stopped"} state
 * @property {number | null} computed_at_ms
 * @property {number | null} base_seconds  Age of the oldest base of a change.
 * @property {string[]} underlyings  All that stream.
 * @property {Row[]} rows
 */

/** @typedef {{text: string, direction?: "up" | "down" | "flat", title?: string}} Figure */

/**
 * A column of figures; one that is `secondary` is hidden on a phone.
 * @typedef {{label: string, title?: string, secondary?: boolean, figure: (row: Row) => Figure}} Column
 */

/** @typedef {{id: string, group: string, label: string, rule: string, subject: string, columns: Column[]}} Ranking */

/** Nothing is live without a result for this long: STALE_SECONDS in marketdata/derived_board.py. */
export const STALE_MS = 3_000;

/** @param {(row: Row) => string} text @returns {(row: Row) => Figure} */
const plain = (text) => (row) => ({ text: text(row) });

/** @param {number | null | undefined} value @param {string} text @returns {Figure} */
function directed(value, text) {
  const direction = format.directionOf(value ?? null);
  return { text: `${format.ARROWS[direction]} ${text}`.trim(), direction };
}

/** @param {string} name  A kind of build-up on the wire, in the order of BUILD_UPS from 1. */
const buildUpOf = (name) => BUILD_UPS[1 + ["long_build_up", "short_build_up", "long_unwinding", "short_covering"].indexOf(name)];

/** @type {Column} */
const LTP = { label: "LTP", secondary: true, figure: plain((row) => format.formatFixed(row["ltp"] ?? null, 2)) };
/** @type {Column} */
const OI = {
  label: "OI",
  title: "Open interest in lots",
  figure: plain((row) => format.formatCompact(whole(row["oi"]))),
};
/** @type {Column} */
const OVER = {
  label: "Over",
  title: "Age of the value from which the change counts",
  figure: plain((row) => (row["base_seconds"] == null ? format.UNKNOWN : format.formatAge(row["base_seconds"] * 1_000))),
};
/** @type {Column} */
const PERCENT = { label: "%", figure: (row) => directed(row["percent"], format.formatPercent(row["percent"] ?? null)) };

const OI_COLUMNS = [
  LTP,
  OI,
  {
    label: "Change",
    title: "Open interest less that of the previous close, in lots",
    figure: (/** @type {Row} */ row) => directed(row["change"], format.formatCompactChange(whole(row["change"]))),
  },
  { ...PERCENT, secondary: true },
  {
    label: "Build-up",
    figure: (/** @type {Row} */ row) => {
      const kind = row["build_up"] ? buildUpOf(row["build_up"]) : undefined;
      return { text: kind?.short || format.UNKNOWN, title: kind?.text ?? "" };
    },
  },
];
const IV_COLUMNS = [
  LTP,
  { label: "IV", title: "Implied volatility in percent", figure: plain((row) => format.formatFixed(row["iv"] ?? null, 2)) },
  { label: "Before", secondary: true, figure: plain((row) => format.formatFixed(row["base_iv"] ?? null, 2)) },
  {
    label: "Change",
    title: "In percentage points",
    figure: (/** @type {Row} */ row) => directed(row["change"], format.formatChange(row["change"] ?? null)),
  },
  OVER,
];
const VOLUME_COLUMNS = [
  LTP,
  { label: "Volume", title: "Volume of the day in lots", figure: plain((row) => format.formatCompact(whole(row["volume"]))) },
  OI,
  { label: "Vol/OI", title: "Volume divided by open interest", figure: plain((row) => format.formatFixed(row["ratio"] ?? null, 2)) },
];
const STRADDLE_COLUMNS = [
  { label: "ATM", figure: plain((row) => (row["strike"] == null ? format.UNKNOWN : format.formatStrike(row["strike"]))) },
  { label: "Straddle", figure: plain((row) => format.formatFixed(row["straddle"] ?? null, 2)) },
  { label: "Before", secondary: true, figure: plain((row) => format.formatFixed(row["base_straddle"] ?? null, 2)) },
  {
    label: "Change",
    title: "In rupees",
    secondary: true,
    figure: (/** @type {Row} */ row) => directed(row["change"], format.formatChange(row["change"] ?? null)),
  },
  PERCENT,
  OVER,
];
const BUILD_UP_COLUMNS = [
  ["long_build_up", "Long build-up"],
  ["short_build_up", "Short build-up"],
  ["long_unwinding", "Long unwinding"],
  ["short_covering", "Short covering"],
].map(([name = "", label = ""]) => ({
  label,
  title: `${buildUpOf(name)?.text ?? ""}. Share of the open interest, and number of options`,
  figure: plain((row) => {
    const share = row["shares"]?.[name] ?? null;
    return share === null ? format.UNKNOWN : `${format.formatFixed(share, 1)}% (${format.formatWhole(row["counts"][name])})`;
  }),
}));

const OI_RULE = "Since the previous close, in lots. Options with at least 100 lots now or at the close.";
const IV_RULE = "In percentage points, against the value of 15 minutes ago or the oldest there is. Options with at least ten ticks of time value.";
const STRADDLE_RULE = "Call and put at the money together, in percent, against the value of 15 minutes ago or the oldest there is. The strike at the money may have changed.";
const BUILD_UP_RULE = "Share of the open interest of all options of the underlying that are of this kind. Options with at least 100 lots.";

/** @type {readonly Ranking[]} */
export const RANKINGS = Object.freeze([
  { id: "oi_rise", group: "Open interest", label: "OI rise", rule: OI_RULE, subject: "Option", columns: OI_COLUMNS },
  { id: "oi_fall", group: "Open interest", label: "OI fall", rule: OI_RULE, subject: "Option", columns: OI_COLUMNS },
  {
    id: "unusual_volume",
    group: "Open interest",
    label: "Unusual volume",
    rule: "Volume of the day divided by open interest. Options with at least 500 lots of volume and 100 of open interest.",
    subject: "Option",
    columns: VOLUME_COLUMNS,
  },
  { id: "iv_rise", group: "Volatility", label: "IV rise", rule: IV_RULE, subject: "Option", columns: IV_COLUMNS },
  { id: "iv_fall", group: "Volatility", label: "IV fall", rule: IV_RULE, subject: "Option", columns: IV_COLUMNS },
  { id: "straddle_rise", group: "Volatility", label: "Straddle rise", rule: STRADDLE_RULE, subject: "Series", columns: STRADDLE_COLUMNS },
  { id: "straddle_fall", group: "Volatility", label: "Straddle fall", rule: STRADDLE_RULE, subject: "Series", columns: STRADDLE_COLUMNS },
  ...[
    ["long_build_up", "Long build-up"],
    ["short_build_up", "Short build-up"],
    ["long_unwinding", "Long unwinding"],
    ["short_covering", "Short covering"],
  ].map(([id = "", label = ""]) => ({
    id,
    group: "Build-up by underlying",
    label,
    rule: BUILD_UP_RULE,
    subject: "Underlying",
    columns: BUILD_UP_COLUMNS,
  })),
]);

/** @param {string} id @returns {Ranking | null} */
export function findRanking(id) {
  return RANKINGS.find((one) => one.id === id) ?? null;
}

/** @param {number | null | undefined} lots */
function whole(lots) {
  return lots == null ? null : Math.round(lots);
}

/**
 * Return the address of the scanner's choice, without the #: oi_rise, or oi_rise/NSE:NIFTY.
 * @param {string} ranking @param {string | null} underlying
 */
export function addressOfScan(ranking, underlying) {
  return underlying === null ? ranking : `${ranking}/${underlying}`;
}

/**
 * Return the choice of an address; without a known ranking, the first one.
 * @param {string} address
 * @returns {{ranking: Ranking, underlying: string | null}}
 */
export function parseScanAddress(address) {
  const [id = "", underlying = ""] = address.split("/");
  const [first] = RANKINGS;
  return { ranking: findRanking(id) ?? /** @type {Ranking} */ (first), underlying: underlying || null };
}

/** @param {Row} row  What tells a row from the others of its ranking, whatever its figures are. */
export function keyOf({ exchange, symbol, expiry = "", strike, option_type: type }) {
  // The strike at the money of a series is a figure: it changes.
  return [exchange, symbol, expiry, ...(type === undefined ? [] : [strike, type])].join("|");
}

/** @param {Row} row */
export function nameOf({ symbol, expiry, strike, option_type: type }) {
  const option = type === undefined ? "" : `${format.formatStrike(strike ?? 0)} ${type}`;
  return [symbol, expiry === undefined ? "" : format.formatExpiry(expiry), option].filter(Boolean).join(" ");
}

/** @param {Row} row  The address of its chain in the terminal, without the #; with the strike where the row has one. */
export function chainAddressOf({ symbol, exchange, expiry, strike }) {
  const chain = addressOf({ symbol, exchange, ...(expiry !== undefined && { expiry }) });
  return expiry === undefined || strike == null ? chain : `${chain}/${strike}`;
}

/**
 * Return the keys of the rows to show, in order. While the order is held, the rows on the screen stay where they are,
 * and no other row comes; of a row that is not ranked any more nothing is known.
 * @param {string[]} shown
 * @param {Row[]} rows
 * @param {boolean} isHeld
 */
export function arrange(shown, rows, isHeld) {
  return isHeld && shown.length > 0 ? shown : rows.map(keyOf);
}

/**
 * Judge the newest result: whether its figures are live, and what the page says.
 * @param {object} seen
 * @param {string} seen.socket        The state of the socket.
 * @param {ScanMessage | null} seen.message  The newest one of the chosen ranking.
 * @param {number} seen.ageMs         Time since it came, or since it was asked for.
 * @param {string} [seen.refusal]     The server's refusal of the choice.
 * @returns {{isLive: boolean, tone: "live" | "wait" | "down", sentence: string}}
 */
export function judgeScan({ socket, message, ageMs, refusal = "" }) {
  if (socket === "connecting") {
    return { isLive: false, tone: "wait", sentence: "Connecting to the server." };
  }
  if (socket !== "open") {
    return { isLive: false, tone: "down", sentence: "No connection to the server. These rankings are not live." };
  }
  if (refusal !== "") {
    return { isLive: false, tone: "down", sentence: refusal };
  }
  if (message?.state === "stopped" || ageMs > STALE_MS) {
    return { isLive: false, tone: "down", sentence: "The analytics have stopped: no result for three seconds. Nothing is known until they run again." };
  }
  if (message === null) {
    return { isLive: false, tone: "wait", sentence: "Waiting for the first result." };
  }
  return { isLive: true, tone: "live", sentence: message.rows.length > 0 ? "Live" : explainEmpty(message) };
}

/** @param {ScanMessage} message */
function explainEmpty({ ranking, underlying, base_seconds: baseSeconds, underlyings }) {
  if (underlyings.length === 0) {
    return "No options stream. Open a chain in the terminal, or wait for the preload.";
  }
  if (underlying !== null && !underlyings.includes(underlying)) {
    return `No options of ${underlying} stream.`;
  }
  const isChange = /^(iv|straddle)_/.test(ranking);
  if (isChange && baseSeconds === null) {
    return "No value of at least a minute ago to compare with yet. In a closed market none is kept.";
  }
  if (/^oi_/.test(ranking)) {
    return "No change to rank. It counts from the open interest at the previous close, where that was recorded.";
  }
  return "Nothing qualifies for this ranking now.";
}

/** The segment in which an exchange lists options: OPTION_SEGMENT_OF in marketdata/domain/instruments.py. */
const SEGMENT_OF = /** @type {Record<string, number>} */ ({ NSE: 2, BSE: 8, MCX: 5 });

/**
 * Return the end of the last session of all these rows, epoch in ms; null while one of their segments trades.
 * @param {Row[]} rows
 * @param {Record<string, number>} [closed]  Of the server's `feed` message.
 */
export function closedSince(rows, closed = {}) {
  const ends = [...new Set(rows.map((row) => row.exchange))].map((one) => closed[String(SEGMENT_OF[one])] ?? null);
  return ends.length > 0 && !ends.includes(null) ? Math.max(...ends.map(Number)) : null;
}
