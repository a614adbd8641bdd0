// The recent items of the search: the newest first, at most eight, by user, without prices and without what is over.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { RecentItems } = await import("../../watchlists/static/watchlists/recent.js");

const TODAY = "2026-11-29";

/** @param {string} [damaged]  What is stored for trader1. */
function makeStorage(damaged) {
  /** @type {Map<string, string>} */
  const texts = new Map(damaged === undefined ? [] : [["terminal.recent.trader1", damaged]]);
  return {
    getItem: (/** @type {string} */ key) => texts.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ text) => void texts.set(key, text),
  };
}

/** @param {any} id @param {object} [changes] @returns {any} */
function makeHit(id, changes = {}) {
  const names = { token: `T${id}`, symbol: `T${id}`, exchange: "NSE", instrument_type: "EQUITY", display_name: `Share ${id}` };
  return { instrument_id: id, ...names, expiry: null, strike: null, option_type: null, lot_size: 1, offers: [], ...changes };
}

/** @param {import("../../watchlists/static/watchlists/recent.js").RecentItems} recent */
function ids(recent) {
  return recent.list().map((one) => one.instrument_id);
}

test("the newest comes first, an item used again moves to the front, and the ninth goes", () => {
  const recent = new RecentItems(makeStorage(), "trader1", TODAY);

  for (let id = 1; id <= 10; id += 1) {
    recent.add(makeHit(id));
  }
  recent.add(makeHit(5));

  assert.deepEqual(ids(recent), [5, 10, 9, 8, 7, 6, 4, 3]);
});

test("each user of a browser has their own", () => {
  const storage = makeStorage();
  new RecentItems(storage, "trader1", TODAY).add(makeHit(1));

  assert.deepEqual(ids(new RecentItems(storage, "trader1", TODAY)), [1]);
  assert.deepEqual(ids(new RecentItems(storage, "trader2", TODAY)), []);
});

test("an item is kept without its price", () => {
  const recent = new RecentItems(makeStorage(), "trader1", TODAY);

  recent.add(makeHit(1, { ltp: 138.9, ltp_at: "2026-11-29T06:12:07Z", moneyness: "itm" }));

  assert.deepEqual(recent.list(), [makeHit(1)]);
});

test("an expired contract is not shown, and an underlying keeps its offers without their expired expiries", () => {
  const storage = makeStorage();
  const recent = new RecentItems(storage, "trader1", TODAY);
  recent.add(makeHit(1, { expiry: "2026-12-01", strike: 26_000, option_type: "CE" }));
  recent.add(makeHit(2, { offers: [{ instrument_type: "INDEX_OPTION", expiries: [{ expiry: "2026-12-01" }, { expiry: "2026-12-08" }] }] }));

  assert.deepEqual(ids(new RecentItems(storage, "trader1", "2026-12-01")), [2, 1]);
  const later = new RecentItems(storage, "trader1", "2026-12-02").list();
  assert.deepEqual(later.map((one) => one.offers), [[{ instrument_type: "INDEX_OPTION", expiries: [{ expiry: "2026-12-08" }] }]]);
  const muchLater = new RecentItems(storage, "trader1", "2027-01-01").list();
  assert.deepEqual(muchLater.map((one) => one.offers), [[{ instrument_type: "INDEX_OPTION", expiries: [] }]]);
});

for (const damaged of [
  "{",
  "7",
  "null",
  '{"0": 1}',
  "[null, 1, [], {}]",
  JSON.stringify([{ token: 1 }, makeHit("1"), makeHit(1, { offers: null }), makeHit(1, { offers: [{}] })]),
  JSON.stringify([makeHit(1, { strike: "26000" }), makeHit(1, { lot_size: null }), makeHit(1, { option_type: 5 })]),
  JSON.stringify([makeHit(1, { expiry: "soon" }), makeHit(1, { expiry: "2026-99-99" })]),
  JSON.stringify([makeHit(1, { offers: [{ instrument_type: "FUTURE", expiries: [{ expiry: "9999-99-99" }] }] })]),
]) {
  test(`a damaged text has no items, and the next item replaces it: ${damaged.slice(0, 40)}`, () => {
    const recent = new RecentItems(makeStorage(damaged), "trader1", TODAY);

    assert.deepEqual(recent.list(), []);
    recent.add(makeHit(3));
    assert.deepEqual(ids(recent), [3]);
  });
}

test("of a text with damaged items the others are shown, eight at most", () => {
  const items = [...Array(12).keys()].map((id) => (id === 0 ? { token: "T" } : makeHit(id)));

  assert.deepEqual(ids(new RecentItems(makeStorage(JSON.stringify(items)), "trader1", TODAY)), [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a blocked or full storage keeps nothing and breaks nothing", () => {
  const blocked = new RecentItems(null, "trader1", TODAY);
  const full = new RecentItems(
    {
      getItem: () => null,
      setItem: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
    },
    "trader1",
    TODAY,
  );

  for (const recent of [blocked, full]) {
    recent.add(makeHit(1));
    assert.deepEqual(recent.list(), []);
  }
});
