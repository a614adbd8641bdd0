// The texts of the detail drawer: what is known of one instrument, and for each dash the reason. Pure; painted by
// detail_panel.js.

import { IV_REASONS } from "../marketdata/analytics.js";
import * as format from "../marketdata/format.js";
import { changeOf } from "../marketdata/quotes.js";

/** @typedef {import("../marketdata/analytics.js").OptionAnalytics} OptionAnalytics */
/** @typedef {import("../marketdata/details.js").Details} Details */
/** @typedef {import("../marketdata/details.js").Level} Level */
/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").State} State */

/**
 * The server's answer to watching an instrument with its details.
 * @typedef {object} Instrument
 * @property {number} instrument_id
 * @property {string} token
 * @property {string} name
 * @property {string} symbol      Of the underlying.
 * @property {string} exchange
 * @property {"index" | "share" | "future" | "option"} kind
 * @property {string | null} entry_type  The kind of its entry on a watchlist; null for one that cannot be added.
 * @property {string | null} expiry
 * @property {string | null} strike
 * @property {string | null} option_type
 * @property {number} lot_size
 * @property {number} tick_size
 * @property {number | null} lower_limit  Rupees, of the last import.
 * @property {number | null} upper_limit
 * @property {boolean} has_options  Whether there is an option chain of its underlying.
 * @property {boolean} over
 * @property {number[]} not_streaming
 * @property {"no_room" | "soon" | null} not_streaming_reason
 */

/**
 * What is known of an instrument.
 * @typedef {object} Subject
 * @property {Instrument} instrument
 * @property {Quote | null} quote
 * @property {State} state
 * @property {Details | null} details
 * @property {OptionAnalytics | null} analytics
 */

/** One figure; `title` is the full number, an explanation, or why it is unknown. @typedef {{text: string, title: string}} Fact */

/** One side of one level. @typedef {{price: string, quantity: string, orders: string, title: string}} LevelTexts */

const NO_INDEX = "The broker sends only the last price of an index";
const NO_PACKET = "No packet with this figure has come yet";
const NO_TRADE = "No trade today";
const NO_LIMIT = "The broker's instrument list has no price band for it";

/** The figures in the order of the drawer, with the kinds of instruments that have them. */
const FIGURES = Object.freeze([
  { id: "open", label: "Open", kinds: "index share future option", group: "day" },
  { id: "high", label: "High", kinds: "index share future option", group: "day" },
  { id: "low", label: "Low", kinds: "index share future option", group: "day" },
  { id: "previous-close", label: "Prev.", kinds: "index share future option", group: "day" },
  { id: "average", label: "Avg.", kinds: "share future option", group: "day" },
  { id: "volume", label: "Volume", kinds: "share future option", group: "day" },
  { id: "ltq", label: "LTQ", kinds: "share future option", group: "day" },
  { id: "ltt", label: "LTT", kinds: "index share future option", group: "day" },
  { id: "oi", label: "OI", kinds: "future option", group: "day" },
  { id: "oi-change", label: "ΔOI", kinds: "option", group: "day" },
  { id: "oi-low", label: "OI low", kinds: "future option", group: "day" },
  { id: "oi-high", label: "OI high", kinds: "future option", group: "day" },
  { id: "lower-limit", label: "Circ. ↓", kinds: "share future option", group: "day" },
  { id: "upper-limit", label: "Circ. ↑", kinds: "share future option", group: "day" },
  { id: "iv", label: "IV", kinds: "option", group: "greeks" },
  { id: "delta", label: "Delta", kinds: "option", group: "greeks" },
  { id: "gamma", label: "Gamma", kinds: "option", group: "greeks" },
  { id: "theta", label: "Theta", kinds: "option", group: "greeks" },
  { id: "vega", label: "Vega", kinds: "option", group: "greeks" },
  { id: "intrinsic", label: "Intrinsic", kinds: "option", group: "greeks" },
  { id: "time-value", label: "Time", kinds: "option", group: "greeks" },
]);

