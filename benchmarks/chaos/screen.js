// A trader's page without a screen: the page's own wire and state modules on a real socket, and the reports of what
// it would paint, one JSON line each. The dispatch follows watchlists/static/watchlists/terminal.js.
//
// Arguments: URL of the socket, cookie, origin, and the watches by name as JSON.

import "../../tests/js/modules.js";

const { QuoteCache, RECEIVING_WITHIN_MS } = await import("../../marketdata/static/marketdata/quotes.js");
const { judgeHealth } = await import("../../watchlists/static/watchlists/health.js");
const { MarketSocket } = await import("../../watchlists/static/watchlists/socket.js");
const { legsOf } = await import("../../watchlists/static/watchlists/underlying.js");

const [url = "", cookie = "", origin = "", watches = "{}"] = process.argv.slice(2);
/** As in terminal.js. */
const CHECK_EVERY_MS = 250;
/** Chosen: a page paints at the next frame of the screen; three of them. */
const PAINT_EVERY_MS = 50;

/** Node's WebSocket takes headers, which a browser adds itself. */
const NodeSocket = /** @type {any} */ (globalThis.WebSocket);
class LoggedInSocket extends NodeSocket {
  constructor(/** @type {string} */ address) {
    super(address, { headers: { cookie, origin } });
  }
}
globalThis.WebSocket = /** @type {any} */ (LoggedInSocket);

class Page {
  #quotes = new QuoteCache();
  #socket = new MarketSocket(url, {
    onMessage: (message) => this.#dispatch(message),
    onFrame: (frame) => this.#applyFrame(frame),
    onAnalytics: () => undefined, // Analytics are not compared.
    onStatus: (status) => status.state !== "open" && this.#quotes.restart(),
  });
  #frameAt = -Infinity;
  /** @type {number | null} */
  #feedAgeMs = null;
  /** @type {import("../../marketdata/static/marketdata/frames.js").Measurements[]} */
  #measurements = [];
  #unacknowledged = 0;
  /** @type {Map<string, number[]>} */
  #required = new Map();

  start() {
    for (const [name, what] of Object.entries(JSON.parse(watches))) {
      this.#socket.watch(name, what);
    }
    this.#socket.open();
    setInterval(() => this.#paint(), PAINT_EVERY_MS);
    setInterval(() => this.#checkHealth(), CHECK_EVERY_MS);
  }

  /** @param {import("../../marketdata/static/marketdata/frames.js").Frame} frame */
  #applyFrame(frame) {
    this.#frameAt = performance.now();
    this.#feedAgeMs = frame.feedAgeMs;
    this.#measurements = frame.measurements;
    if (!this.#quotes.apply(frame)) {
      this.#socket.resync();
    }
    this.#quotes.setReceiving(true);
    this.#unacknowledged = frame.sequence;
  }

  /** @param {any} message */
  #dispatch(message) {
    if (message.type === "feed") {
      this.#quotes.setFeed(message);
    } else if (message.type === "chain") {
      const instruments = [message.spot_instrument_id, ...legsOf(message)];
      this.#quotes.setNotStreaming(instruments, message.not_streaming);
      this.#require(message.id, instruments, message.not_streaming);
    } else if (message.type === "watching") {
      this.#quotes.setNotStreaming(message.instruments, message.not_streaming);
      // The list changes all the time; the strip must be live as the chain must.
      if (message.id !== "list") {
        this.#require(message.id, message.instruments, message.not_streaming);
      }
    }
  }

  /**
   * A chain shows all strikes; those outside its window are not subscribed and never live.
   * @param {string} watch @param {number[]} instruments @param {number[]} notStreaming
   */
  #require(watch, instruments, notStreaming) {
    const idle = new Set(notStreaming);
    this.#required.set(watch, instruments.filter((one) => !idle.has(one)));
    this.#report({ required: [...new Set([...this.#required.values()].flat())] });
  }

  #paint() {
    const changed = this.#quotes.takeChanged();
    if (changed.size > 0) {
      this.#report({ rows: [...changed].map((one) => this.#rowOf(one)) });
    }
    if (this.#unacknowledged > 0) {
      this.#socket.acknowledge(this.#unacknowledged);
      this.#unacknowledged = 0;
    }
  }

  /** @param {number} instrumentId */
  #rowOf(instrumentId) {
    const quote = this.#quotes.find(instrumentId);
    const state = this.#quotes.stateOf(quote);
    if (quote === null) {
      return [instrumentId, state];
    }
    const { isSeeded, ltp, bid, ask, volume, oi, connection } = quote;
    return [instrumentId, state, isSeeded, ltp, bid, ask, volume, oi, connection];
  }

  #checkHealth() {
    this.#socket.checkKeepalive();
    const now = performance.now();
    const sinceMs = now - this.#frameAt;
    const isOpen = this.#socket.status.state === "open";
    this.#quotes.setReceiving(sinceMs < RECEIVING_WITHIN_MS && isOpen);
    const health = judgeHealth({
      socket: this.#socket.status,
      feed: this.#quotes.feed,
      isReceiving: this.#quotes.isReceiving,
      ageMs: this.#feedAgeMs === null ? null : this.#feedAgeMs + sinceMs,
      measurements: this.#measurements,
      sinceMs,
      now,
      closedSinceMs: this.#quotes.closedSinceMs,
    });
    this.#report({ tone: health.tone, label: health.label, detail: health.detail });
    if (this.#socket.status.state === "ended") {
      this.#report({ ended: this.#socket.status.code });
      process.exit(1);
    }
  }

  /** @param {object} report */
  #report(report) {
    process.stdout.write(`${JSON.stringify({ at: Date.now(), ...report })}\n`);
  }
}

new Page().start();
