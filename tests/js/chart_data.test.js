// Rows of the charts of a chain, and their tables.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const data = await import("../../watchlists/static/watchlists/chart_data.js");

/** @typedef {import("../../watchlists/static/watchlists/chart_data.js").Leg} Leg */

const chain = {
  atm: "26050.0000",
  strikes: /** @type {[string, number | null, number | null][]} */ ([
    ["26000.0000", 1, 2],
    ["26050.0000", null, 3],
    ["26100.0000", 4, null],
  ]),
};

/** @param {number} oi @param {number | null} iv @param {number | null} oiChange @returns {Leg} */
function leg(oi, iv, oiChange) {
  return /** @type {any} */ ({ quote: { oi }, analytics: { iv, oiChange } });
}

/** @type {Record<number, Leg>} */
const legs = {
  1: leg(1_234_567, 12.34, 25_000),
  2: leg(65, 12.34, -130),
  3: leg(0, 11.9, 0),
  4: { quote: null, state: "waiting", analytics: null },
};
const rows = data.strikeRows(chain, (id) => /** @type {Leg} */ (legs[id]));

test("a strike has the open interest of both options and their one volatility", () => {
  assert.deepEqual(rows[0], {
    strike: 26_000,
    isAtm: false,
    iv: 12.34,
    callOi: 1_234_567,
    putOi: 65,
    callOiChange: 25_000,
    putOiChange: -130,
  });
});

test("an option that is not listed, and one without a quote, are unknown and not zero", () => {
  assert.deepEqual([rows[1]?.callOi, rows[1]?.putOi, rows[1]?.iv, rows[1]?.isAtm], [null, 0, 11.9, true]);
  assert.deepEqual([rows[2]?.callOi, rows[2]?.putOi, rows[2]?.iv], [null, null, null]);
});

test("the table has the texts of the chain", () => {
  assert.deepEqual(data.oiTable(rows).rows, [
    ["26,000", "12.3L", "+25,000", "65", "−130"],
    ["26,050", "–", "–", "0", "0"],
    ["26,100", "–", "–", "–", "–"],
  ]);
  assert.deepEqual(data.smileTable(rows).rows, [
    ["26,000", "12.3"],
    ["26,050", "11.9"],
    ["26,100", "–"],
  ]);
});

test("strikes have decimals only where one of them needs some", () => {
  assert.equal(data.strikeDecimals(rows), 0);
  const [first] = rows;
  assert.equal(data.strikeDecimals([...rows, { .../** @type {any} */ (first), strike: 97.5 }]), 2);
});
