import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { decodeFrame } from "../../marketdata/static/marketdata/frames.js";

const vectors = JSON.parse(readFileSync(new URL("../data/browser_frames.json", import.meta.url), "utf8"));

/** @param {string} name */
export function bytesOf(name) {
  return new Uint8Array(Buffer.from(vectors[name].base64, "base64")).buffer;
}

test("a snapshot encoded by Python is decoded to the same values", () => {
  const frame = decodeFrame(bytesOf("snapshot"));

  assert.equal(frame.kind, "snapshot");
  assert.equal(frame.sequence, 1);
  assert.equal(frame.epoch, 1_795_000_001);
  assert.equal(frame.serverTimeMs, 1_795_012_345_678);
  assert.equal(frame.feedAgeMs, 95);
  assert.deepEqual(frame.measurements.slice(0, 2), [
    { packetAgeMs: 95, received: 21_800, due: 22_000, tradeLagMs: 400 },
    { packetAgeMs: null, received: 0, due: 0, tradeLagMs: null },
  ]);
  assert.equal(frame.measurements.length, 5);
  assert.deepEqual(frame.quotes[0], {
    instrumentId: 41,
    connection: 3,
    segment: 0,
    isSuspect: false,
    isSeeded: false,
    ltp: Math.fround(2640.35),
    previousClose: 90,
    bid: Math.fround(2639.85),
    ask: Math.fround(2640.85),
    bidQuantity: 75,
    askQuantity: 150,
    volume: 1_234_567,
    oi: 98_765,
    ltt: 1_795_000_000,
    receivedAtMs: 1_795_012_345_498,
  });
});

test("an unknown field is null, never zero", () => {
  const [, unknown] = decodeFrame(bytesOf("snapshot")).quotes;

  assert.deepEqual(unknown, {
    instrumentId: 42,
    connection: 0,
    segment: 0,
    isSuspect: false,
    isSeeded: false,
    ltp: null,
    previousClose: null,
    bid: null,
    ask: null,
    bidQuantity: null,
    askQuantity: null,
    volume: null,
    oi: null,
    ltt: null,
    receivedAtMs: null,
  });
});

test("a missing bid is unknown while the ask is known, and a volume of zero is known", () => {
  const [, , quote] = decodeFrame(bytesOf("snapshot")).quotes;

  assert.equal(quote?.bid, null);
  assert.equal(quote?.bidQuantity, null);
  assert.equal(quote?.ask, Math.fround(0.05));
  assert.equal(quote?.volume, 0);
});

test("changes of a feed without any frame have no age", () => {
  const frame = decodeFrame(bytesOf("changes"));

  assert.equal(frame.kind, "changes");
  assert.equal(frame.sequence, 2);
  assert.equal(frame.feedAgeMs, null);
  assert.equal(frame.quotes.length, 1);
});

test("a volume is exact up to 2**53", () => {
  const [quote] = decodeFrame(bytesOf("changes")).quotes;

  assert.equal(quote?.volume, Number.MAX_SAFE_INTEGER);
});

test("bytes that are not a frame are rejected", () => {
  for (const size of [0, 10, 24, 25, 75]) {
    const bytes = new Uint8Array(size);
    bytes.set([2, 1, 1, 0].slice(0, size));
    assert.throws(() => decodeFrame(bytes.buffer), RangeError);
  }
  const foreign = new Uint8Array(bytesOf("changes"));
  foreign[0] = 1;
  assert.throws(() => decodeFrame(foreign.buffer), RangeError);
});
