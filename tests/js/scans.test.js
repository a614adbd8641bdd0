// The scanner's rankings: names and addresses of rows, their order under the pointer, and the state in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import "./modules.js";

const { addressOfScan, arrange, chainAddressOf, closedSince, findRanking, judgeScan, keyOf, nameOf, parseScanAddress, RANKINGS } =
  await import("../../watchlists/static/watchlists/scans.js");
const { UNKNOWN } = await import("../../marketdata/static/marketdata/format.js");

const THIS_YEAR = new Date().getFullYear();
const option = { symbol: "NIFTY", exchange: "NSE", expiry: `${THIS_YEAR}-12-08`, strike: 24_200, option_type: "CE" };
const series = { symbol: "SENSEX", exchange: "BSE", expiry: `${THIS_YEAR}-12-10`, strike: 80_000 };
const underlying = { symbol: "CRUDEOIL", exchange: "MCX" };
const result = {
  ranking: "iv_rise",
  underlying: null,
  state: /** @type {"live" | "stopped"} */ ("live"),
  computed_at_ms: 1,
  base_seconds: 90,
  underlyings: ["NSE:NIFTY"],
  rows: [option],
};

/** @param {string} id @param {object} figures */
function textsOf(id, figures) {
  return findRanking(id)?.columns.map((column) => column.figure({ ...option, ...figures }).text);
}

test("a row is named by its contract and opens its chain at its strike", () => {
  assert.equal(nameOf(option), "NIFTY 8 Dec 24,200 CE");
  assert.equal(chainAddressOf(option), `NIFTY/${THIS_YEAR}-12-08/24200`);
  assert.equal(nameOf(series), "SENSEX 10 Dec");
  assert.equal(chainAddressOf(series), `BSE:SENSEX/${THIS_YEAR}-12-10/80000`);
  assert.equal(nameOf(underlying), "CRUDEOIL");
  assert.equal(chainAddressOf(underlying), "MCX:CRUDEOIL");
});

test("a series keeps its row when the strike at the money moves; options of a strike have two", () => {
  assert.equal(keyOf(series), keyOf({ ...series, strike: 80_100 }));
  assert.notEqual(keyOf(option), keyOf({ ...option, option_type: "PE" }));
  assert.notEqual(keyOf(option), keyOf({ ...option, strike: 24_300 }));
});

test("figures have a sign, an arrow and the unit of their column", () => {
  assert.deepEqual(textsOf("oi_rise", { ltp: 138.9, oi: 1_234.2, change: 400, percent: 47.96, build_up: "short_build_up" }), [
    "138.90", "1,234", "▲ +400", "▲ +47.96%", "SB",
  ]);
  assert.deepEqual(textsOf("oi_fall", { ltp: 138.9, oi: 1_234, change: -400, percent: -24.5, build_up: null }), [
    "138.90", "1,234", "▼ −400", "▼ −24.50%", UNKNOWN,
  ]);
  assert.deepEqual(textsOf("iv_rise", { ltp: 1, iv: 13.25, base_iv: 12, change: 1.25, base_seconds: 905 }), [
    "1.00", "13.25", "12.00", "▲ +1.25", "15 min",
  ]);
  assert.deepEqual(textsOf("unusual_volume", { ltp: 1, volume: 150_000, oi: 50_000, ratio: 3 }), ["1.00", "1.50L", "50,000", "3.00"]);
  assert.deepEqual(
    textsOf("long_unwinding", {
      shares: { long_build_up: 50, short_build_up: 25.5, long_unwinding: 24.5, short_covering: 0 },
      counts: { long_build_up: 11, short_build_up: 4, long_unwinding: 3, short_covering: 0 },
    }),
    ["50.0% (11)", "25.5% (4)", "24.5% (3)", "0.0% (0)"],
  );
});

test("what is unknown is a dash in every column of every ranking", () => {
  for (const { id } of RANKINGS) {
    assert.deepEqual(new Set(textsOf(id, { strike: null })), new Set([UNKNOWN]), id);
  }
});

test("the order is that of the server, and stays while it is held", () => {
  const rows = [option, { ...option, strike: 24_300 }];
  const keys = rows.map(keyOf);

  assert.deepEqual(arrange([], rows, false), keys);
  assert.deepEqual(arrange(["gone", ...keys].reverse(), rows, true), ["gone", ...keys].reverse());
  assert.deepEqual(arrange(["gone", ...keys].reverse(), rows, false), keys);
  // A table without rows holds nothing.
  assert.deepEqual(arrange([], rows, true), keys);
});

test("the choice is in the address", () => {
  assert.deepEqual(parseScanAddress(addressOfScan("iv_fall", "NSE:NIFTY")), { ranking: findRanking("iv_fall"), underlying: "NSE:NIFTY" });
  assert.deepEqual(parseScanAddress(addressOfScan("iv_fall", null)), { ranking: findRanking("iv_fall"), underlying: null });
  assert.equal(parseScanAddress("").ranking, RANKINGS[0]);
  assert.equal(parseScanAddress("nonsense").ranking, RANKINGS[0]);
});

test("a result is live for three seconds, and only with a socket", () => {
  assert.equal(judgeScan({ socket: "open", message: result, ageMs: 2_999 }).isLive, true);
  /** @type {[Parameters<typeof judgeScan>[0], string][]} */
  const cases = [
    [{ socket: "open", message: result, ageMs: 3_001 }, "have stopped"],
    [{ socket: "open", message: { ...result, state: "stopped", rows: [] }, ageMs: 0 }, "have stopped"],
    [{ socket: "open", message: null, ageMs: 3_001 }, "have stopped"],
    [{ socket: "open", message: null, ageMs: 100 }, "Waiting"],
    [{ socket: "connecting", message: null, ageMs: 100 }, "Connecting"],
    [{ socket: "waiting", message: result, ageMs: 100 }, "No connection"],
    [{ socket: "open", message: null, ageMs: 100, refusal: "ranking is one of …" }, "ranking is one of"],
  ];
  for (const [seen, sentence] of cases) {
    const judged = judgeScan(seen);
    assert.equal(judged.isLive, false);
    assert.match(judged.sentence, new RegExp(sentence));
  }
});

test("an empty result says why", () => {
  /** @param {object} fields */
  const explain = (fields) => judgeScan({ socket: "open", message: { ...result, rows: [], ...fields }, ageMs: 0 }).sentence;

  assert.match(explain({ underlyings: [] }), /No options stream/);
  assert.match(explain({ underlying: "MCX:GOLD" }), /No options of MCX:GOLD stream/);
  assert.match(explain({ base_seconds: null }), /at least a minute ago/);
  assert.match(explain({}), /Nothing qualifies/);
  assert.match(explain({ ranking: "oi_rise", base_seconds: null }), /previous close/);
});

test("the market is closed when all exchanges of the rows are", () => {
  assert.equal(closedSince([option, series], { 2: 1_000, 8: 2_000 }), 2_000);
  assert.equal(closedSince([option, series], { 2: 1_000 }), null);
  assert.equal(closedSince([], { 2: 1_000 }), null);
});
