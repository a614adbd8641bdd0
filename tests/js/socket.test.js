import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, mock, test } from "node:test";

import "./modules.js";

const { MarketSocket, isRetryable, backoffMs } = await import(
  "../../watchlists/static/watchlists/socket.js"
);

/** A substitute for the browser's WebSocket. */
class FakeSocket extends EventTarget {
  static OPEN = 1;
  /** @type {FakeSocket[]} */
  static all = [];

  readyState = 1;
  binaryType = "";
  /** @type {any[]} */
  sent = [];

  /** @param {string} url */
  constructor(url) {
    super();
    this.url = url;
    FakeSocket.all.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  /** @param {object | ArrayBuffer} data */
  deliver(data) {
    const payload = data instanceof ArrayBuffer ? data : JSON.stringify(data);
    this.dispatchEvent(Object.assign(new Event("message"), { data: payload }));
  }

  /** @param {number} code */
  closeWith(code) {
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
}

/** @type {import("../../watchlists/static/watchlists/socket.js").SocketStatus[]} */
let statuses = [];
/** @type {number[]} */
let sequences = [];
const realWebSocket = globalThis.WebSocket;

beforeEach(() => {
  FakeSocket.all = [];
  statuses = [];
  sequences = [];
  globalThis.WebSocket = /** @type {any} */ (FakeSocket);
  mock.timers.enable({ apis: ["setTimeout"] });
});

afterEach(() => {
  mock.timers.reset();
  globalThis.WebSocket = realWebSocket;
});

function makeSocket() {
  const market = new MarketSocket("ws://here/", {
    onMessage: () => {},
    onFrame: (frame) => sequences.push(frame.sequence),
    onAnalytics: () => undefined,
    onStatus: (status) => statuses.push(status),
  });
  market.open();
  return market;
}

/** @param {number} index */
function socket(index) {
  const one = FakeSocket.all[index];
  assert.ok(one);
  return one;
}

test("watches are sent after the welcome message on every new socket", () => {
  const market = makeSocket();
  market.watch("chain", { chain: { symbol: "NIFTY" } });
  assert.deepEqual(socket(0).sent, []);

  socket(0).deliver({ type: "welcome" });
  socket(0).closeWith(1006);
  mock.timers.tick(15_000);
  socket(1).deliver({ type: "welcome" });

  for (const index of [0, 1]) {
    assert.deepEqual(socket(index).sent, [
      { type: "rate", hz: 4 },
      { type: "watch", id: "chain", chain: { symbol: "NIFTY" } },
    ]);
  }
});

test("frames are decoded and acknowledged by sequence", () => {
  const market = makeSocket();
  socket(0).deliver({ type: "welcome" });
  const vectors = JSON.parse(readFileSync(new URL("../data/browser_frames.json", import.meta.url), "utf8"));

  socket(0).deliver(new Uint8Array(Buffer.from(vectors.changes.base64, "base64")).buffer);
  market.acknowledge(2);

  assert.deepEqual(sequences, [2]);
  assert.deepEqual(socket(0).sent.at(-1), { type: "ack", seq: 2 });
});

test("a lost socket is replaced after a growing backoff, and the count restarts at zero when it is open", () => {
  makeSocket();
  socket(0).closeWith(1006);
  mock.timers.tick(15_000);
  socket(1).closeWith(4408);
  assert.deepEqual([statuses.at(-1)?.state, statuses.at(-1)?.attempt], ["waiting", 2]);

  mock.timers.tick(15_000);
  socket(2).deliver({ type: "welcome" });

  assert.deepEqual([statuses.at(-1)?.state, statuses.at(-1)?.attempt], ["open", 0]);
});

test("a page that the server rejected does not reconnect", () => {
  makeSocket();
  socket(0).closeWith(4401);
  mock.timers.tick(60_000);

  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual([statuses.at(-1)?.state, statuses.at(-1)?.code], ["ended", 4401]);
});

test("close codes from 4400 to 4407 forbid a retry, all others allow it", () => {
  assert.deepEqual([4400, 4401, 4407].map(isRetryable), [false, false, false]);
  assert.deepEqual([1000, 1001, 1006, 1011, 1012, 4408, 4499].map(isRetryable), Array(7).fill(true));
});

test("R22: the backoff doubles with jitter up to 15 s", () => {
  assert.deepEqual([1, 2, 3, 4, 9, 99].map((attempt) => backoffMs(attempt, 1)), [
    1_000, 2_000, 4_000, 8_000, 15_000, 15_000,
  ]);
  assert.equal(backoffMs(3, 0), 1_600);
});

test("when the network is back a backoff ends, and a quiet socket is replaced at once", (context) => {
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const market = makeSocket();
  FakeSocket.all[0]?.deliver({ type: "welcome" });

  now = 1_000;
  market.reconnectNow();
  assert.equal(FakeSocket.all.length, 1, "it delivers");

  now = 4_000;
  market.reconnectNow();
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(FakeSocket.all[0]?.readyState, 3);
  assert.equal(market.status.state, "connecting");

  FakeSocket.all[1]?.closeWith(1006);
  assert.equal(market.status.state, "waiting");
  market.reconnectNow();
  assert.equal(FakeSocket.all.length, 3);
});
