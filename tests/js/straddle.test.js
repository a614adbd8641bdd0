// The straddle of a strike: sums of its call and put, a dash with a reason where one is missing.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { straddleOf } = await import("../../watchlists/static/watchlists/straddle.js");

/**
 * A leg as the page knows it: prices are float32.
 * @param {{ltp?: number | null, previousClose?: number | null, oi?: number | null, state?: string} & Record<string, unknown>} [fields]
 * @returns {any}
 */
function leg({ ltp = 100, previousClose = 90, oi = 1_000, state = "live", ...analytics } = {}) {
  const quote = { ltp: ltp === null ? null : Math.fround(ltp), previousClose: previousClose && Math.fround(previousClose), oi };
  return { quote, state, analytics: { iv: null, delta: null, theta: null, vega: null, ...analytics } };
}

const spot = leg({ ltp: 26_017.5 });
const call = leg({ ltp: 138.9, previousClose: 143, oi: 2_000, iv: 11.8, delta: 0.523, theta: -9.87, vega: 12.3 });
const put = leg({ ltp: 107.8, previousClose: 101.05, oi: 3_000, iv: 11.9, delta: -0.478, theta: -8.01, vega: 12.3 });

test("prices, changes, Greeks and open interest are sums, the volatility is a mean", () => {
  const found = straddleOf(26_000, call, put, spot, 0.05);

  assert.equal(found.price, 246.7);
  assert.equal(found.change, 2.65);
  assert.deepEqual([found.delta, found.theta, found.vega], [0.045, -17.88, 24.6]);
  assert.equal(found.iv, 11.85);
  assert.equal(found.oi, 5_000);
  assert.equal(found.pcr, 1.5);
  assert.deepEqual([found.reason, found.distanceReason, found.state], ["", "", "live"]);
});

test("break-evens are the strike less and plus the price, in percent from the spot", () => {
  const { lower, upper } = straddleOf(26_000, call, put, spot, 0.05);

  assert.equal(lower?.toFixed(4), "-1.0155"); // 25,753.30 from 26,017.50
  assert.equal(upper?.toFixed(4), "0.8809"); // 26,246.70
});

test("a side without a price of now leaves no price, and says which", () => {
  const cases = /** @type {[any, any, string, string][]} */ ([
    [leg({ state: "stale" }), put, "The price of the call is outdated", "stale"],
    [call, leg({ state: "waiting", ltp: null }), "The price of the put is unknown", "waiting"],
    [call, leg({ state: "suspect" }), "The price of the put is rejected as invalid", "suspect"],
    [call, null, "No put is listed at this strike", "waiting"],
    [null, put, "No call is listed at this strike", "waiting"],
  ]);
  for (const [one, other, reason, state] of cases) {
    const found = straddleOf(26_000, one, other, spot, 0.05);
    assert.deepEqual([found.price, found.change, found.lower, found.upper], [null, null, null, null]);
    assert.deepEqual([found.reason, found.distanceReason, found.state], [reason, reason, state]);
  }
});

test("in a closed market the closing prices have a sum", () => {
  const closed = { state: "closed" };
  const found = straddleOf(26_000, leg({ ltp: 10.05, ...closed }), leg({ ltp: 20.1, ...closed }), leg({ ltp: 26_000, ...closed }), 0.05);

  assert.deepEqual([found.price, found.state, found.reason], [30.15, "closed", ""]);
  assert.equal(found.upper?.toFixed(4), "0.1160");
});

test("without a live spot there are no break-evens, but a price", () => {
  const found = straddleOf(26_000, call, put, leg({ state: "stale" }), 0.05);

  assert.deepEqual([found.price, found.lower, found.upper], [246.7, null, null]);
  assert.equal(found.distanceReason, "The spot is outdated");
});

test("what one side lacks is unknown, never half a sum", () => {
  const found = straddleOf(26_000, call, leg({ previousClose: null, oi: null, iv: 12 }), spot, 0.05);

  assert.deepEqual([found.change, found.oi, found.pcr, found.delta, found.theta, found.vega], Array(6).fill(null));
  assert.equal(found.iv, 11.9);
  assert.equal(straddleOf(26_000, leg({ oi: 0 }), put, spot, 0.05).pcr, null);
  assert.equal(straddleOf(26_000, leg({ oi: 0 }), put, spot, 0.05).oi, 3_000);
});

test("opposite deltas give a zero without a sign", () => {
  const found = straddleOf(26_000, leg({ delta: -0.5 }), leg({ delta: 0.5 }), spot, 0.05);

  assert.ok(Object.is(found.delta, 0));
});
