// A hit opens its own place in the chain of its expiry, and adds itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { additionOf, detailOf, openingOf, priceTextsOf, requestOf, titleOf } = await import(
  "../../watchlists/static/watchlists/hits.js"
);

const CHAIN = { instrument_type: "INDEX_OPTION", expiries: [{ expiry: "2026-12-01" }] };
const FUTURE = { instrument_type: "FUTURE", expiries: [{ expiry: "2026-12-29" }] };
const SHARE = { instrument_type: "EQUITY", expiries: [] };
const NOW = Date.parse("2026-11-27T06:12:30Z");

function makeHit(changes = {}) {
  return {
    instrument_id: 1,
    token: "NIFTY",
    symbol: "NIFTY",
    exchange: "NSE",
    instrument_type: "INDEX",
    display_name: "Nifty 50",
    expiry: null,
    strike: null,
    option_type: null,
    lot_size: 1,
    offers: [CHAIN, FUTURE],
    ...changes,
  };
}

const PUT = makeHit({ instrument_type: "OPTIDX", expiry: "2026-12-01", strike: 26_000, option_type: "PE", lot_size: 65, offers: [CHAIN] });

test("a contract opens its place in the chain of its expiry", () => {
  const request = { symbol: "NIFTY", exchange: "NSE", expiry: "2026-12-01" };

  assert.deepEqual(openingOf(PUT), { request, place: { strike: 26_000, side: "put" } });
  assert.deepEqual(openingOf({ ...PUT, option_type: "CE" }), { request, place: { strike: 26_000, side: "call" } });
});

test("an underlying opens its nearest chain, also a commodity that its nearest future stands for", () => {
  const crude = makeHit({
    symbol: "CRUDEOIL",
    exchange: "MCX",
    instrument_type: "FUTCOM",
    expiry: "2026-12-18",
    offers: [FUTURE, { ...CHAIN, instrument_type: "COMMODITY_OPTION" }],
  });

  assert.deepEqual(openingOf(makeHit()), { request: { symbol: "NIFTY", exchange: "NSE" }, place: null });
  assert.deepEqual(openingOf(crude), { request: { symbol: "CRUDEOIL", exchange: "MCX" }, place: null });
});

for (const [name, changes] of /** @type {[string, object][]} */ ([
  ["an index without options", { symbol: "INDIA VIX", offers: [] }],
  ["a share without options", { symbol: "TINY", instrument_type: "EQUITY", offers: [SHARE] }],
  ["a future", { instrument_type: "FUTIDX", expiry: "2026-12-29", offers: [FUTURE] }],
  ["an option of a market that is not streamed", { ...PUT, instrument_type: "OPTCUR", offers: [] }],
])) {
  test(`${name} opens no chain`, () => assert.equal(openingOf(makeHit(changes)), null));
}

test("a hit adds itself, which of an index is its nearest chain", () => {
  const share = makeHit({ token: "BSE:M&M", symbol: "M&M", exchange: "BSE", offers: [SHARE, CHAIN] });

  assert.deepEqual(additionOf(makeHit()), { symbol: "NIFTY", exchange: "NSE", instrument_type: "INDEX_OPTION", expiry: "2026-12-01" });
  assert.deepEqual(additionOf(share), { symbol: "M&M", exchange: "BSE", instrument_type: "EQUITY" });
  assert.equal(additionOf(makeHit({ offers: [] })), null);
});

test("a recent item whose expiries are over adds the nearest that the server knows", () => {
  const offers = [{ instrument_type: "INDEX_OPTION", expiries: [] }];

  assert.deepEqual(additionOf(makeHit({ offers })), { symbol: "NIFTY", exchange: "NSE", instrument_type: "INDEX_OPTION" });
});

test("the share of a second series is added by its own token", () => {
  assert.equal(requestOf(makeHit({ token: "RELIANCE-N2", symbol: "RELIANCE" }), SHARE).symbol, "RELIANCE-N2");
});

test("a contract has its lot, another hit its name", () => {
  assert.match(titleOf(PUT), /^NIFTY 1 Dec.* 26,000 PE$/);
  assert.equal(detailOf(PUT), "lot 65");
  assert.equal(detailOf(makeHit()), "Nifty 50");
});

test("the last price of a hit has its time, unless it came just now", () => {
  const priced = (/** @type {string} */ at) => priceTextsOf({ ...PUT, ltp: 138.9, ltp_at: at }, NOW);

  assert.deepEqual(priced("2026-11-27T06:12:07Z"), { text: "138.90", age: "", title: "Last price, of 27 Nov 11:42:07" });
  assert.equal(priced("2026-11-27T06:10:07Z").age, "11:40");
  assert.equal(priced("2026-11-26T09:59:58Z").age, "26 Nov");
  assert.equal(priced("2025-11-27T06:10:07Z").age, "27 Nov");
});

test("an unknown price is a dash, and a recent item has none", () => {
  assert.deepEqual(priceTextsOf({ ...PUT, ltp: null, ltp_at: null }, NOW), {
    text: "–",
    age: "",
    title: "No last price is known here: it does not stream",
  });
  assert.deepEqual(priceTextsOf(PUT, NOW), { text: "", age: "", title: "" });
});
