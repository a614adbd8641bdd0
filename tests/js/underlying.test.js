// Identity of a chain: the exchange distinguishes chains of one symbol.

import assert from "node:assert/strict";
import { test } from "node:test";

const {
  addressOf,
  countToReach,
  followedRequest,
  isOtherChain,
  isOpen,
  isSameChain,
  isSought,
  parseAddress,
  standstillText,
  strikeOf,
} = await import("../../watchlists/static/watchlists/underlying.js");

const nse = { symbol: "RELIANCE", exchange: "NSE", expiry: "2026-11-24" };
const bse = { ...nse, exchange: "BSE" };

test("the same symbol on another exchange is another underlying", () => {
  assert.equal(isOpen(bse, nse, nse), false);
  assert.equal(isOpen({ ...nse, expiry: "2026-12-29" }, nse, nse), true);
  assert.equal(isOpen({ symbol: "TCS", exchange: "NSE" }, nse, nse), false);
});

test("a missing exchange is filled from the server's answer", () => {
  assert.equal(isOpen({ symbol: "SENSEX", exchange: "BSE" }, { symbol: "SENSEX" }, { exchange: "BSE" }), true);
  assert.equal(isOpen({ symbol: "SENSEX" }, { symbol: "SENSEX" }, { exchange: "BSE" }), true);
  assert.equal(isOpen({ symbol: "RELIANCE" }, bse, bse), false);
});

test("no chain is open before the server's answer", () => {
  assert.equal(isOpen(nse, nse, null), false);
  assert.equal(isOpen(nse, null, null), false);
});

test("chains are equal if symbol, exchange and expiry are equal", () => {
  assert.equal(isSameChain(nse, { ...nse }), true);
  assert.equal(isSameChain(nse, bse), false);
  assert.equal(isSameChain(nse, { ...nse, expiry: "2026-12-29" }), false);
  assert.equal(isSameChain(null, null), false);
});

test("an address contains the exchange unless it is the default, and is parsed again", () => {
  assert.equal(addressOf(nse), "RELIANCE/2026-11-24");
  assert.equal(addressOf(bse), "BSE:RELIANCE/2026-11-24");
  assert.equal(addressOf({ symbol: "NIFTY" }), "NIFTY");
  assert.deepEqual(parseAddress("BSE:RELIANCE/2026-11-24"), bse);
  assert.deepEqual(parseAddress("M&M"), { symbol: "M&M" });
  assert.deepEqual(parseAddress("mcx:crudeoil"), { symbol: "crudeoil", exchange: "MCX" });
  assert.equal(parseAddress(""), null);
  assert.equal(parseAddress("BSE:"), null);
});

test("an address with another underlying or expiry leads to another chain", () => {
  assert.equal(isOtherChain({ symbol: "RELIANCE" }, nse), true);
  assert.equal(isOtherChain({ symbol: "RELIANCE" }, { symbol: "RELIANCE", exchange: "NSE" }), false);
  assert.equal(isOtherChain({ symbol: "RELIANCE" }, bse), true);
  assert.equal(isOtherChain({ ...bse }, bse), false);
  assert.equal(isOtherChain({ symbol: "RELIANCE", expiry: "2026-12-29" }, nse), true);
  assert.equal(isOtherChain({ symbol: "RELIANCE" }, null), true);
});

const answer = { ...nse, former_symbol: null };

test("the open chain follows an expiry that the exchange moved, and no answer to an earlier request", () => {
  const moved = { ...answer, expiry: "2026-11-23" };
  assert.deepEqual(followedRequest(moved, nse, nse), { ...nse, expiry: "2026-11-23" });
  assert.equal(followedRequest(answer, nse, nse), null);
  assert.equal(followedRequest(answer, nse, moved), null);
  assert.equal(followedRequest(moved, null, nse), null);
  assert.equal(followedRequest(moved, nse, { symbol: "RELIANCE" }), null);
  assert.equal(followedRequest(moved, nse, null), null);
});

