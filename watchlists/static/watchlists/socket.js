// The page's WebSocket to the server: opens, reconnects with backoff, and sends its watches again on each new socket.
// Wire only: the listener interprets messages and frames. Messages: marketdata/streaming/messages.py.

import { decodeAnalytics, isAnalytics } from "../marketdata/analytics.js";
import { decodeDetails, isDetails } from "../marketdata/details.js";
import { decodeFrame } from "../marketdata/frames.js";

/** @typedef {import("../marketdata/frames.js").Frame} Frame */

/**
 * Status of the socket. `waiting` is a backoff; `ended` is final: the close code forbids a retry.
 * `openedAt` is of the newest socket that the server has accepted. Times are of performance.now().
 * @typedef {{state: "connecting" | "open" | "waiting" | "ended", attempt: number, retryAt: number, code: number, openedAt: number}} SocketStatus
 */

/**
 * @typedef {object} Listener
 * @property {(message: any) => void} onMessage
 * @property {(frame: Frame) => void} onFrame
 * @property {(frame: import("../marketdata/analytics.js").AnalyticsFrame) => void} onAnalytics
 * @property {(rows: import("../marketdata/details.js").Details[]) => void} [onDetails]
 * @property {(status: SocketStatus) => void} onStatus
 */

/** An open socket without data for this long is replaced. Chosen: the server sends a frame at least once a second. */
const KEEPALIVE_TIMEOUT_MS = 8_000;
/** Chosen: two missed frames; when the network is back, a socket that was quiet for longer is not waited for. */
const QUIET_MS = 2_000;
/** Chosen: a server restart takes a few seconds, and a trader waits no longer than this after it. */
const MAX_BACKOFF_MS = 15_000;

/** Codes from 4400 to 4407 mean that a retry would be rejected again; table: marketdata/streaming/frames.py. */
export function isRetryable(/** @type {number} */ code) {
  return !(code >= 4400 && code < 4408);
}

/**
 * Return the backoff before attempt number `attempt`, counted from 1. It doubles from one second to the maximum. The
 * jitter spreads the browsers of a restarted server over time.
 * @param {number} attempt
 * @param {number} random  From 0 to 1.
 */
export function backoffMs(attempt, random) {
  const longest = Math.min(MAX_BACKOFF_MS, 1_000 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(longest * (0.4 + 0.6 * random));
}

export class MarketSocket {
  #url;
  #listener;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Map<string, object>} */
  #watches = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #rateHz = 4;
  #receivedAt = 0;

  /** @type {SocketStatus} */
  status = { state: "connecting", attempt: 0, retryAt: 0, code: 0, openedAt: -Infinity };

  /** @param {string} url @param {Listener} listener */
  constructor(url, listener) {
    this.#url = url;
    this.#listener = listener;
  }

  open() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#receivedAt = performance.now();
    this.#setStatus({ ...this.status, state: "connecting" });
    socket.addEventListener("message", (event) => this.#receive(socket, event.data));
    socket.addEventListener("close", (event) => this.#handleClose(socket, event.code));
  }

  /** End a backoff and reconnect now. */
  retryNow() {
    if (this.status.state === "waiting") {
      this.open();
    }
  }

  /**
   * Reconnect now, because the network is back: end a backoff, and replace a socket that may belong to the former
   * network. One that delivers stays.
   */
  reconnectNow() {
    this.retryNow();
    const isQuiet = performance.now() - this.#receivedAt > QUIET_MS;
    if (isQuiet && (this.status.state === "open" || this.status.state === "connecting")) {
      const former = this.#socket;
      this.open();
      former?.close();
    }
  }

  /** Replace a socket that is open but delivers nothing. The page calls it several times a second. */
  checkKeepalive() {
    if (this.#socket !== null && performance.now() - this.#receivedAt > KEEPALIVE_TIMEOUT_MS) {
      const socket = this.#socket;
      // A dead network delivers no close event, so the close is handled here; 1006 is the code for an abnormal close.
      this.#handleClose(socket, 1006);
      socket.close();
    }
  }

  /**
   * Watch instruments under a name, on this socket and on every later one. The same name replaces a watch.
   * @param {string} id
   * @param {object} what  {chain}, {watchlist}, {instruments} or {detail}
   */
  watch(id, what) {
    this.#watches.set(id, what);
    this.#send({ type: "watch", id, ...what });
  }

  /** @param {string} id  End a watch. */
  unwatch(id) {
    if (this.#watches.delete(id)) {
      this.#send({ type: "unwatch", id });
    }
  }

  /** @param {number} hz */
  setRate(hz) {
    this.#rateHz = hz;
    this.#send({ type: "rate", hz });
  }

  /** @param {number} sequence */
  acknowledge(sequence) {
    this.#send({ type: "ack", seq: sequence });
  }

  resync() {
    this.#send({ type: "resync" });
  }

  /** @param {WebSocket} socket @param {string | ArrayBuffer} payload */
  #receive(socket, payload) {
    // A replaced socket may still deliver; its data would mix with that of the new one.
    if (socket !== this.#socket) {
      return;
    }
    this.#receivedAt = performance.now();
    if (payload instanceof ArrayBuffer) {
      if (isAnalytics(payload)) {
        this.#listener.onAnalytics(decodeAnalytics(payload));
      } else if (isDetails(payload)) {
        this.#listener.onDetails?.(decodeDetails(payload));
      } else {
        this.#listener.onFrame(decodeFrame(payload));
      }
      return;
    }
    const message = JSON.parse(payload);
    if (message.type === "welcome") {
      this.#resume();
    }
    this.#listener.onMessage(message);
  }

  #resume() {
    // Only the welcome proves that the server accepted this page: it rejects a login after the handshake.
    this.#setStatus({ state: "open", attempt: 0, retryAt: 0, code: 0, openedAt: performance.now() });
    this.#send({ type: "rate", hz: this.#rateHz });
    for (const [id, what] of this.#watches) {
      this.#send({ type: "watch", id, ...what });
    }
  }

  /** @param {WebSocket} socket @param {number} code */
  #handleClose(socket, code) {
    if (socket !== this.#socket) {
      return;
    }
    this.#socket = null;
    if (!isRetryable(code)) {
      this.#setStatus({ ...this.status, state: "ended", attempt: 0, retryAt: 0, code });
      return;
    }
    const attempt = this.status.attempt + 1;
    const wait = backoffMs(attempt, Math.random());
    this.#timer = setTimeout(() => this.open(), wait);
    this.#setStatus({ ...this.status, state: "waiting", attempt, retryAt: performance.now() + wait, code });
  }

  /** @param {object} message */
  #send(message) {
    // Messages before the welcome are dropped: #resume sends the rate and all watches after it.
    if (this.status.state === "open" && this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    }
  }

  /** @param {SocketStatus} status */
  #setStatus(status) {
    this.status = status;
    this.#listener.onStatus(status);
  }
}
