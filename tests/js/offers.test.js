// A rejected add offers fewer strikes if the server gives their number.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { ApiError } = await import("../../watchlists/static/watchlists/api.js");
const { messageOf, offerOf } = await import("../../watchlists/static/watchlists/offers.js");

const request = { symbol: "NIFTY", exchange: "NSE", instrument_type: "INDEX_OPTION", expiry: "2026-11-23" };

test("a chain that is too wide is offered with fewer strikes", () => {
  const refusal = new ApiError("This chain needs 202 more live instruments; you have 150 left.", 409, "quota", 31);

  assert.deepEqual(offerOf(refusal, request), { label: "Add ±15 strikes", request: { ...request, strikes: 31 } });
  assert.equal(messageOf(refusal), "This chain needs 202 more live instruments; you have 150 left.");
});

test("no offer is made if no narrower chain would be accepted", () => {
  assert.equal(offerOf(new ApiError("It is on your list already.", 409, "duplicate_entry"), request), null);
  assert.equal(offerOf(new TypeError("a fault in the page"), request), null);
});