test("the open chain follows an underlying that the exchange renamed, at its expiry or at the nearest", () => {
  const renamed = { symbol: "JIOREL", exchange: "NSE", expiry: "2026-11-23", former_symbol: "RELIANCE" };
  const { former_symbol: _, expiry, ...underlying } = renamed;
  assert.deepEqual(followedRequest(renamed, nse, nse), { ...underlying, expiry });
  assert.deepEqual(followedRequest(renamed, nse, { symbol: "RELIANCE" }), underlying);
  // A page that was opened by an address with the former symbol shows no chain yet.
  assert.deepEqual(followedRequest(renamed, null, { symbol: "RELIANCE" }), underlying);
});

test("an answer under a former symbol that is no longer requested changes nothing", () => {
  const renamed = { symbol: "JIOREL", exchange: "NSE", expiry: "2026-11-24", former_symbol: "RELIANCE" };
  assert.equal(followedRequest(renamed, nse, { symbol: "TCS" }), null);
  assert.equal(followedRequest(renamed, nse, { symbol: "JIOREL" }), null);
});

/** @type {[string, number, number][]} */
const strikes = [["2600", 1, 2], ["2620", 3, 4]];
const all = { strikes, not_streaming: [9, 1, 2, 3, 4], not_streaming_reason: "no_room" };

test("a chain that streams needs no explanation", () => {
  assert.equal(standstillText({ ...all, not_streaming: [], not_streaming_reason: null }, "absent"), "");
});

test("a chain without room says so, and how to get room", () => {
  const text = "The prices of this chain stand still: all live instruments are in use. They stream as soon as there is room.";
  assert.equal(standstillText(all, "listed"), text);
  assert.equal(standstillText(all, "absent"), `${text} Add the chain to your watchlist to make room for it.`);
  assert.equal(standstillText(all, "stopped"), `${text} Press “Stream again” to make room for it.`);
  assert.match(standstillText({ ...all, not_streaming: [1, 2] }, "listed"), /^2 of 5 prices of this chain stand still/);
});

test("a chain that is claimed with the next note says when it streams", () => {
  assert.equal(standstillText({ ...all, not_streaming_reason: "soon" }, "absent"), "This chain streams within half a minute.");
});

test("an address may name a strike after the expiry", () => {
  assert.equal(strikeOf("NIFTY/2026-12-08/24200"), 24_200);
  assert.equal(strikeOf("BSE:RELIANCE/2026-11-24/1612.5"), 1_612.5);
  assert.equal(strikeOf("NIFTY/2026-12-08"), null);
  assert.equal(strikeOf("NIFTY/2026-12-08/all"), null);
  assert.deepEqual(parseAddress("NIFTY/2026-12-08/24200"), { symbol: "NIFTY", expiry: "2026-12-08" });
});

test("a chain is the sought one where all agrees that the request names", () => {
  assert.equal(isSought({ symbol: "RELIANCE" }, nse), true);
  assert.equal(isSought({ symbol: "reliance", exchange: "NSE", expiry: "2026-11-24" }, nse), true);
  assert.equal(isSought({ symbol: "RELIANCE", exchange: "NSE" }, bse), false);
  assert.equal(isSought({ symbol: "RELIANCE", expiry: "2026-12-29" }, nse), false);
  assert.equal(isSought({ symbol: "TCS" }, nse), false);
});

test("a strike outside of the window is reached by enough steps on both sides of the money", () => {
  /** @type {[string, number, number][]} */
  const strikes = [["1380", 1, 2], ["1400", 3, 4], ["1420", 5, 6]];
  const chain = { atm: "1400.0000", strike_step: "10.0000", strikes };

  assert.equal(countToReach(chain, 1_500), 21);
  assert.equal(countToReach(chain, 1_335), 15);
  assert.equal(countToReach(chain, 1_390), null);
});
