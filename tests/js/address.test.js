// Addresses of chains in the history: another chain makes an entry, the first one and a corrected one replace theirs.

import assert from "node:assert/strict";
import { test } from "node:test";

/** @type {string[]} */
const entries = [""];
const location = {
  pathname: "/",
  get hash() {
    return entries.at(-1) ?? "";
  },
};
const history = {
  pushState: (/** @type {unknown} */ _, /** @type {string} */ __, /** @type {string} */ url) => entries.push(encodeURI(url)),
  replaceState: (/** @type {unknown} */ _, /** @type {string} */ __, /** @type {string} */ url) =>
    entries.splice(-1, 1, encodeURI(url)),
};
Object.assign(globalThis, { window: { location, history } });

const { currentAddress, pathOf, writeAddress } = await import("../../watchlists/static/watchlists/address.js");

test("each chain after the first has its own entry, and the same chain none", () => {
  writeAddress({ symbol: "NIFTY" }, { isNewEntry: false });
  writeAddress({ symbol: "NIFTY", expiry: "2026-12-01" }, { isNewEntry: true });
  writeAddress({ symbol: "NIFTY", exchange: "NSE", expiry: "2026-12-01" }, { isNewEntry: true });
  writeAddress({ symbol: "M&M" }, { isNewEntry: true });

  assert.deepEqual(entries, ["#NIFTY", "#NIFTY/2026-12-01", "#M&M"]);
});

test("an address with characters that the browser encodes is the one of its chain", () => {
  writeAddress({ symbol: "NIFTY 50" }, { isNewEntry: true });
  writeAddress({ symbol: "NIFTY 50" }, { isNewEntry: true });

  assert.equal(entries.at(-1), "#NIFTY%2050");
  assert.equal(currentAddress(), "NIFTY 50");
  assert.equal(entries.length, 4);
});

test("the page of one chain has its exchange, its symbol and its expiry in the path", () => {
  assert.equal(pathOf({ symbol: "NIFTY", exchange: "NSE", expiry: "2026-12-01" }), "/chain/NIFTY/2026-12-01");
  assert.equal(pathOf({ symbol: "M&M", exchange: "BSE", expiry: "2026-12-29" }), "/chain/BSE%3AM%26M/2026-12-29");
});

test("on the page of one chain its address is that of the path, until another chain is opened there", () => {
  location.pathname = "/chain/BSE%3AM%26M/2026-12-29";
  entries.push("");

  assert.equal(currentAddress(), "BSE:M&M/2026-12-29");
  writeAddress({ symbol: "M&M", exchange: "BSE", expiry: "2026-12-29" }, { isNewEntry: false });
  assert.equal(entries.at(-1), "");
  writeAddress({ symbol: "NIFTY" }, { isNewEntry: true });
  assert.equal(currentAddress(), "NIFTY");
});
