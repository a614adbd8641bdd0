// Which chain is which: a symbol may be listed on several exchanges, so the exchange belongs to its identity. Pure.
// An exchange left out means the server's choice, which nobody here guesses.

/**
 * What the trader wants to see.
 * @typedef {{symbol: string, exchange?: string, expiry?: string}} ChainRequest
 */

/** Left out of the address. */
const USUAL_EXCHANGE = "NSE";

/**
 * Whether what is request for now is the underlying that is open, of which `chain` is the server's answer.
 * @param {ChainRequest} request
 * @param {ChainRequest | null} current  What was request for before.
 * @param {{exchange: string} | null} chain
 */
export function isOpen(request, current, chain) {
  if (current === null || chain === null || request.symbol !== current.symbol) {
    return false;
  }
  return request.exchange === current.exchange || request.exchange === chain.exchange;
}

/**
 * @param {{symbol: string, exchange: string, expiry: string | null} | null | undefined} one
 * @param {{symbol: string, exchange: string, expiry: string | null} | null | undefined} other
 */
export function isSameChain(one, other) {
  if (!one || !other) {
    return false;
  }
  return one.symbol === other.symbol && one.exchange === other.exchange && one.expiry === other.expiry;
}

/**
 * The address of a chain, without the #: RELIANCE, RELIANCE/2026-11-24 or BSE:RELIANCE/2026-11-24.
 * @param {ChainRequest} current
 */
export function addressOf({ symbol, exchange, expiry }) {
  const name = exchange && exchange !== USUAL_EXCHANGE ? `${exchange}:${symbol}` : symbol;
  return [name, expiry].filter(Boolean).join("/");
}

/**
 * What an address asks for; null where it names nothing.
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
 * Whether an address asks for something else than is current; one without an expiry asks for none in particular.
 * @param {ChainRequest} request
 * @param {ChainRequest | null} current
 */
export function isOtherChain(request, current) {
  if (current === null) {
    return true;
  }
  const { expiry: _, ...underlying } = current;
  return addressOf(request) !== addressOf(request.expiry ? current : underlying);
}