/** Explanations of figures whose short name is not enough. @type {Record<string, string>} */
export const EXPLANATIONS = Object.freeze({
  average: "Average price of all trades of the day, by volume",
  ltq: "Quantity of the last trade",
  ltt: "Time of the last trade, IST",
  "previous-close": "Close of the session before",
  "oi-low": "Lowest open interest of the day",
  "oi-high": "Highest open interest of the day",
  "lower-limit": "Price band of the exchange as of the last instrument list; it may be widened during the day",
  "upper-limit": "Price band of the exchange as of the last instrument list; it may be widened during the day",
  iv: "Implied volatility in percent, of the option out of the money at this strike",
  delta: "Change of the value per rupee of the forward",
  gamma: "Change of delta per rupee of the forward",
  theta: "Change of the value in one trading day, in rupees",
  vega: "Change of the value for one percentage point of volatility, in rupees",
  "oi-change": "Open interest less that of the previous close",
  intrinsic: "What the option would be worth at expiry at this price of the underlying",
  "time-value": "Time value: the price less the intrinsic value",
});

/** @param {Instrument["kind"]} kind  The figures that an instrument of this kind has. */
export function listFigures(kind) {
  return FIGURES.filter(({ kinds }) => kinds.split(" ").includes(kind));
}

/**
 * Return the text of each figure by its id.
 * @param {Subject} subject
 * @returns {Map<string, Fact>}
 */
export function describeFigures(subject) {
  const texts = { ...describeDay(subject), ...describeOption(subject) };
  return new Map(listFigures(subject.instrument.kind).map(({ id }) => [id, texts[id] ?? unknown(NO_PACKET)]));
}

/** @param {Subject} subject @returns {Record<string, Fact>} */
function describeDay({ instrument, quote, details }) {
  const { tick_size: tick, kind } = instrument;
  const day = kind === "index" ? null : (details?.day ?? null);
  const missing = kind === "index" ? NO_INDEX : day === null ? NO_PACKET : NO_TRADE;
  const price = (/** @type {number | null} */ value, why = missing, size = tick) => fact(format.formatPrice(value, size), why);
  const traded = format.formatTradeTime(quote?.ltt ?? null);
  return {
    open: price(day?.open ?? null),
    high: price(day?.high ?? null),
    low: price(day?.low ?? null),
    "previous-close": price(quote?.previousClose ?? null, "The previous close is not known yet"),
    average: price(day?.averagePrice ?? null, missing, 0.01),
    volume: countFact(quote?.volume ?? null, NO_PACKET),
    ltq: countFact(day?.ltq ?? null, missing),
    ltt: fact(traded, quote === null || quote.ltp === null ? NO_PACKET : "The broker states no time of the last trade"),
    oi: countFact(quote?.oi ?? null, NO_PACKET),
    ...describeRange(details),
    "lower-limit": price(instrument.lower_limit, NO_LIMIT),
    "upper-limit": price(instrument.upper_limit, NO_LIMIT),
  };
}

/** @param {Details | null} details @returns {Record<string, Fact>} */
function describeRange(details) {
  // The broker sends 0 for both before the exchange has published any open interest of the day.
  const range = details?.oiRange?.high === 0 ? null : (details?.oiRange ?? null);
  const why = details?.oiRange?.high === 0 ? "The exchange has published no open interest today" : NO_PACKET;
  return { "oi-low": countFact(range?.low ?? null, why), "oi-high": countFact(range?.high ?? null, why) };
}

/** @param {Subject} subject @returns {Record<string, Fact>} */
function describeOption({ instrument, analytics }) {
  const why = IV_REASONS[analytics?.reason ?? IV_REASONS.length - 1] || "Not computed";
  const number = (/** @type {number | null | undefined} */ value, /** @type {number} */ decimals) =>
    fact(format.formatFixed(value ?? null, decimals), why);
  const change = analytics?.oiChange ?? null;
  const price = (/** @type {number | null | undefined} */ value) =>
    // An option out of the money has an intrinsic value of zero: that is known.
    value === 0 ? fact("0.00", "") : fact(format.formatPrice(value ?? null, instrument.tick_size), why);
  return {
    iv: number(analytics?.iv, 1),
    delta: number(analytics?.delta, 3),
    gamma: number(analytics?.gamma, 5),
    theta: number(analytics?.theta, 2),
    vega: number(analytics?.vega, 2),
    "oi-change": { text: format.formatCompactChange(change), title: change === null ? "Open interest of the previous close is not known" : format.formatWhole(change) },
    intrinsic: price(analytics?.intrinsic),
    "time-value": number(analytics?.timeValue, 2),
  };
}

/**
 * Return five levels of each side, best first, and the sums of all orders; dashes where they are unknown.
 * @param {Subject} subject
 * @returns {{bids: LevelTexts[], asks: LevelTexts[], totalBids: Fact, totalAsks: Fact}}
 */
