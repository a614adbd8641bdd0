import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { decodeDetails, DetailsCache, isDetails } from "../../marketdata/static/marketdata/details.js";
import { bytesOf } from "./frames.test.js";

const vectors = JSON.parse(readFileSync(new URL("../data/detail_frames.json", import.meta.url), "utf8"));
const two = new Uint8Array(Buffer.from(vectors["two"], "base64")).buffer;

test("a row encoded by Python is decoded to the same values", () => {
  const [details] = decodeDetails(two);

  assert.equal(details?.instrumentId, 41);
  assert.deepEqual(details?.depth?.bids, [
    { price: Math.fround(138.85), quantity: 75, orders: 1 },
    { price: Math.fround(138.8), quantity: 650, orders: 4 },
    { price: Math.fround(138.75), quantity: 1_300, orders: 7 },
    null,
    null,
  ]);
  assert.deepEqual(details?.depth?.asks[4], { price: Math.fround(139.15), quantity: 325, orders: 5 });
  assert.deepEqual(details?.day, {
    ltq: 65,
    averagePrice: Math.fround(141.27),
    totalBuyQuantity: 845_000,
    totalSellQuantity: 3_000_000_000,
    open: 150,
    high: Math.fround(162.4),
    low: Math.fround(130.05),
  });
  assert.deepEqual(details?.oiRange, { high: 1_234_500, low: 1_200_025 });
});

test("an unknown group is null, never zero", () => {
  const [, unknown] = decodeDetails(two);

  assert.deepEqual(unknown, { instrumentId: 42, depth: null, day: null, oiRange: null });
});

test("frames of details are told from others, and damaged ones refused", () => {
  assert.equal(isDetails(two), true);
  assert.equal(isDetails(bytesOf("snapshot")), false);
  assert.equal(isDetails(new ArrayBuffer(0)), false);
  assert.throws(() => decodeDetails(two.slice(0, -1)), RangeError);
  assert.throws(() => decodeDetails(bytesOf("snapshot")), RangeError);
  assert.throws(() => decodeDetails(two.slice(0, 8)), RangeError);
});

test("the cache has the newest row of each instrument until it is cleared", () => {
  const cache = new DetailsCache();
  assert.equal(cache.takeChanged(), false);

  cache.apply(decodeDetails(two));
  assert.equal(cache.find(41)?.depth?.bids.length, 5);
  assert.equal(cache.takeChanged(), true);
  assert.equal(cache.takeChanged(), false);

  cache.clear();
  assert.equal(cache.find(41), null);
  assert.equal(cache.takeChanged(), true);
});
