// A screen that stands still says so, and does not hide what is worse.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { describePause, Pause, withPause } = await import("../../watchlists/static/watchlists/pause.js");

/** @typedef {import("../../watchlists/static/watchlists/health.js").Health} Health */

/** @type {Health} */
const LIVE = { tone: "live", label: "Live", detail: "0.4 s", cause: "All 5 broker connections are live." };
/** 11:42:12 in India. */
const NOW = Date.UTC(2026, 10, 30, 6, 12, 12);

test("a pause has an age from its begin, and a second begin does not shorten it", () => {
  const pause = new Pause();
  assert.equal(pause.ageMs(1_000), null);

  pause.begin(1_000);
  pause.begin(4_000);

  assert.deepEqual([pause.isOn, pause.ageMs(6_000)], [true, 5_000]);
  pause.end();
  assert.deepEqual([pause.isOn, pause.ageMs(7_000)], [false, null]);
});

test("the chip says since when prices stand still", () => {
  assert.deepEqual(withPause(LIVE, 12_000, NOW), {
    tone: "warn",
    label: "Paused",
    detail: "12 s",
    cause: "You paused the screen at 11:42:00. Prices are of then. Press Space to resume.",
  });
});

test("a live screen, and a lost connection, are as they were", () => {
  const down = { ...LIVE, tone: /** @type {const} */ ("down") };

  assert.equal(withPause(LIVE, null, NOW), LIVE);
  assert.equal(withPause(down, 12_000, NOW), down);
});

test("the button says how long the pause lasts, and how it ends", () => {
  assert.equal(describePause(null).text, "Pause");
  assert.equal(describePause(4_000).text, "Paused 4.0 s · resume");
  assert.match(describePause(4_000).title, /Space to resume/);
});
