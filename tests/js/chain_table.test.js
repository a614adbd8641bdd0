// A chain as a table: plain numbers, no formulas, readable by spreadsheets.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { fileNameOf, numberField, tableOf, textField, toCsv, toTabbedText } = await import(
  "../../watchlists/static/watchlists/chain_table.js"
);

/** @typedef {import("../../watchlists/static/watchlists/chain_table.js").Leg} Leg */

const chain = {
  symbol: "NIFTY",
  exchange: "NSE",
  expiry: "2026-12-01",
  tick_size: 0.05,
  spot_instrument_id: 9,
  strikes: /** @type {[string, number | null, number | null][]} */ ([
    ["26000.0000", 1, 2],
    ["26050.5000", null, 3],
  ]),
};
const quote = {
  instrumentId: 1,
  segment: 2,
  connection: 1,
  isSuspect: false,
  receivedAtMs: null,
  ltt: null,
  ltp: Math.fround(1234.05),
  previousClose: Math.fround(1238.15),
  bid: Math.fround(1234),
  ask: Math.fround(1234.1),
  oi: 1_234_567,
  volume: 98_765_432,
};
const analytics = {
  instrumentId: 1,
  reason: 0,
  buildUp: 2,
  iv: 11.84,
  delta: 0.513,
  gamma: null,
  theta: -9.876,
  vega: 12.3,
  intrinsic: null,
  timeValue: null,
  oiChangeSource: 1, oiChange: -4_500,
};

/** @type {import("../../watchlists/static/watchlists/columns.js").Column[]} */
const COLUMNS = ["oi-change", "oi", "volume", "iv", "delta", "theta", "vega", "change", "bid", "ltp", "ask"];

/** @param {number} id @returns {Leg} */
function readLeg(id) {
  return id === 1
    ? { quote: /** @type {any} */ (quote), state: "live", analytics }
    : { quote: null, state: "waiting", analytics: null };
}

/** @param {readonly import("../../watchlists/static/watchlists/columns.js").Column[]} columns */
function shownOf(columns) {
  return { columns, straddle: false };
}

test("the table has a header, and the values on the screen as plain numbers", () => {
  const [header, first, second] = tableOf(chain, readLeg, shownOf(COLUMNS)).map((row) => row.map((field) => field.text));

  assert.deepEqual(header?.slice(0, 5), ["Call state", "Call OI change", "Call build-up", "Call OI", "Call volume"]);
  assert.deepEqual(header?.slice(12, 15), ["Call ask", "Strike", "Put bid"]);
  assert.equal(header?.length, 27);
  assert.deepEqual(first?.slice(0, 14), [
    "live", "-4500", "SB", "1234567", "98765432", "11.8", "0.51", "-9.88", "12.30", "-4.10", "1234.00", "1234.05", "1234.10",
    "26000",
  ]); // prettier-ignore
  // A strike may lack one side; an unknown value is empty, never zero.
  assert.deepEqual(second, [...Array(13).fill(""), "26050.5", ...Array(12).fill(""), "waiting"]);
});

test("the straddle of a strike is behind its put, as plain numbers", () => {
  const spot = { ...quote, ltp: 26_000 };
  const both = (/** @type {number} */ id) => (id === 9 ? { ...readLeg(1), quote: /** @type {any} */ (spot) } : readLeg(1));
  const pair = { ...chain, strikes: /** @type {[string, number | null, number | null][]} */ ([["26000.0000", 1, 1]]) };

  const shown = { columns: /** @type {const} */ (["ltp"]), straddle: true };
  const [header, row] = tableOf(pair, both, shown).map((fields) => fields.slice(5).map((field) => field.text));

  assert.deepEqual(header, [
    "Straddle", "Straddle change", "Break-even below %", "Break-even above %", "Straddle IV", "Straddle delta",
    "Straddle theta", "Straddle vega", "Straddle OI", "Strike PCR",
  ]); // prettier-ignore
  assert.deepEqual(row, [
    "2468.10", "-8.20", "-9.49", "9.49", "11.8", "1.03", "-19.75", "24.60", "2469134", "1.00",
  ]); // prettier-ignore
});

test("the table has the columns of the screen, in the order of the screen on both sides", () => {
  const [header, first] = tableOf(chain, readLeg, shownOf(["change-percent", "bid", "ltp", "ask", "oi-change"])).map((row) => row.map((field) => field.text));

  assert.deepEqual(header, [
    "Call state", "Call change %", "Call bid", "Call LTP", "Call ask", "Call OI change", "Call build-up", "Strike",
    "Put build-up", "Put OI change", "Put bid", "Put LTP", "Put ask", "Put change %", "Put state",
  ]); // prettier-ignore
  assert.deepEqual(first?.slice(0, 7), ["live", "-0.33", "1234.00", "1234.05", "1234.10", "-4500", "SB"]);
});

test("a price with a tick below one paisa has four decimals", () => {
  const pair = { ...chain, tick_size: 0.0025 };
  const leg = () => ({ ...readLeg(1), quote: /** @type {any} */ ({ ...quote, ltp: Math.fround(84.2525) }) });

  assert.equal(tableOf(pair, leg, shownOf(["ltp"]))[1]?.[1]?.text, "84.2525");
});

test("text that a spreadsheet would read as a formula is text; negative numbers stay numbers", () => {
  for (const start of ["=", "+", "-", "@", "\t", "\r"]) {
    const line = toCsv([[textField(`${start}HYPERLINK(1)`), numberField(-4.1, 2)]]);
    assert.match(line, /^\ufeff"?'[=+\-@\t\r]HYPERLINK\(1\)"?,-4\.10\r\n$/);
    assert.match(toTabbedText([[textField(`${start}1+1`), numberField(-4.1, 2)]]), /^'[^\t]*1\+1\t-4\.10$/);
  }
  assert.equal(toCsv([[textField("a=1"), textField("")]]), "\ufeffa=1,\r\n");
});

test("a field with a comma, a quote or a line break is quoted", () => {
  assert.equal(toCsv([[textField('a,"b"'), textField("c\nd")]]), '\ufeff"a,""b""","c\nd"\r\n');
});

test("a copied field never begins another cell", () => {
  assert.equal(toTabbedText([[textField("a\tb\r\nc"), textField("d")], [textField("e")]]), "a b c\td\ne");
});

test("a number that rounds to zero has no sign, and an unknown one is empty", () => {
  assert.equal(numberField(-0.001, 2).text, "0.00");
  assert.equal(numberField(null, 2).text, "");
  assert.equal(numberField(-0.006, 2).text, "-0.01");
});

test("the name of the file has the time in India and only plain characters", () => {
  const at = Date.UTC(2026, 10, 29, 20, 5);

  assert.equal(fileNameOf({ ...chain, symbol: "M&M" }, at), "NSE-M_M-2026-12-01-20261130-0135.csv");
});
