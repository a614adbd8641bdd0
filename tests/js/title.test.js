// The title of the tab: a live price, or none; at most one change a second.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const tab = { title: "Broking Terminal" };
Object.assign(globalThis, { document: tab });

const { TabTitle, titleOf } = await import("../../watchlists/static/watchlists/title.js");

const spot = /** @type {any} */ ({ ltp: Math.fround(26017.5) });
const chain = /** @type {any} */ ({ symbol: "NIFTY", spot_instrument_id: 13 });

test("the title has the price and the symbol while the price is live, or the last one of its session", () => {
  assert.equal(titleOf("NIFTY", spot, "live"), "26,017.50 NIFTY");
  assert.equal(titleOf("NIFTY", spot, "closed"), "26,017.50 NIFTY");
});

test("an old price is not in the title", () => {
  assert.equal(titleOf("NIFTY", spot, "stale"), "NIFTY (price outdated)");
  assert.equal(titleOf("NIFTY", spot, "suspect"), "NIFTY (price outdated)");
  assert.equal(titleOf("NIFTY", null, "waiting"), "NIFTY");
});

test("the title changes at most once a second, and is the usual one without a chain", () => {
  const quote = { ...spot };
  const quotes = /** @type {any} */ ({ find: () => quote, stateOf: () => "live" });
  const title = new TabTitle();

  title.paint(chain, quotes, 0);
  assert.equal(tab.title, "26,017.50 NIFTY");
  quote.ltp = 26020;
  title.paint(chain, quotes, 999);
  assert.equal(tab.title, "26,017.50 NIFTY");
  title.paint(chain, quotes, 1_000);
  assert.equal(tab.title, "26,020.00 NIFTY");
  title.paint(null, quotes, 2_000);
  assert.equal(tab.title, "Broking Terminal");
});