export function describeDepth({ instrument, details }) {
  const depth = instrument.kind === "index" ? null : (details?.depth ?? null);
  const day = instrument.kind === "index" ? null : (details?.day ?? null);
  const missing = instrument.kind === "index" ? "An index has no orders" : NO_PACKET;
  const side = (/** @type {Level[]} */ levels, /** @type {string} */ noun) =>
    Array.from({ length: 5 }, (_, index) => describeLevel(levels[index] ?? null, instrument, depth === null ? missing : `No ${noun} at this level`));
  return {
    bids: side(depth?.bids ?? [], "bid"),
    asks: side(depth?.asks ?? [], "ask"),
    totalBids: countFact(day?.totalBuyQuantity ?? null, missing),
    totalAsks: countFact(day?.totalSellQuantity ?? null, missing),
  };
}

/** @param {Level} level @param {Instrument} instrument @param {string} why @returns {LevelTexts} */
function describeLevel(level, instrument, why) {
  if (level === null) {
    return { price: format.UNKNOWN, quantity: format.UNKNOWN, orders: format.UNKNOWN, title: why };
  }
  const { price, quantity, orders } = level;
  return {
    price: format.formatPrice(price, instrument.tick_size),
    quantity: format.formatCompact(quantity),
    orders: format.formatCompact(orders),
    title: `${format.formatWhole(quantity)} ${unitOf(instrument)} in ${format.formatWhole(orders)} ${orders === 1 ? "order" : "orders"}`,
  };
}

/** @param {Instrument} instrument  What the exchange counts quantities in: MCX in lots. */
export function unitOf(instrument) {
  return instrument.exchange === "MCX" ? "lots" : instrument.kind === "share" ? "shares" : "units";
}

/** @type {Record<State, string>} */
const STATES = { live: "Live", stale: "Outdated", suspect: "Rejected a price", closed: "Market closed", waiting: "No price yet" };

/**
 * Return how far the price can be trusted, and its time, in one line; the title says more.
 * @param {Subject} subject
 * @returns {Fact}
 */
export function describeState({ instrument, quote, state }) {
  const traded = format.formatTradeTime(quote?.ltt ?? null);
  const at = traded === format.UNKNOWN ? "" : ` · ${state === "live" ? "traded" : "last trade"} ${traded}`;
  if (instrument.not_streaming.length > 0) {
    const why =
      instrument.not_streaming_reason === "no_room"
        ? "All live instruments are in use. It streams as soon as there is room."
        : "It streams within half a minute.";
    return { text: `Does not stream${at}`, title: why };
  }
  const title = state === "suspect" ? "The latest price was rejected as invalid; this is the previous one" : "";
  return { text: `${STATES[state]}${at}`, title };
}

/**
 * Return the change of the price: −4.10 (−2.87%); empty while it is unknown.
 * @param {Quote | null} quote @param {number} tickSize
 */
export function describeChange(quote, tickSize) {
  const { change, percent } = changeOf(quote, tickSize);
  const text = change === null || percent === null ? "" : `${format.formatChange(change)} (${format.formatPercent(percent)})`;
  return { text, direction: format.directionOf(change) };
}

/** @param {Instrument} instrument  Its name in few words: NIFTY 26,000 CE, NIFTY FUT, Reliance Industries. */
export function describeName({ kind, name, symbol, strike, option_type: type }) {
  if (strike !== null) {
    return `${symbol} ${format.formatStrike(strike)} ${type ?? ""}`;
  }
  return kind === "future" ? `${symbol} FUT` : name;
}

/** @param {Instrument} instrument  What else tells it from others: 1 Dec · lot 65. */
export function describeContract({ kind, expiry, lot_size: lot }) {
  const parts = [
    expiry === null ? "" : format.formatExpiry(expiry),
    kind === "index" ? "index" : kind === "share" && lot <= 1 ? "share" : `lot ${format.formatWhole(lot)}`,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** @param {string} text @param {string} why  The reason, where the text is a dash. @returns {Fact} */
function fact(text, why) {
  return { text, title: text === format.UNKNOWN ? why : "" };
}

/** @param {string} why @returns {Fact} */
function unknown(why) {
  return { text: format.UNKNOWN, title: why };
}

/** @param {number | null} count @param {string} why @returns {Fact} */
function countFact(count, why) {
  return count === null ? unknown(why) : { text: format.formatCompact(count), title: format.formatWhole(count) };
}
