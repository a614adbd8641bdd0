// Whether the chain follows the spot, and which row stays in its place.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { anchorOf, Follow, nextHeld, strikeAbove } = await import("../../watchlists/static/watchlists/follow.js");

const STRIKES = [100, 110, 120, 130];

test("the page's own scrolls do not count, and the trader's first one ends the following", () => {
  const follow = new Follow();
  assert.equal(follow.noteTop(37), false);

  follow.noteOwn(240);
  // The event about our own scroll, rounded by the browser.
  assert.equal(follow.noteTop(240.5), false);
  assert.equal(follow.isOn, true);
  assert.equal(follow.noteTop(264), true);
  assert.equal(follow.isOn, false);
});

test("small steps of a trackpad add up to a scroll", () => {
  const follow = new Follow();
  follow.noteOwn(240);

  assert.deepEqual([240.6, 241, 241.6].map((top) => follow.noteTop(top)), [false, false, true]);
});

test("returning follows again, and its scroll does not count", () => {
  const follow = new Follow();
  follow.noteOwn(240);
  follow.noteTop(0);

  follow.resume();
  follow.noteOwn(480);

  assert.equal(follow.noteTop(480), false);
  assert.equal(follow.isOn, true);
  follow.pause();
  assert.equal(follow.isOn, false);
});

test("the strike above the spot is the next higher one, and none above the highest", () => {
  assert.equal(strikeAbove(STRIKES, 110), 120);
  assert.equal(strikeAbove(STRIKES, 95), 100);
  assert.equal(strikeAbove(STRIKES, 130), null);
});

test("the view moves when the spot is clearly beyond a strike, not while it swings around it", () => {
  const swinging = [119.9, 120.1, 119.9, 122.4, 107.6];
  assert.deepEqual(swinging.map((spot) => nextHeld(STRIKES, 120, spot)), [120, 120, 120, 120, 120]);
  assert.equal(nextHeld(STRIKES, 120, 122.5), 130);
  assert.equal(nextHeld(STRIKES, 120, 107.4), 110);
  assert.equal(nextHeld(STRIKES, 110, 127), 130);
});

test("a held strike that the window has not, or has at its end, is replaced at once", () => {
  assert.equal(nextHeld(STRIKES, 90, 115), 120);
  assert.equal(nextHeld(STRIKES, null, 115), 120);
  assert.equal(nextHeld(STRIKES, 100, 101), 110);
  assert.equal(nextHeld(STRIKES, 130, 131), 130);
  assert.equal(nextHeld(STRIKES, 130, 133), null);
});

test("the first visible strike that the new window has stays in its place", () => {
  const visible = [{ strike: 80, top: 40 }, { strike: 100, top: 64 }, { strike: 110, top: 88 }];

  assert.deepEqual(anchorOf(visible, STRIKES), { strike: 100, top: 64 });
  assert.equal(anchorOf(visible.slice(0, 1), STRIKES), null);
  assert.equal(anchorOf([], STRIKES), null);
});
