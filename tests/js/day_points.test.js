// Candles of the day, continued with the live price.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const day = await import("../../watchlists/static/watchlists/day_points.js");

const OPENING = 1_764_387_900; // 29 Nov 2025, 09:15 IST
const candles = day.candlesOf({
  candles: [
    [OPENING, 100, 101, 99, 100.5, 0],
    [OPENING + 60, 100.5, 100.5, 100.5, 100.5, null],
  ],
});

test("a price in the last minute moves its candle, and no other", () => {
  const [first, last, ...more] = day.continueCandles(candles, 102, OPENING + 119);

  assert.equal(first, candles[0]);
  assert.deepEqual(last, { at: OPENING + 60, open: 100.5, high: 102, low: 100.5, close: 102 });
  assert.deepEqual(more, []);
});

test("a price after the last minute begins a candle", () => {
  assert.deepEqual(day.continueCandles(candles, 98, OPENING + 185).at(-1), {
    at: OPENING + 180,
    open: 98,
    high: 98,
    low: 98,
    close: 98,
  });
  assert.equal(day.continueCandles([], 98, OPENING).length, 1);
});

test("an older price and an equal one change nothing", () => {
  assert.equal(day.continueCandles(candles, 50, OPENING), candles);
  assert.equal(day.continueCandles(candles, 100.5, OPENING + 70), candles);
});

test("any order of prices leaves candles that contain what they open and close at", () => {
  let found = /** @type {readonly import("../../watchlists/static/watchlists/day_points.js").Candle[]} */ (candles);
  for (let step = 0; step < 500; step++) {
    found = day.continueCandles(found, 100 + 5 * Math.sin(step * 1.7), OPENING + ((step * 37) % 900));
  }
  for (const [index, { at, open, high, low, close }] of found.entries()) {
    assert.ok(low <= Math.min(open, close) && high >= Math.max(open, close));
    assert.ok(index === 0 || at > /** @type {any} */ (found[index - 1]).at);
  }
});

test("a trade time is the clock of IST", () => {
  const quote = /** @type {any} */ ({ ltt: OPENING + 19_800, receivedAtMs: 5_000 });
  assert.equal(day.tradedAt(quote), OPENING);
  assert.equal(day.tradedAt({ ...quote, ltt: null }), 5);
});

test("the table has the newest candle first", () => {
  assert.deepEqual(day.candleTable(candles).rows, [
    ["09:16", "100.50", "100.50", "100.50", "100.50"],
    ["09:15", "100.00", "101.00", "99.00", "100.50"],
  ]);
});

/** @param {string} symbol */
const chainOf = (symbol) => /** @type {any} */ ({ symbol, exchange: "NSE", expiry: "2026-12-29" });
const same = (/** @type {any} */ points) => points;

test("points are requested once, again after two minutes, and anew for another chain", async () => {
  /** @type {string[]} */
  const asked = [];
  const points = new day.DayPoints(async ({ symbol }) => {
    asked.push(symbol);
    return [symbol];
  });

  assert.equal(points.read(chainOf("TCS"), 0, same), "Loading …");
  await Promise.resolve();
  assert.deepEqual(points.read(chainOf("TCS"), 119_000, same), ["TCS"]);
  assert.deepEqual(asked, ["TCS"]);
  points.read(chainOf("TCS"), 120_000, same);
  assert.deepEqual(asked, ["TCS", "TCS"]);
  assert.equal(points.read(chainOf("INFY"), 121_000, same), "Loading …");
  await Promise.resolve();
  assert.deepEqual(points.read(chainOf("INFY"), 122_000, same), ["INFY"]);
});

test("a failed request is shown, and repeated after half a minute", async () => {
  let tries = 0;
  const points = new day.DayPoints(async () => {
    tries += 1;
    throw new Error("The broker gave no candles.");
  });

  points.read(chainOf("TCS"), 0, same);
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(points.read(chainOf("TCS"), 29_000, same), "The broker gave no candles.");
  points.read(chainOf("TCS"), 30_000, same);
  assert.equal(tries, 2);
});
