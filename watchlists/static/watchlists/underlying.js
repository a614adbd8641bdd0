// Identity and address of a chain. A symbol may be listed on several exchanges, so the exchange is part of it.
// A request without an exchange leaves the choice to the server; its answer names the exchange. Pure.

/**
 * The chain that a trader asks for; without an expiry, the nearest.
 * @typedef {{symbol: string, exchange?: string, expiry?: string}} ChainRequest
 */

/** Omitted in an address. Chosen: most traders use NSE, and short links are easier to share. */
const USUAL_EXCHANGE = "NSE";

/**
 * Whether a request is for the underlying that is open.
 * @param {ChainRequest} request
 * @param {ChainRequest | null} current  The request before it.
 * @param {{exchange: string} | null} chain  The server's answer to it.
 */
export function isOpen(request, current, chain) {
  if (current === null || chain === null || request.symbol !== current.symbol) {
    return false;
  }
  return request.exchange === current.exchange || request.exchange === chain.exchange;
}

/** @typedef {{symbol: string, exchange: string, expiry: string | null} | null} ChainName */

/** @param {ChainName} one @param {ChainName} other  Whether both name the same chain; false where one is missing. */
export function isSameChain(one, other) {
  if (one === null || other === null) {
    return false;
  }
  return one.symbol === other.symbol && one.exchange === other.exchange && one.expiry === other.expiry;
}

/**
 * Whether a chain is the one that a request asks for; what the request leaves open may be any.
 * @param {ChainRequest} request
 * @param {{symbol: string, exchange: string, expiry: string}} chain
 */
export function isSought({ symbol, exchange = undefined, expiry = undefined }, chain) {
  // An address may be typed by hand.
  const isSameSymbol = symbol.toUpperCase() === chain.symbol && (exchange === undefined || exchange === chain.exchange);
  return isSameSymbol && (expiry === undefined || expiry === chain.expiry);
}

/**
 * Return how many strikes around the money reach this one, if its neighbors are a step apart; null for a strike between
 * the lowest and the highest, which no wider window has.
 * @param {{atm: string, strike_step: string, strikes: [string, number | null, number | null][]}} chain
 * @param {number} strike
 */
export function countToReach({ atm, strike_step: step, strikes }, strike) {
  const isBetween = strike >= Number(strikes[0]?.[0]) && strike <= Number(strikes.at(-1)?.[0]);
  return isBetween ? null : 2 * Math.ceil(Math.abs(strike - Number(atm)) / Number(step)) + 1;
}

/**
 * Return the request that goes on with the contracts of the open chain, after the exchange renamed their underlying or
 * moved their expiry; null where the answer shows no such change. The server states the former symbol. An expiry has
 * moved if the chain on the screen is the requested one, and its next answer names another: an answer to an earlier
 * request names another chain than the request.
 * @param {{symbol: string, exchange: string, expiry: string, former_symbol: string | null}} answer
 * @param {{symbol: string, expiry: string} | null} shown
 * @param {ChainRequest | null} request
 * @returns {ChainRequest | null}
 */
export function followedRequest(answer, shown, request) {
  if (request === null) {
    return null;
  }
  const { symbol, exchange, expiry } = answer;
  if (answer.former_symbol !== null && answer.former_symbol === request.symbol) {
    return { symbol, exchange, ...(request.expiry !== undefined && { expiry }) };
  }
  const isShown = shown !== null && shown.symbol === symbol && shown.expiry === request.expiry;
  return isShown && symbol === request.symbol && expiry !== request.expiry ? { ...request, expiry } : null;
}

/**
 * Return the ids of the options of a chain; a strike may lack its call or its put.
 * @param {{strikes: [string, number | null, number | null][]}} chain
 */
export function legsOf(chain) {
  return chain.strikes.flatMap(([, call, put]) => [call, put]).filter((id) => id !== null);
}

/**
 * Return why prices of an open chain stand still, for the trader; empty while all of it streams.
 * @param {{strikes: [string, number | null, number | null][], not_streaming: number[], not_streaming_reason: string | null}} chain
 * @param {"absent" | "listed" | "stopped"} entry  Of the trader's lists: none, or one that has lost its claim.
 */
export function standstillText(chain, entry) {
  const count = chain.not_streaming.length;
  if (count === 0) {
    return "";
  }
  if (chain.not_streaming_reason === "soon") {
    return "This chain streams within half a minute.";
  }
  // One more than the options: the spot is part of the chain.
  const total = legsOf(chain).length + 1;
  const what = count === total ? "The prices of this chain stand" : `${count} of ${total} prices of this chain stand`;
  const text = `${what} still: all live instruments are in use. They stream as soon as there is room.`;
  switch (entry) {
    case "absent":
      return `${text} Add the chain to your watchlist to make room for it.`;
    case "stopped":
      return `${text} Press “Stream again” to make room for it.`;
    default:
      return text;
  }
}

/**
 * Return the address of a chain, without the #: RELIANCE, RELIANCE/2026-11-24 or BSE:RELIANCE/2026-11-24.
 * @param {ChainRequest} request
 */
export function addressOf({ symbol, exchange, expiry }) {
  const name = exchange && exchange !== USUAL_EXCHANGE ? `${exchange}:${symbol}` : symbol;
  return [name, expiry].filter(Boolean).join("/");
}

/**
 * Return the request of an address; null where it names no symbol.
 * @param {string} address
 * @returns {ChainRequest | null}
 */
export function parseAddress(address) {
  const [name = "", expiry] = address.split("/");
  const [, exchange, symbol] = /^(?:(NSE|BSE|MCX):)?(.*)$/i.exec(name) ?? [];
  if (!symbol) {
    return null;
  }
  return { symbol, ...(exchange && { exchange: exchange.toUpperCase() }), ...(expiry && { expiry }) };
}

/**
 * Return the strike that an address names after the expiry, RELIANCE/2026-11-24/1400; null where it names none.
 * @param {string} address
 */
export function strikeOf(address) {
  const strike = Number(address.split("/")[2] ?? NaN);
  return strike > 0 ? strike : null;
}

/**
 * Whether an address asks for another chain than the current one. Without an expiry it asks for the nearest: Back from
 * another expiry leads there.
 * @param {ChainRequest} request
 * @param {ChainRequest | null} current
 */
export function isOtherChain(request, current) {
  return current === null || addressOf(request) !== addressOf(current);
}
