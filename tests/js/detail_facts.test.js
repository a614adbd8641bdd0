import assert from "node:assert/strict";
import { test } from "node:test";

import "./modules.js";

const { describeChange, describeContract, describeDepth, describeFigures, describeName, describeState, listFigures } = await import(
  "../../watchlists/static/watchlists/detail_facts.js"
);

/** @typedef {import("../../watchlists/static/watchlists/detail_facts.js").Subject} Subject */
/** @typedef {import("../../watchlists/static/watchlists/detail_facts.js").Instrument} Instrument */

/** @type {Instrument} */
const OPTION = {
  instrument_id: 41,
  token: "NIFTY_01DEC2026_26000CE",
  name: "NIFTY 01 DEC 26000 CALL",
  symbol: "NIFTY",
  exchange: "NSE",
  kind: "option",
  entry_type: "INDEX_OPTION",
  expiry: "2026-12-01",
  strike: "26000",
  option_type: "CE",
  lot_size: 65,
  tick_size: 0.05,
  lower_limit: 0.05,
  upper_limit: null,
  has_options: true,
  over: false,
  not_streaming: [],
  not_streaming_reason: null,
};
const SHARE = { ...OPTION, kind: /** @type {const} */ ("share"), strike: null, option_type: null, expiry: null, lot_size: 1 };
const INDEX = { ...SHARE, kind: /** @type {const} */ ("index"), entry_type: null };

/** @param {Partial<Subject>} [known] @returns {Subject} */
function subjectOf(known = {}) {
  return {
    instrument: OPTION,
    quote: {
      instrumentId: 41,
      connection: 1,
      segment: 2,
      isSuspect: false,
      isSeeded: false,
      ltp: Math.fround(138.9),
      previousClose: 143,
      bid: 138.85,
      ask: 138.95,
      bidQuantity: 75,
      askQuantity: 150,
      volume: 12_345_678,
      oi: 1_210_000,
      ltt: 1_796_049_125,
      receivedAtMs: 1_796_029_325_000,
    },
    state: "live",
    details: {
      instrumentId: 41,
      depth: {
        bids: [{ price: Math.fround(138.85), quantity: 195_000, orders: 1 }, null, null, null, null],
        asks: [{ price: Math.fround(138.95), quantity: 150, orders: 3 }, null, null, null, null],
      },
      day: { ltq: 65, averagePrice: Math.fround(141.27), totalBuyQuantity: 845_000, totalSellQuantity: 0, open: 150, high: Math.fround(162.4), low: Math.fround(130.05) },
      oiRange: { high: 1_234_500, low: 1_200_025 },
    },
    analytics: {
      instrumentId: 41,
      reason: 0,
      buildUp: 0,
      iv: 11.8,
      delta: 0.512,
      gamma: 0.00123,
      theta: -12.34,
      vega: 9.87,
      intrinsic: 0,
      timeValue: 138.9,
      oiChange: -3_000_000,
      oiChangeSource: 1,
    },
    ...known,
  };
}

/** @param {Subject} subject @returns {Record<string, string>} */
function textsOf(subject) {
  return Object.fromEntries([...describeFigures(subject)].map(([id, { text }]) => [id, text]));
}

/** @param {Subject} subject @param {string} id */
function titleOf(subject, id) {
  return describeFigures(subject).get(id)?.title;
}

test("the figures of an option, as a trader reads them", () => {
  assert.deepEqual(textsOf(subjectOf()), {
    open: "150.00",
    high: "162.40",
    low: "130.05",
    "previous-close": "143.00",
    average: "141.27",
    volume: "1.23Cr",
    ltq: "65",
    ltt: "14:32:05",
    oi: "12.1L",
    "oi-low": "12.0L",
    "oi-high": "12.3L",
    "lower-limit": "0.05",
    "upper-limit": "–",
    iv: "11.8",
    delta: "0.512",
    gamma: "0.00123",
    theta: "−12.34",
    vega: "9.87",
    "oi-change": "−30.0L",
    intrinsic: "0.00",
    "time-value": "138.90",
  });
  assert.equal(titleOf(subjectOf(), "volume"), "1,23,45,678");
  assert.equal(titleOf(subjectOf(), "upper-limit"), "The broker's instrument list has no price band for it");
});

