// The names and kinds of entries: a single option has its strike, an option chain has none.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { isChain, kindOf, nameOf, sideOf } = await import("../../watchlists/static/watchlists/watchlist.js");

const EXPIRY = `${new Date().getFullYear()}-12-01`;

/**
 * @param {Partial<import("../../watchlists/static/watchlists/watchlist.js").Entry>} changes
 * @returns {import("../../watchlists/static/watchlists/watchlist.js").Entry}
 */
function makeEntry(changes = {}) {
  return {
    id: 1,
    list: "Main",
    symbol: "NIFTY",
    exchange: "NSE",
    instrument_type: "INDEX",
    expiry: null,
    over: false,
    strike: null,
    option_type: null,
    instrument_id: 3,
    quoted_instrument_id: 3,
    legs: 1,
    keep: false,
    state: "live",
    ...changes,
  };
}

const call = makeEntry({ instrument_type: "OPTION", expiry: EXPIRY, strike: 26_000, option_type: "CE" });
const chain = makeEntry({ instrument_type: "INDEX_OPTION", expiry: EXPIRY });

test("an entry is named as traders name it", () => {
  assert.equal(nameOf(call), "NIFTY 1 Dec 26,000 CE");
  assert.equal(nameOf({ ...call, symbol: "GOLD", strike: 157_460.5, option_type: "PE" }), "GOLD 1 Dec 1,57,460.5 PE");
  assert.equal(nameOf(chain), "NIFTY 1 Dec");
  assert.equal(nameOf(makeEntry({ symbol: "INDIA VIX" })), "INDIA VIX");
});

test("only a single option has a strike", () => {
  assert.equal(sideOf(call), "26,000 CE");
  assert.equal(sideOf(chain), "");
});

test("a kind is a word and a letter", () => {
  const kinds = [call, { ...call, option_type: "PE" }, chain, makeEntry(), makeEntry({ instrument_type: "FUTURE" })];

  assert.deepEqual(kinds.map(kindOf), [["Call", "C"], ["Put", "P"], ["Options", "O"], ["Index", "I"], ["Future", "F"]]);
});

test("a single option is no chain", () => {
  assert.deepEqual([call, chain, makeEntry()].map(isChain), [false, true, false]);
});
