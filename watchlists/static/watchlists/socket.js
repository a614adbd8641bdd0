// The page's one socket: opens, comes back after a loss, repeats its watches, counts frames in. Wire only: what
// messages and frames mean is decided by whoever listens. Messages: marketdata/streaming/messages.py.

import { decodeFrame } from "../marketdata/frames.js";

/** @typedef {import("../marketdata/frames.js").Frame} Frame */

/**
 * Where the socket stands. `ended` is for good: the server said not to come back.
 * @typedef {{state: "connecting" | "open" | "waiting" | "ended", attempt: number, retryAt: number, code: number}} SocketStatus
 */

/**
 * @typedef {object} Listener
 * @property {(message: any) => void} onMessage
 * @property {(frame: Frame) => void} onFrame
 * @property {(status: SocketStatus) => void} onStatus
 */

/** An open socket that brings nothing for this long is given up and replaced. */
const KEEPALIVE_TIMEOUT_MS = 8_000;
const MAX_BACKOFF_MS = 15_000;

/** Codes below 4408 mean that the same would happen again; the table is in marketdata/streaming/frames.py. */
export function isRetryable(/** @type {number} */ code) {
  return !(code >= 4400 && code < 4408);
}

/**
 * How long to wait before attempt number `attempt`, counted from 1: doubling, with jitter, so that the browsers of
 * a restarted server do not all come at once.
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
  status = { state: "connecting", attempt: 0, retryAt: 0, code: 0 };

  /**
   * @param {string} url
   * @param {Listener} listener
   */
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

  /** Come back now instead of when the wait is over. */
  retryNow() {
    if (this.status.state === "waiting") {
      this.open();
    }
  }

  /** Give up a socket that is open in name only. Called on the page's beat. */
  checkKeepalive() {
    if (this.#socket !== null && performance.now() - this.#receivedAt > KEEPALIVE_TIMEOUT_MS) {
      const socket = this.#socket;
      this.#handleClose(socket, 1006);
      socket.close();
    }
  }

  /**
   * Watch something under a name; repeated by itself on every new socket.
   * @param {string} id
   * @param {object} what  {chain}, {watchlist} or {instruments}
   */
  watch(id, what) {
    this.#watches.set(id, what);
    this.#send({ type: "watch", id, ...what });
  }

  /** @param {string} id */
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

  /**
   * @param {WebSocket} socket
   * @param {string | ArrayBuffer} payload
   */
  #receive(socket, payload) {
    if (socket !== this.#socket) {
      return;
    }
    this.#receivedAt = performance.now();
    if (payload instanceof ArrayBuffer) {
      this.#listener.onFrame(decodeFrame(payload));
      return;
    }
    const message = JSON.parse(payload);
    if (message.type === "welcome") {
      this.#resume();
    }
    this.#listener.onMessage(message);
  }

  #resume() {
    this.#setStatus({ state: "open", attempt: 0, retryAt: 0, code: 0 });
    this.#send({ type: "rate", hz: this.#rateHz });
    for (const [id, what] of this.#watches) {
      this.#send({ type: "watch", id, ...what });
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  #handleClose(socket, code) {
    if (socket !== this.#socket) {
      return;
    }
    this.#socket = null;
    if (!isRetryable(code)) {
      this.#setStatus({ state: "ended", attempt: 0, retryAt: 0, code });
      return;
    }
    const attempt = this.status.attempt + 1;
    const wait = backoffMs(attempt, Math.random());
    this.#timer = setTimeout(() => this.open(), wait);
    this.#setStatus({ state: "waiting", attempt, retryAt: performance.now() + wait, code });
  }

  /** @param {object} message */
  #send(message) {
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
