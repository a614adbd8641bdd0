// The page's state of the market: the newest quote of each instrument, the live connections of the feed, and the
// instruments that changed since the last paint; and the rules for states and price changes. Pure: frames.js decodes.

/** @typedef {import("./frames.js").Frame} Frame */
/** @typedef {import("./frames.js").Quote} Quote */

/**
 * State of the feed, from the server's `feed` message.
 * @typedef {object} Feed
 * @property {string} state  live, delayed, carried, partial, token, reconnecting, stale, no_owner, bus_lost
 * @property {number} live
 * @property {number} total
 * @property {{number: number, state: string, error: string, delay_seconds?: number}[]} connections
 * @property {Record<string, number>} [closed]  End of the last session of each closed segment, epoch in ms.
 * @property {Record<string, number | null>} [changes_at]  When each segment closes, or opens again, epoch in ms.
 * @property {{at_ms: number, connection: number, cause: string} | null} [last_reconnect]  Of a broker connection.
 */

/**
 * The broker's last quotes of the options of a chain, from the server's `chain` message; each is
 * [instrument id, LTP, previous close, bid, ask, volume, OI].
 * @typedef {object} BrokerPrices
 * @property {number} at_ms    When the server received them.
 * @property {number} segment
 * @property {[number, ...(number | null)[]][]} quotes
 */

/** Trust in a displayed quote. @typedef {"waiting" | "live" | "stale" | "suspect" | "closed"} State */

/**
 * Return the state of a quote. Twin of `judge_quote` in marketdata/domain/quote_state.py; both are tested with
 * tests/data/quote_states.json.
 * @param {{hasPrice: boolean, isSuspect: boolean, isCurrent: boolean, receivedAtMs: number | null}} quote
 * @param {boolean} isConnectionLive
 * @param {number | null} closedSinceMs
 * @returns {State}
 */
export function judgeQuote(quote, isConnectionLive, closedSinceMs) {
  if (quote.isSuspect) {
    return "suspect";
  }
  if (!quote.hasPrice) {
    return "waiting";
  }
  const isCurrentlyLive = isConnectionLive && quote.isCurrent;
  // In a closed market no packets arrive, so a quote is the closing one if it arrived after the end of the session, or
  // if its connection would have delivered a later one.
  if (closedSinceMs !== null) {
    return isCurrentlyLive || (quote.receivedAtMs !== null && quote.receivedAtMs >= closedSinceMs) ? "closed" : "stale";
  }
  return isCurrentlyLive ? "live" : "stale";
}

/** No price is live without a frame for this long. Chosen: two missed frames; the server sends one a second or more. */
export const RECEIVING_WITHIN_MS = 2_000;

/** Chosen: a server answers all watches of a new socket within this time, one after the other. */
const HOLD_MS = 3_000;

/** On a starved connection only rows with a packet in this time are live. STARVED_SECONDS: marketdata/domain/feed.py. */
const STARVED_MS = 10_000;

/**
 * @param {[number, ...(number | null)[]]} values
 * @param {BrokerPrices | null} prices
 * @returns {Quote}
 */
function toQuote([instrumentId, ltp = null, previousClose = null, bid = null, ask = null, volume = null, oi = null], prices) {
  return {
    instrumentId,
    connection: 0,
    segment: prices?.segment ?? 0,
    isSuspect: false,
    isSeeded: true,
    ltp,
    previousClose,
    bid,
    ask,
    bidQuantity: null,
    askQuantity: null,
    volume,
    oi,
    ltt: null,
    receivedAtMs: prices?.at_ms ?? null,
  };
}

export class QuoteCache {
  /** @type {Map<number, Quote>} */
  #quotes = new Map();
  /** @type {Map<number, Quote>} */
  #brokerQuotes = new Map();
  /** @type {Set<number>} */
  #changed = new Set();
  /** @type {Set<number>} */
  #liveConnections = new Set();
  /** @type {Set<number>} */
  #starvedConnections = new Set();
  /** @type {Set<number>} */
  #notStreaming = new Set();
  /** @type {{epoch: number, sequence: number} | null} */
  #position = null;
  #serverTimeMs = 0;
  #isRestarted = false;
  #holdUntilMs = 0;
  /** The quotes of the moment in which the screen stood still. @type {ReadonlyMap<number, Quote> | null} */
  #frozen = null;
  isReceiving = false;

  /** @type {Feed | null} */
  feed = null;

