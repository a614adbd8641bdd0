import assert from "node:assert/strict";
import { test } from "node:test";

import "./modules.js";

const { judgeHealth } = await import("../../watchlists/static/watchlists/health.js");

/** @typedef {import("../../watchlists/static/watchlists/socket.js").SocketStatus} SocketStatus */
/** @typedef {import("../../marketdata/static/marketdata/frames.js").Measurements} Measurements */

/** @param {Partial<SocketStatus>} [socket] @param {string | null} [state] @param {number} [live] */
function see(socket = {}, state = "live", live = 5, isReceiving = true, measurements = /** @type {Measurements[]} */ ([]), sinceMs = 0) {
  const connections = [1, 2, 3, 4, 5].map((number) => ({
    number,
    state: number <= live ? "live" : "reconnecting",
    error: number === 5 && live < 5 ? "code 805" : "",
  }));
  return judgeHealth({
    socket: { state: "open", attempt: 0, retryAt: 0, code: 0, openedAt: 0, ...socket },
    feed: state === null ? null : { state, live, total: 5, connections },
    isReceiving,
    ageMs: 180,
    measurements,
    sinceMs,
    now: 10_000,
  });
}

test("a live feed shows the older of two ages, that of its newest packet and the lag of its trades", () => {
  const measurements = [
    { packetAgeMs: 1_500, received: 18_000, due: 20_000, tradeLagMs: 400 },
    { packetAgeMs: 900, received: 2_000, due: 0, tradeLagMs: 1_240 },
    { packetAgeMs: null, received: 0, due: 0, tradeLagMs: null },
  ];

  const { tone, label, detail, cause } = see({}, "live", 5, true, measurements, 100);

  assert.deepEqual([tone, label, detail], ["live", "Live", "1.2 s"]);
  assert.match(cause, /The last packet came 1\.0 s ago\. 20,000 packets in 10 s, 20,000 due\. Trades arrive after 1\.2 s\./);
});

test("a price is live up to two seconds, by the way from the exchange and by that from the broker", () => {
  const of = (/** @type {number} */ packetAgeMs, /** @type {number | null} */ tradeLagMs, due = 100) => {
    const { tone, label, detail } = see({}, "live", 5, true, [{ packetAgeMs, received: 100, due, tradeLagMs }]);
    return [tone, label, detail];
  };

  assert.deepEqual(of(300, 2_000), ["live", "Live", "2.0 s"]);
  assert.deepEqual(of(300, 2_400), ["warn", "Delayed", "2.4 s"]);
  assert.deepEqual(of(2_100, 400), ["warn", "Delayed", "2.1 s"]);
  assert.deepEqual(of(60_000, null, 0).slice(0, 2), ["live", "Live"], "no packet is due");
});

test("a new page and a new socket wait for their first frame without an alarm", () => {
  assert.deepEqual([see({ openedAt: 9_000 }, "live", 5, false).tone, see({ openedAt: 9_000 }, "live", 5, false).label], ["wait", "Connecting"]);
  assert.equal(see({ openedAt: 7_000 }, "live", 5, false).label, "Stale");
});

test("a stale feed shows the time since its last packet", () => {
  const silent = { packetAgeMs: 4_000, received: 0, due: 20_000, tradeLagMs: null };

  assert.equal(see({}, "stale", 0, true, [silent], 100).detail, "4.1 s");
});

test("a feed without any packet shows the age of the newest frame", () => {
  assert.equal(see().detail, "0.2 s");
});

test("only the live state has the tone of a live feed", () => {
  for (const state of ["partial", "reconnecting", "stale", "token", "no_owner", "bus_lost", "anything new"]) {
    assert.notEqual(see({}, state, 3).tone, "live", state);
  }
  assert.notEqual(see({}, "live", 5, false).tone, "live");
  assert.notEqual(see({}, null).tone, "live");
  for (const state of /** @type {SocketStatus["state"][]} */ (["connecting", "waiting", "ended"])) {
    assert.notEqual(see({ state }).tone, "live", state);
  }
});

test("a feed with lost connections shows the number of live ones and the cause", () => {
  const { label, detail, cause } = see({}, "partial", 4);

  assert.deepEqual([label, detail], ["Live", "4/5"]);
  assert.match(cause, /code 805/);
});

test("while other connections carry all instruments the chip says so and stays green", () => {
  const { tone, label, detail, cause } = see({}, "carried", 4);

  assert.deepEqual([tone, label, detail], ["live", "Live", "4/5"]);
  assert.match(cause, /carry all instruments/);
});

test("a delayed feed shows the longest delay", () => {
  const socket = /** @type {SocketStatus} */ ({ state: "open", attempt: 0, retryAt: 0, code: 0, openedAt: 0 });
  const connections = [5, 8].map((delay, index) => ({
    number: index + 1,
    state: "delayed",
    error: "",
    delay_seconds: delay,
  }));
  const feed = { state: "delayed", live: 2, total: 2, connections };

  const { tone, label, detail } = judgeHealth({ socket, feed, isReceiving: true, ageMs: 0, now: 0 });

  assert.deepEqual([tone, label, detail], ["warn", "Delayed", "8 s"]);
});

test("a feed that waits for a token says so", () => {
  assert.deepEqual([see({}, "token", 0).tone, see({}, "token", 0).label], ["down", "Token"]);
});

test("a feed without a worker is down, a feed without data is stale", () => {
  assert.equal(see({}, "no_owner", 0).label, "Market data down");
  assert.equal(see({}, "stale", 0).label, "Stale");
});

test("a lost socket counts down to its next attempt", () => {
  const { tone, label, detail } = see({ state: "waiting", attempt: 2, retryAt: 12_400 });

  assert.deepEqual([tone, label, detail], ["down", "Reconnecting", "(2) in 3 s"]);
});

test("a server that sends nothing makes the page stale after any feed status", () => {
  assert.equal(see({}, "live", 5, false).label, "Stale");
});

test("a closed market shows no warning and its last session in every state of the feed", () => {
  const socket = /** @type {SocketStatus} */ ({ state: "open", attempt: 0, retryAt: 0, code: 0, openedAt: 0 });
  const closedSinceMs = Date.parse("2026-11-20T10:10:00Z");
  for (const state of ["live", "reconnecting", "no_owner"]) {
    const feed = { state, live: 0, total: 5, connections: [] };
    const { tone, label, detail } = judgeHealth({ socket, feed, isReceiving: true, ageMs: 0, now: 0, closedSinceMs });
    assert.deepEqual([tone, label, detail], ["wait", "Market closed", "20 Nov"], state);
  }
});
