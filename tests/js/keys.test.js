import assert from "node:assert/strict";
import { test } from "node:test";

import "./modules.js";

const { listShortcuts, SHORTCUTS } = await import("../../watchlists/static/watchlists/keys.js");
const { filterCommands } = await import("../../watchlists/static/watchlists/commands.js");

test("the overlay lists the keys that the page has bound, and those that its parts bind", () => {
  const shown = listShortcuts({ g: () => undefined }).map((one) => one.shown);

  assert.ok(shown.includes("g"));
  assert.ok(shown.includes("/"));
  assert.ok(!shown.includes("."));
});

test("no key is in the table twice", () => {
  const keys = SHORTCUTS.flatMap((one) => /** @type {readonly string[]} */ (one.keys));

  assert.equal(new Set(keys).size, keys.length);
});

const COMMANDS = [
  ["NIFTY", "Chain"],
  ["BANKNIFTY", "Chain"],
  ["NIFTY 1 Dec", "Chain"],
  ["Expiry 1 Dec", "Expiry"],
  ["Theme dark", "Theme"],
  ["Settings", "Page"],
].map(([name = "", group = ""]) => ({ name, group, run: () => undefined }));
const find = (/** @type {string} */ text) => filterCommands(COMMANDS, text).map((one) => one.name);

test("typed words match the begin of words of the name or the group", () => {
  assert.deepEqual(find("nif"), ["NIFTY", "NIFTY 1 Dec"]);
  assert.deepEqual(find("dark"), ["Theme dark"]);
  assert.deepEqual(find("page set"), ["Settings"]);
  assert.deepEqual(find("1 dec"), ["Expiry 1 Dec", "NIFTY 1 Dec"].reverse());
  assert.deepEqual(find("zzz"), []);
});

test("without a text all are listed in their order, and a name that begins with the text comes first", () => {
  assert.equal(find("")[0], "NIFTY");
  assert.equal(find("").length, COMMANDS.length);
  assert.equal(find("expiry")[0], "Expiry 1 Dec");
});
