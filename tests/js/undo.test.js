// A removal is sent when it can no longer be undone, or when the page is left.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { DelayedRemovals, UNDO_MS } from "../../watchlists/static/watchlists/undo.js";

/** @type {number[]} */
let sent = [];
/** @type {(() => void)[]} */
let answers = [];
/** @type {DelayedRemovals} */
let removals;
let ended = 0;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  sent = [];
  answers = [];
  ended = 0;
  removals = new DelayedRemovals((entryId) => {
    sent.push(entryId);
    return new Promise((resolve) => answers.push(() => resolve()));
  });
});

const begin = (/** @type {number} */ entryId) => removals.begin(entryId, () => (ended += 1));

test("a removal is sent after five seconds and hidden until it is answered", async () => {
  begin(7);

  mock.timers.tick(UNDO_MS - 1);
  assert.deepEqual(sent, []);
  assert.equal(removals.has(7), true);

  mock.timers.tick(1);
  assert.deepEqual([sent, ended], [[7], 1]);
  assert.equal(removals.has(7), true);

  const all = removals.flush();
  answers[0]?.();
  await all;
  assert.equal(removals.has(7), false);
});

test("an undone removal is never sent", async () => {
  begin(7);

  assert.equal(removals.undo(7), true);

  mock.timers.tick(UNDO_MS);
  await removals.flush();
  assert.deepEqual([sent, ended, removals.has(7)], [[], 1, false]);
});

test("a removal that was sent cannot be undone", () => {
  begin(7);
  mock.timers.tick(UNDO_MS);

  assert.equal(removals.undo(7), false);
});

test("a page that is left sends all removals at once, each one time", () => {
  begin(7);
  begin(8);
  begin(8);
  assert.equal(removals.last, 8);

  void removals.flush();
  mock.timers.tick(UNDO_MS);

  assert.deepEqual([sent, removals.last], [[7, 8], null]);
});
