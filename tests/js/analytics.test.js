import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { AnalyticsCache, decodeAnalytics, isAnalytics } from "../../marketdata/static/marketdata/analytics.js";
import { bytesOf } from "./frames.test.js";

const vectors = JSON.parse(readFileSync(new URL("../data/analytics_frames.json", import.meta.url), "utf8"));

/** @param {string} name */
function frameOf(name) {
  return new Uint8Array(Buffer.from(vectors[name], "base64")).buffer;
}

test("a snapshot encoded by Python is decoded to the same values", () => {
  const frame = decodeAnalytics(frameOf("snapshot"));

  assert.equal(frame.kind, "snapshot");
  assert.equal(frame.serverTimeMs, 1_795_012_345_678);
  assert.deepEqual(frame.options[0], {
    instrumentId: 41,
    reason: 0,
    buildUp: 4,
    iv: Math.fround(11.83),
    delta: Math.fround(0.523),
    gamma: Math.fround(0.001234),
    theta: Math.fround(-12.34),
    vega: Math.fround(9.87),
    intrinsic: Math.fround(30.05),
    timeValue: Math.fround(88.4),
    oiChange: -3_000_000_000,
    oiChangeSource: 2,
  });
  assert.deepEqual(frame.series[0], {
    seriesId: 41,
    strikesCounted: 101,
    strikesListed: 140,
    forward: 24_030.05,
    atmStrike: 24_000,
    atmIv: 11.83,
    straddle: 246.7,
    expectedMove: 1.027,
    pcrOi: 1.08,
    pcrVolume: null,
    maxPain: 24_000,
    ceOi: 12_000_000,
    peOi: null,
    ceOiChange: null,
    peOiChange: null,
    resistance: null,
    support: null,
    skew: null,
    rate: 6.5,
    chainAtMs: 1_795_012_285_678,
  });
});

test("an unknown value is null, with the reason", () => {
  const [, unknown] = decodeAnalytics(frameOf("snapshot")).options;

  assert.equal(unknown?.iv, null);
  assert.equal(unknown?.oiChange, null);
  assert.equal(unknown?.reason, 6);
});

test("frames of quotes are told apart, and damaged frames are refused", () => {
  assert.equal(isAnalytics(frameOf("changes")), true);
  assert.equal(isAnalytics(bytesOf("changes")), false);
  assert.equal(isAnalytics(new ArrayBuffer(0)), false);
  assert.throws(() => decodeAnalytics(bytesOf("changes")), RangeError);
  assert.throws(() => decodeAnalytics(frameOf("snapshot").slice(0, -1)), RangeError);
});

test("a snapshot and later changes are the same as a later snapshot", () => {
  const cache = new AnalyticsCache();
  cache.apply(decodeAnalytics(frameOf("snapshot")));
  assert.deepEqual(cache.takeChanged(), new Set([41, 42]));

  cache.apply(decodeAnalytics(frameOf("changes")));

  assert.deepEqual(cache.takeChanged(), new Set([41]));
  assert.equal(cache.findOption(41)?.iv, 12);
  assert.equal(cache.findOption(42)?.iv, null);
  assert.equal(cache.findSeries(41)?.atmIv, 11.83);
  assert.equal(cache.takeChanged(), null);
});

test("nothing of another chain remains", () => {
  const cache = new AnalyticsCache();
  cache.apply(decodeAnalytics(frameOf("snapshot")));
  cache.takeChanged();

  cache.clear();

  assert.deepEqual(cache.takeChanged(), new Set([41, 42]));
  assert.equal(cache.findOption(41), null);
  assert.equal(cache.findSeries(41), null);
});
