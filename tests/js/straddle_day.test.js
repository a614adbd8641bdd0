// The straddle of the day: points of the server, the one of now, and gaps.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const day = await import("../../watchlists/static/watchlists/straddle_day.js");
const { runsOf } = await import("../../watchlists/static/watchlists/gap_line.js");

const OPENING = 1_796_010_300; // 30 Nov 2026, 09:15 IST
const points = day.pointsOf({
  points: [
    [OPENING, 246.7, 26_000, 11.83, 26_021.4],
    [OPENING + 60, 247.05, 26_050, null, null],
  ],
});
const chain = {
  strikes: /** @type {[string, number | null, number | null][]} */ ([
    ["26000.0000", 1, 2],
    ["26050.0000", 3, null],
  ]),
};
const series = /** @type {any} */ ({ straddle: 250, atmStrike: 26_000, atmIv: 12, forward: 26_030 });
const live = () => /** @type {const} */ ({ state: "live" });

test("the point of now has the figures of the series and the minute of the server", () => {
  assert.deepEqual(day.pointOfNow(chain, series, live, (OPENING + 119) * 1_000), {
    at: OPENING + 60,
    straddle: 250,
    strike: 26_000,
    atmIv: 12,
    forward: 26_030,
  });
});

test("there is no point of now unless both options at the money are live", () => {
  const now = OPENING * 1_000;
  for (const state of /** @type {const} */ (["stale", "waiting", "suspect", "closed"])) {
    assert.equal(day.pointOfNow(chain, series, (id) => ({ state: id === 2 ? state : "live" }), now), null);
  }
  assert.equal(day.pointOfNow(chain, null, live, now), null);
  assert.equal(day.pointOfNow(chain, { ...series, straddle: null }, live, now), null);
  // A strike without its put, and one that the page does not have.
  assert.equal(day.pointOfNow(chain, { ...series, atmStrike: 26_050 }, live, now), null);
  assert.equal(day.pointOfNow(chain, { ...series, atmStrike: 26_100 }, live, now), null);
});

test("the point of now replaces that of its minute, or follows; an older one changes nothing", () => {
  const [first, last] = points;
  const at = (/** @type {number} */ second) => ({ at: second, straddle: 250, strike: 26_000, atmIv: null, forward: null });

  assert.deepEqual(day.continuePoints(points, at(OPENING + 60)), [first, at(OPENING + 60)]);
  assert.deepEqual(day.continuePoints(points, at(OPENING + 120)), [first, last, at(OPENING + 120)]);
  assert.deepEqual(day.continuePoints([], at(OPENING)), [at(OPENING)]);
  assert.equal(day.continuePoints(points, at(OPENING)), points);
  assert.equal(day.continuePoints(points, null), points);
});

test("an outage of minutes is a gap as wide as it lasted, and ends the line", () => {
  const outage = [...points, ...day.pointsOf({ points: [[OPENING + 300, 240, 26_000, null, null]] })];

  const minutes = day.everyMinute(outage);

  assert.deepEqual(
    minutes.map(({ at, straddle }) => [(at - OPENING) / 60, straddle]),
    [[0, 246.7], [1, 247.05], [2, null], [3, null], [4, null], [5, 240]],
  ); // prettier-ignore
  const placed = minutes
    .filter(({ straddle }) => straddle !== null)
    .map(({ at }) => ({ originalData: { at } }));
  assert.deepEqual(runsOf(placed, 60).map((run) => run.length), [2, 1]);
  assert.deepEqual(day.everyMinute([]), []);
});

test("the table has the newest point first, and a dash for what is unknown", () => {
  assert.deepEqual(day.straddleTable(points).rows, [
    ["09:16", "247.05", "26,050", "–", "–"],
    ["09:15", "246.70", "26,000", "11.8", "26,021.40"],
  ]);
});