  /**
   * Apply a frame. Returns false, and applies nothing, if frames are missing before it: the caller requests a snapshot.
   * @param {Frame} frame
   */
  apply(frame) {
    // Sequences count per hub process (epoch); a gap or a new epoch means that changes were missed.
    const follows =
      this.#position !== null &&
      frame.epoch === this.#position.epoch &&
      frame.sequence === this.#position.sequence + 1;
    if (frame.kind === "changes" && !follows) {
      return false;
    }
    this.#position = { epoch: frame.epoch, sequence: frame.sequence };
    this.#serverTimeMs = frame.serverTimeMs;
    // Rows of a starved connection become stale with time, without a packet.
    if (this.#starvedConnections.size > 0) {
      this.markAll();
    }
    // A snapshot holds all watched instruments: others are no longer watched, and their quotes would age unnoticed.
    if (frame.kind === "snapshot") {
      this.markAll();
      this.#forgetUnwatched();
    }
    for (const quote of frame.quotes) {
      this.#quotes.set(quote.instrumentId, quote);
      this.#changed.add(quote.instrumentId);
    }
    return true;
  }

  /**
   * Forget the quotes before a snapshot. A new socket answers the watches one by one, so at first a snapshot lacks
   * instruments that are on the screen: their prices stay for that long, as those of no connection, which are stale.
   */
  #forgetUnwatched() {
    if (this.#isRestarted) {
      this.#isRestarted = false;
      this.#holdUntilMs = this.#serverTimeMs + HOLD_MS;
    }
    const former = this.#quotes;
    const isHolding = this.#serverTimeMs < this.#holdUntilMs;
    this.#quotes = new Map(isHolding ? [...former].map(([id, quote]) => [id, { ...quote, connection: 0 }]) : []);
  }

  /** Answer with the present quotes from now on: the screen stands still. Frames are applied all the same. */
  freeze() {
    this.#frozen = new Map(this.#quotes);
  }

  /** Answer with the newest quotes again. */
  thaw() {
    this.#frozen = null;
    this.markAll();
  }

  /**
   * Return the newest quote: of the feed, and before it has a price, the broker's last one; null without either. While
   * the cache is frozen, the quote of that moment, of instruments that it had then.
   * @param {number} instrumentId
   */
  find(instrumentId) {
    const quote = this.#frozen?.get(instrumentId) ?? this.#quotes.get(instrumentId) ?? null;
    return quote === null || quote.ltp === null ? (this.#brokerQuotes.get(instrumentId) ?? quote) : quote;
  }

  /**
   * Set the broker's last quotes of the options of a chain that have none yet; null for none. They do not stream.
   * @param {BrokerPrices | null} prices
   */
  setBrokerPrices(prices) {
    const former = this.#brokerQuotes;
    this.#brokerQuotes = new Map((prices?.quotes ?? []).map((one) => [one[0], toQuote(one, prices)]));
    for (const instrumentId of [...former.keys(), ...this.#brokerQuotes.keys()]) {
      this.#changed.add(instrumentId);
    }
  }

  /** @param {Feed} feed */
  setFeed(feed) {
    this.feed = feed;
    // Without the bus the server has no current report of any connection.
    const connections = feed.state === "bus_lost" ? [] : feed.connections;
    const numbersIn = (/** @type {string[]} */ ...states) =>
      new Set(connections.filter((one) => states.includes(one.state)).map((one) => one.number));
    // Delayed prices move: the chip says how late they are.
    this.#liveConnections = numbersIn("live", "delayed");
    this.#starvedConnections = numbersIn("starved");
    // A state may change without a new quote: all cells are painted again.
    this.markAll();
  }

  /**
   * Set whether frames arrive from the server.
   * @param {boolean} isReceiving
   */
  setReceiving(isReceiving) {
    if (isReceiving !== this.isReceiving) {
      this.isReceiving = isReceiving;
      this.markAll();
    }
  }

  /** Begin with a new socket, whose sequence restarts at 1. Prices stay on the screen, as stale. */
  restart() {
    this.#position = null;
    this.#isRestarted = true;
    this.setReceiving(false);
  }

  /**
   * Set which instruments of a watch no connection streams; replaces the previous answer for these instruments.
   * @param {Iterable<number>} watched
   * @param {Iterable<number>} notStreaming
   */
  setNotStreaming(watched, notStreaming) {
    const idle = new Set(notStreaming);
    for (const instrumentId of watched) {
      const isIdle = idle.has(instrumentId);
      if (isIdle !== this.#notStreaming.has(instrumentId)) {
        this.#changed.add(instrumentId);
      }
      if (isIdle) {
        this.#notStreaming.add(instrumentId);
      } else {
        this.#notStreaming.delete(instrumentId);
      }
    }
  }

  /**
   * Return the state of a quote of this cache.
   * @param {Quote | null} quote
   * @returns {State}
   */
  stateOf(quote) {
    if (quote === null) {
      return "waiting";
    }
    const facts = {
      hasPrice: quote.ltp !== null,
      isSuspect: quote.isSuspect,
      isCurrent: quote.connection !== 0 && !this.#notStreaming.has(quote.instrumentId),
      receivedAtMs: quote.receivedAtMs,
    };
    // Without frames from the server, the last reports of connections and sessions are outdated.
    const isConnectionLive =
      this.isReceiving && (this.#liveConnections.has(quote.connection) || this.#hasPacketWhileStarved(quote));
    return judgeQuote(facts, isConnectionLive, this.isReceiving ? this.#closedSince(quote.segment) : null);
  }

  /** @param {Quote} quote */
  #hasPacketWhileStarved(quote) {
    return (
      this.#starvedConnections.has(quote.connection) &&
      quote.receivedAtMs !== null &&
      this.#serverTimeMs - quote.receivedAtMs <= STARVED_MS
    );
  }

  /** End of the last session of all displayed prices, epoch in ms; null while one of their segments trades. */
  get closedSinceMs() {
    const segments = new Set([...this.#quotes.values()].filter((one) => one.ltp !== null).map((one) => one.segment));
    const moments = [...segments].map((one) => this.#closedSince(one));
    return moments.length > 0 && !moments.includes(null) ? Math.max(...moments.map(Number)) : null;
  }

  /** @param {number} segment */
  #closedSince(segment) {
    return this.feed?.closed?.[String(segment)] ?? null;
  }

  markAll() {
    for (const instrumentId of this.#quotes.keys()) {
      this.#changed.add(instrumentId);
    }
  }

  /** Return the instruments that changed since the last call, and forget them. */
  takeChanged() {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }
}

/** Prices are compared as whole units: a float32 times 10,000 is exact in a double (24 + 10 of 53 bits). */
const UNITS_PER_RUPEE = 10_000;
/** Two decimals: the unit of every Indian exchange except for currency pairs, whose tick is 0.0025. */
const UNITS_PER_PAISA = 100;
/** IEEE 754: rounding to 24 bits moves a value by at most half a unit in the last place, 2**-24 of the value. */
const FLOAT32_ERROR = 2 ** -24;

/**
 * Return the price that a float32 stands for, in units; null where it is unknown: null, zero or below.
 * It is a multiple of the tick where it can be one, else whole paise: averages and indices are off their tick.
 * @param {number | null} price
 * @param {number | null} tickSize  Rupees; null or 0 where it is unknown.
 */
function unitsOf(price, tickSize) {
  if (price === null || !(price > 0)) {
    return null;
  }
  const exact = price * UNITS_PER_RUPEE;
  const tick = Math.round((tickSize ?? 0) * UNITS_PER_RUPEE);
  if (tick > 0) {
    const onTick = Math.round(exact / tick) * tick;
    // A price further from its nearest tick than float32 rounding can move it was not quoted on that tick.
    if (Math.abs(onTick - exact) <= exact * FLOAT32_ERROR) {
      return onTick;
    }
  }
  const unit = tick > 0 && tick < UNITS_PER_PAISA ? 1 : UNITS_PER_PAISA;
  return Math.round(exact / unit) * unit;
}

/**
 * Return the price in rupees that a float32 stands for: 248.3 for 248.3000030517578; null where it is unknown.
 * Twin of `known_price` in marketdata/domain/prices.py.
 * @param {number | null} price
 * @param {number | null} [tickSize]
 */
export function priceOf(price, tickSize = null) {
  const units = unitsOf(price, tickSize);
  return units === null ? null : units / UNITS_PER_RUPEE;
}

/**
 * Return the change against the previous close, in rupees and percent; nulls while either price is unknown.
 * The percentage has two decimals, a tie rounded away from zero. Twin of `price_change` in
 * marketdata/domain/prices.py; both are tested with tests/data/price_changes.json.
 * @param {Pick<Quote, "ltp" | "previousClose"> | null} quote
 * @param {number | null} [tickSize]
 * @returns {{change: number | null, percent: number | null}}
 */
export function changeOf(quote, tickSize = null) {
  const ltp = unitsOf(quote?.ltp ?? null, tickSize);
  const previous = unitsOf(quote?.previousClose ?? null, tickSize);
  if (ltp === null || previous === null) {
    return { change: null, percent: null };
  }
  // Both prices are whole units, so their difference is exact: equal prices never show a change of 0.01.
  const units = ltp - previous;
  // Integers below 2**53, so that a tie is exact. Math.round alone would round a negative tie towards zero.
  const hundredths = Math.floor((2 * Math.abs(units) * 10_000 + previous) / (2 * previous));
  // Adding 0 turns -0 into 0.
  return { change: units / UNITS_PER_RUPEE, percent: (Math.sign(units) * hundredths) / 100 + 0 };
}
