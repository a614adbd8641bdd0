import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../../marketdata/static/marketdata/format.js";

test("prices are grouped in lakhs and crores and rounded to the tick", () => {
  assert.equal(format.formatPrice(25104.35), "25,104.35");
  assert.equal(format.formatPrice(1234567.8), "12,34,567.80");
  assert.equal(format.formatPrice(Math.fround(248.3), 0.05), "248.30");
  assert.equal(format.formatPrice(Math.fround(150000.15), 0.05), "1,50,000.15");
  assert.equal(format.formatPrice(0, 0.05), "–");
  assert.equal(format.formatPrice(83.1225, 0.0025), "83.1225");
  assert.equal(format.formatPrice(null), "–");
});

test("large counts have three significant figures", () => {
  assert.equal(format.formatCompact(0), "0");
  assert.equal(format.formatCompact(99_999), "99,999");
  assert.equal(format.formatCompact(123_456), "1.23L");
  assert.equal(format.formatCompact(1_234_567), "12.3L");
  assert.equal(format.formatCompact(9_994_999), "99.9L");
  assert.equal(format.formatCompact(9_999_999), "1.00Cr");
  assert.equal(format.formatCompact(45_600_000), "4.56Cr");
  assert.equal(format.formatCompact(1_600_000_000), "160Cr");
  assert.equal(format.formatCompact(null), "–");
});

test("changes carry their sign, and no change has none", () => {
  assert.equal(format.formatChange(12.5), "+12.50");
  assert.equal(format.formatChange(-1234.5), "−1,234.50");
  assert.equal(format.formatChange(0), "0.00");
  assert.equal(format.formatChange(null), "–");
  assert.equal(format.formatPercent(0.424), "+0.42%");
  assert.equal(format.formatPercent(-3), "−3.00%");
  assert.equal(format.formatPercent(null), "–");
  assert.deepEqual([1, -1, 0, null].map(format.directionOf), ["up", "down", "flat", "flat"]);
});

test("strikes have no trailing zeros", () => {
  assert.equal(format.formatStrike("26000"), "26,000");
  assert.equal(format.formatStrike("1612.5"), "1,612.5");
});

test("ages are shown with a resolution that falls as they grow", () => {
  assert.deepEqual([180, 12_345, 119_000, 600_000, 8_000_000].map(format.formatAge), [
    "0.2 s",
    "12 s",
    "119 s",
    "10 min",
    "2 h",
  ]);
});

test("expiries show their year only when it is not the current one", () => {
  assert.equal(format.formatExpiry("2026-11-24", 2026), "24 Nov");
  assert.equal(format.formatExpiry("2027-03-30", 2026), "30 Mar ’27");
  assert.deepEqual([0, 3].map(format.formatDaysLeft), ["today", "3d"]);
});

test("times of day are those of India in any time zone of the browser", () => {
  assert.equal(format.formatTime(Date.parse("2026-11-27T18:45:00Z")), "00:15");
  assert.equal(format.formatTime(Date.parse("2026-11-27T03:45:00Z")), "09:15");
});

test("a trade time is the broker's wall clock, and unknown for an instrument that never traded", () => {
  assert.equal(format.formatTradeTime(1_781_084_997), "09:49:57");
  assert.equal(format.formatTradeTime(0), "–");
  assert.equal(format.formatTradeTime(315_532_800), "–");
});
