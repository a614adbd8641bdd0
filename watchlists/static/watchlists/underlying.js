// Which chain is which: a symbol may be listed on several exchanges, so the exchange belongs to its identity. Pure.
// An exchange left out means the server's choice, which nobody here guesses.

/**
 * What the trader wants to see.
 * @typedef {{symbol: string, exchange?: string, expiry?: string}} Wanted
 */

/** Left out of the address. */
const USUAL_EXCHANGE = "NSE";

/**
 * Whether what is asked for now is the underlying that is open, of which `chain` is the server's answer.
 * @param {Wanted} asked
 * @param {Wanted | null} wanted  What was asked for before.
 * @param {{exchange: string} | null} chain
 */
export function isOpen(asked, wanted, chain) {
  if (wanted === null || chain === null || asked.symbol !== wanted.symbol) {
    return false;
  }
  return asked.exchange === wanted.exchange || asked.exchange === chain.exchange;
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
 * @param {Wanted} wanted
 */
export function addressOf({ symbol, exchange, expiry }) {
  const name = exchange && exchange !== USUAL_EXCHANGE ? `${exchange}:${symbol}` : symbol;
  return [name, expiry].filter(Boolean).join("/");
}

/**
 * What an address asks for; null where it names nothing.
 * @param {string} address
 * @returns {Wanted | null}
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
 * Whether an address asks for something else than is wanted; one without an expiry asks for none in particular.
 * @param {Wanted} asked
 * @param {Wanted | null} wanted
 */
export function isElsewhere(asked, wanted) {
  if (wanted === null) {
    return true;
  }
  const { expiry: _, ...underlying } = wanted;
  return addressOf(asked) !== addressOf(asked.expiry ? wanted : underlying);
}
