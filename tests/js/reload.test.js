// A change of the list is announced several times and causes one read.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { ReloadCoalescer } from "../../watchlists/static/watchlists/reload.js";

/** The list at the server, the list on the screen, and the last `watching` list of the server. */
let server = ["TCS"];
let screen = ["TCS"];
let watching = ["TCS"];
let reads = 0;
/** @type {(() => void)[]} */
let answers = [];

beforeEach(() => {
  server = ["TCS"];
  screen = ["TCS"];
  watching = ["TCS"];
  reads = 0;
  answers = [];
  mock.reset();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

/** A read copies the server's list when it starts, and shows it when `answer` is called. */
function makeCoalescer() {
  const load = () => {
    reads += 1;
    const read = server;
    return /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        answers.push(() => {
          screen = read;
          resolve();
        });
      })
    );
  };
  return new ReloadCoalescer(load, () => String(watching) === String(screen));
}

/** Run the continuations of resolved promises. */
async function settle() {
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.resolve();
  }
}

/** Wait for the end of the coalescing interval, and answer the read that follows. */
async function answer() {
  mock.timers.tick(50);
  await settle();
  answers.shift()?.();
  await settle();
}

/** @param {string} name @param {ReloadCoalescer} reloads */
function add(name, reloads, announcements = 1) {
  return reloads.after(async () => {
    server = [...server, name];
    watching = server;
    for (let count = 0; count < announcements; count += 1) {
      reloads.announce();
    }
    reloads.check();
    return name;
  });
}

test("an add announced before its answer causes one read, and its caller waits for the read", async () => {
  const reloads = makeCoalescer();
  let result = "";
  const added = add("INFY", reloads).then((name) => (result = name));

  mock.timers.tick(50);
  await settle();
  assert.equal(result, "");
  answers.shift()?.();
  await added;
  mock.timers.tick(5_000);

  assert.deepEqual([reads, screen, result], [1, ["TCS", "INFY"], "INFY"]);
});

test("an add that evicts is announced twice and causes one read", async () => {
  const reloads = makeCoalescer();
  const added = add("INFY", reloads, 2);

  await answer();
  await added;
  mock.timers.tick(5_000);

  assert.equal(reads, 1);
});

test("an announcement after the answer of an add causes one read", async () => {
  const reloads = makeCoalescer();
  const added = add("INFY", reloads, 0);
  watching = ["TCS"];
  await settle();

  watching = server;
  reloads.announce();
  reloads.check();
  await answer();
  await added;
  mock.timers.tick(5_000);

  assert.deepEqual([reads, screen], [1, ["TCS", "INFY"]]);
});

test("an add without an announcement causes a read", async () => {
  const reloads = makeCoalescer();
  const added = reloads.after(async () => (server = ["TCS", "INFY"]));
  await settle();

  mock.timers.tick(1_000);
  await answer();
  await added;

  assert.deepEqual([reads, screen], [1, ["TCS", "INFY"]]);
});

test("a change announced during a read causes another read after it", async () => {
  const reloads = makeCoalescer();
  reloads.request();
  mock.timers.tick(50);
  const added = add("INFY", reloads);
  await settle();

  await answer();
  assert.deepEqual(screen, ["TCS"]);
  await answer();
  await added;

  assert.deepEqual([reads, screen], [2, ["TCS", "INFY"]]);
});

test("a watched list that differs from the screen causes one read, an equal one causes none", async () => {
  const reloads = makeCoalescer();
  reloads.check();
  await answer();
  assert.equal(reads, 0);

  server = watching = ["TCS", "INFY"];
  reloads.check();
  reloads.check();
  await answer();
  await answer();

  assert.deepEqual([reads, screen], [1, ["TCS", "INFY"]]);
});

test("a watched list that arrives during a read is compared with its result", async () => {
  const reloads = makeCoalescer();
  reloads.request();
  mock.timers.tick(50);
  server = watching = ["TCS", "INFY"];
  reloads.check();

  await answer();
  await answer();
  await answer();

  assert.deepEqual([reads, screen], [2, ["TCS", "INFY"]]);
});

test("a refused change causes no read and rejects with its reason", async () => {
  const reloads = makeCoalescer();

  await assert.rejects(
    reloads.after(() => Promise.reject(new Error("No room."))),
    /No room/,
  );
  mock.timers.tick(5_000);

  assert.equal(reads, 0);
});
