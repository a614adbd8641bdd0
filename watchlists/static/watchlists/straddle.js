// The straddle of one strike: its call and its put together, from what frames and analytics carry. Pure.

import { changeOf, priceOf } from "../marketdata/quotes.js";

/** @typedef {import("../marketdata/analytics.js").OptionAnalytics} OptionAnalytics */
/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** What is known of an instrument. @typedef {{quote: Quote | null, state: State, analytics: OptionAnalytics | null}} Leg */

/**
 * Null means unknown, never zero. Prices in rupees.
 * @typedef {object} Straddle
 * @property {State} state             The worse one of both options.
 * @property {string} reason           Why there is no price; empty where there is one.
 * @property {number | null} price     Both last traded prices together.
 * @property {number | null} change    Since the previous closes.
 * @property {number | null} lower     The break-even below the strike, in percent from the spot.
 * @property {number | null} upper     The one above.
 * @property {string} distanceReason   Why the break-evens are unknown.
 * @property {number | null} delta     Sums of both options.
 * @property {number | null} theta
 * @property {number | null} vega
 * @property {number | null} iv        Mean of both, in percent.
 * @property {number | null} oi        Units.
 * @property {number | null} pcr       Open interest of the put divided by that of the call.
 */

/** From the best: a straddle is as good as the worse one of its options. @type {State[]} */
const FROM_BEST = ["live", "closed", "suspect", "stale", "waiting"];
/** Prices are whole units of 1/10,000 rupee (marketdata/quotes.js): sums are rounded to them. */
const UNITS_PER_RUPEE = 10_000;

/**
 * Return the straddle of a strike; a leg is null where the strike does not have it.
 * @param {number} strike
 * @param {Leg | null} call
 * @param {Leg | null} put
 * @param {Leg} spot
 * @param {number | null} tickSize  Of the options.
 * @returns {Straddle}
 */
export function straddleOf(strike, call, put, spot, tickSize) {
  const reason = reasonOf("call", call) || reasonOf("put", put);
  const prices = [call, put].map((leg) => priceOf(leg?.quote?.ltp ?? null, tickSize));
  const price = reason === "" ? sum(prices) : null;
  const spotPrice = hasPrice(spot) ? priceOf(spot.quote?.ltp ?? null) : null;
  const distance = (/** @type {1 | -1} */ side) =>
    price === null || spotPrice === null ? null : (100 * (strike + side * price - spotPrice)) / spotPrice;
  const [callOi = null, putOi = null] = [call, put].map((leg) => leg?.quote?.oi ?? null);
  const analytics = (/** @type {"delta" | "theta" | "vega" | "iv"} */ name) =>
    sum([call, put].map((leg) => leg?.analytics?.[name] ?? null));
  const iv = analytics("iv");
  return {
    state: worse(call?.state ?? "waiting", put?.state ?? "waiting"),
    reason,
    price,
    change: price === null ? null : sum([call, put].map((leg) => changeOf(leg?.quote ?? null, tickSize).change)),
    lower: distance(-1),
    upper: distance(1),
    distanceReason: reason || (spotPrice === null ? `The spot is ${WORDS[spot.state]}` : ""),
    delta: analytics("delta"),
    theta: analytics("theta"),
    vega: analytics("vega"),
    iv: iv === null ? null : iv / 2,
    oi: sum([callOi, putOi]),
    pcr: callOi === null || putOi === null || callOi === 0 ? null : putOi / callOi,
  };
}

/** States without a price that may be added to another. @type {Record<State, string>} */
const WORDS = {
  waiting: "without a price",
  stale: "outdated",
  suspect: "rejected as invalid",
  live: "without a price",
  closed: "without a price",
};

/** @param {"call" | "put"} side @param {Leg | null} leg  Return why its price counts in no sum; empty if it does. */
function reasonOf(side, leg) {
  if (leg === null) {
    return `No ${side} is listed at this strike`;
  }
  return hasPrice(leg) ? "" : `The price of the ${side} is ${leg.state === "waiting" ? "unknown" : WORDS[leg.state]}`;
}

/** @param {Leg} leg  Whether its price is that of now, or the last one of a closed market. */
function hasPrice({ quote, state }) {
  return (state === "live" || state === "closed") && priceOf(quote?.ltp ?? null) !== null;
}

/** @param {(number | null)[]} values  Return their sum, free of the noise of binary fractions; null if one is unknown. */
function sum(values) {
  let total = 0;
  for (const value of values) {
    if (value === null) {
      return null;
    }
    total += value;
  }
  return Math.round(total * UNITS_PER_RUPEE) / UNITS_PER_RUPEE + 0;
}

/** @param {State} one @param {State} other */
function worse(one, other) {
  return FROM_BEST.indexOf(one) > FROM_BEST.indexOf(other) ? one : other;
}
