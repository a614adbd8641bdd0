// What the hits of a search are called, what they open and what they add. Pure.

import * as format from "../marketdata/format.js";

/**
 * One hit as the API answers it. A recent item has no price: its own would be that of an earlier search.
 * @typedef {object} Hit
 * @property {number} instrument_id
 * @property {string} token
 * @property {string} symbol           Of the underlying.
 * @property {string} exchange
 * @property {string} instrument_type  As the broker names it: INDEX, EQUITY, FUTSTK, OPTIDX, …
 * @property {string} display_name
 * @property {string | null} expiry
 * @property {number | null} strike
 * @property {string | null} option_type
 * @property {number} lot_size
 * @property {Offer[]} offers          The watchlist entries that it allows, its own first.
 * @property {number | null} [ltp]
 * @property {string | null} [ltp_at]  When it was received.
 * @property {"itm" | "atm" | "otm" | null} [moneyness]  Of an option.
 */

/** @typedef {{instrument_type: string, expiries: {expiry: string}[]}} Offer */

/**
 * Body of POST watchlist/add.
 * @typedef {{symbol: string, exchange: string, instrument_type: string, expiry?: string, strikes?: number, list?: string}} AddRequest
 */

/** The cell of a contract in its chain; without a side, the strike itself. @typedef {{strike: number, side: "call" | "put" | null}} Place */

/** A chain, and what is sought in it. @typedef {{request: import("./underlying.js").ChainRequest, place: Place | null}} Opening */

/** @type {Record<string, string>} */
const KINDS = { INDEX: "Index", EQUITY: "Equity", FUT: "Future", OPT: "Option" };

/** Chosen: a liquid instrument trades within a minute; the price of another needs its time beside it. */
const FRESH_MS = 60_000;
/** In India no market is open past midnight: a price of another day has its date. */
const DAY_MS = 86_400_000;

/** @param {Hit} hit */
export function titleOf(hit) {
  if (hit.strike !== null && hit.expiry !== null) {
    return `${hit.symbol} ${format.formatExpiry(hit.expiry)} ${format.formatStrike(hit.strike)} ${hit.option_type ?? ""}`;
  }
  return hit.expiry === null ? hit.symbol : `${hit.symbol} ${format.formatExpiry(hit.expiry)} FUT`;
}

/** @param {Hit} hit */
export function kindOf({ instrument_type: type }) {
  return KINDS[type] ?? KINDS[type.slice(0, 3)] ?? type;
}

/** @param {Hit} hit  Its name in the listing, or the lot of a contract, whose name is no more than its title. */
export function detailOf({ display_name: name, lot_size: lot, expiry }) {
  return expiry !== null && lot > 1 ? `lot ${format.formatWhole(lot)}` : name;
}

/**
 * Return the last price of a hit as text, a dash where none is known. `age` is when it came, unless that was just now;
 * empty texts for a recent item.
 * @param {Hit} hit
 * @param {number} nowMs  By the server's clock.
 */
export function priceTextsOf({ ltp, ltp_at: at = null }, nowMs) {
  if (ltp === undefined) {
    return { text: "", age: "", title: "" };
  }
  if (ltp === null) {
    return { text: format.UNKNOWN, age: "", title: "No last price is known here: it does not stream" };
  }
  if (at === null) {
    return { text: format.formatPrice(ltp), age: "", title: "Last price" };
  }
  const ms = Date.parse(at);
  const title = `Last price, of ${format.formatDay(ms)} ${format.formatTimeWithSeconds(ms)}`;
  return { text: format.formatPrice(ltp), age: ageTextOf(ms, nowMs), title };
}

/** @param {number} ms @param {number} nowMs */
function ageTextOf(ms, nowMs) {
  if (nowMs - ms < FRESH_MS) {
    return "";
  }
  const isToday = nowMs - ms < DAY_MS && format.formatDay(ms) === format.formatDay(nowMs);
  return isToday ? format.formatTime(ms) : format.formatDay(ms);
}

/**
 * Return what a hit opens: a contract its place in the chain of its expiry, an underlying its nearest chain; null for
 * what has no chain: a future, a share or an index without options, a market that the terminal does not stream.
 * @param {Hit} hit
 * @returns {Opening | null}
 */
export function openingOf({ symbol, exchange, expiry, strike, option_type: option, offers }) {
  if (strike !== null && expiry !== null) {
    const place = /** @type {Place} */ ({ strike, side: option === "PE" ? "put" : "call" });
    return offers.length === 0 ? null : { request: { symbol, exchange, expiry }, place };
  }
  const hasChain = offers.some((one) => one.instrument_type.endsWith("_OPTION"));
  return hasChain ? { request: { symbol, exchange }, place: null } : null;
}

/**
 * Return the request that adds the hit: its first offer, by its nearest expiry; null for a hit that cannot be added.
 * @param {Hit} hit
 * @returns {AddRequest | null}
 */
export function additionOf(hit) {
  const offer = hit.offers[0];
  return offer === undefined ? null : requestOf(hit, offer, offer.expiries[0]?.expiry);
}

/**
 * Return the request that adds one of the offers of a hit; without an expiry, the server takes the nearest.
 * @param {Hit} hit
 * @param {Offer} offer
 * @param {string} [expiry]
 * @returns {AddRequest}
 */
export function requestOf({ token, symbol, exchange }, { instrument_type: kind }, expiry) {
  if (kind === "EQUITY" || kind === "OPTION") {
    // The token, as "NSE:M&M", names the share or the option itself; `symbol` is that of the underlying.
    return { symbol: token.split(":").pop() ?? symbol, exchange, instrument_type: kind };
  }
  return { symbol, exchange, instrument_type: kind, ...(expiry !== undefined && { expiry }) };
}