test("every dash has its reason, and no unknown value is a zero", () => {
  for (const instrument of [OPTION, SHARE, INDEX]) {
    const bare = subjectOf({ instrument, quote: null, state: "waiting", details: null, analytics: null });
    for (const [id, { text, title }] of describeFigures({ ...bare, instrument: { ...instrument, lower_limit: null } })) {
      assert.equal(text, "–", id);
      assert.notEqual(title, "", id);
    }
    for (const level of describeDepth(bare).bids) {
      assert.deepEqual([level.price, level.quantity, level.orders], ["–", "–", "–"]);
      assert.notEqual(level.title, "");
    }
  }
});

test("a share has no open interest and no Greeks, an index neither volume nor orders", () => {
  assert.deepEqual(
    listFigures("share").map(({ id }) => id),
    ["open", "high", "low", "previous-close", "average", "volume", "ltq", "ltt", "lower-limit", "upper-limit"],
  );
  assert.deepEqual(
    listFigures("index").map(({ id }) => id),
    ["open", "high", "low", "previous-close", "ltt"],
  );
});

test("an index shows no day range: a snapshot has one that no packet would move", () => {
  const subject = subjectOf({ instrument: INDEX });

  assert.equal(textsOf(subject)["high"], "–");
  assert.equal(titleOf(subject, "high"), "The broker sends only the last price of an index");
  assert.equal(describeDepth(subject).bids[0]?.title, "An index has no orders");
});

test("before the first trade of a day its prices are unknown", () => {
  const day = { ltq: null, averagePrice: null, totalBuyQuantity: 65, totalSellQuantity: 0, open: null, high: null, low: null };
  const subject = subjectOf({ details: { instrumentId: 41, depth: null, day, oiRange: { high: 0, low: 0 } } });

  assert.equal(textsOf(subject)["open"], "–");
  assert.equal(titleOf(subject, "open"), "No trade today");
  assert.equal(titleOf(subject, "oi-high"), "The exchange has published no open interest today");
});

test("a level without an order is a dash, with its quantity in the unit of the exchange in the tooltip of the others", () => {
  const { bids, asks, totalBids, totalAsks } = describeDepth(subjectOf());

  assert.deepEqual(bids[0], { price: "138.85", quantity: "1.95L", orders: "1", title: "1,95,000 units in 1 order" });
  assert.equal(asks[0]?.title, "150 units in 3 orders");
  assert.deepEqual(bids[1], { price: "–", quantity: "–", orders: "–", title: "No bid at this level" });
  assert.equal(bids.length, 5);
  // A sum of zero is known: there is no order on that side.
  assert.deepEqual([totalBids.text, totalAsks.text], ["8.45L", "0"]);
  const lots = describeDepth(subjectOf({ instrument: { ...OPTION, exchange: "MCX" } }));
  assert.equal(lots.asks[0]?.title, "150 lots in 3 orders");
});

test("the state of the price, its time, and why it stands still", () => {
  assert.equal(describeState(subjectOf()).text, "Live · traded 14:32:05");
  assert.equal(describeState(subjectOf({ state: "closed" })).text, "Market closed · last trade 14:32:05");
  assert.equal(describeState(subjectOf({ quote: null, state: "waiting" })).text, "No price yet");
  const full = { ...OPTION, not_streaming: [41], not_streaming_reason: /** @type {const} */ ("no_room") };
  const { text, title } = describeState(subjectOf({ instrument: full, state: "stale" }));
  assert.equal(text, "Does not stream · last trade 14:32:05");
  assert.equal(title, "All live instruments are in use. It streams as soon as there is room.");
});

test("change and contract in words", () => {
  assert.deepEqual(describeChange(subjectOf().quote, 0.05), { text: "−4.10 (−2.87%)", direction: "down" });
  assert.deepEqual(describeChange(null, 0.05), { text: "", direction: "flat" });
  assert.equal(describeName(OPTION), "NIFTY 26,000 CE");
  assert.equal(describeName({ ...OPTION, kind: "future", strike: null, option_type: null }), "NIFTY FUT");
  assert.equal(describeName({ ...SHARE, name: "Reliance Industries" }), "Reliance Industries");
  assert.match(describeContract(OPTION), /^1 Dec.* · lot 65$/);
  assert.equal(describeContract(SHARE), "share");
  assert.equal(describeContract(INDEX), "index");
});

test("an option without a volatility names the reason of the analytics", () => {
  const analytics = subjectOf().analytics;
  assert.ok(analytics);
  const subject = subjectOf({ analytics: { ...analytics, reason: 4, iv: null, delta: null } });

  assert.equal(textsOf(subject)["iv"], "–");
  assert.equal(titleOf(subject, "delta"), "The price is not above the intrinsic value");
});
