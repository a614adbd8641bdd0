import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

const { canName, clearInstrument, instrumentOf, writeInstrument } = await import(
  "../../watchlists/static/watchlists/detail_address.js"
);

const PAGE = "http://terminal";
/** The history of one tab. @type {{entries: {url: URL, state: any}[], at: number}} */
let tab;

beforeEach(() => {
  tab = { entries: [{ url: new URL("/#NIFTY", PAGE), state: null }], at: 0 };
  const current = () => /** @type {{url: URL, state: any}} */ (tab.entries[tab.at]);
  const history = {
    get state() {
      return current().state;
    },
    pushState: (/** @type {any} */ state, /** @type {string} */ _, /** @type {string} */ address) => {
      tab.entries = [...tab.entries.slice(0, tab.at + 1), { url: new URL(address, current().url), state }];
      tab.at += 1;
    },
    replaceState: (/** @type {any} */ state, /** @type {string} */ _, /** @type {string} */ address) => {
      tab.entries[tab.at] = { url: new URL(address, current().url), state };
    },
    back: () => {
      tab.at -= 1;
    },
  };
  /** @type {any} */ (globalThis).window = {
    history,
    get location() {
      const { pathname, hash } = current().url;
      return { pathname, hash };
    },
  };
});

afterEach(() => {
  delete (/** @type {any} */ (globalThis).window);
});

function listAddresses() {
  return tab.entries.map(({ url }) => `${url.pathname}${url.hash}`);
}

test("the address names the instrument before the open chain", () => {
  writeInstrument(12);

  assert.deepEqual([listAddresses(), tab.at], [["/#NIFTY", "/instrument/12#NIFTY"], 1]);
});

test("another instrument replaces the first, and closing goes back to the entry before it", () => {
  writeInstrument(12);
  writeInstrument(34);
  writeInstrument(34);
  assert.deepEqual(listAddresses(), ["/#NIFTY", "/instrument/34#NIFTY"]);

  clearInstrument();

  assert.equal(tab.at, 0);
});

test("closing after another chain was opened replaces the address only", () => {
  writeInstrument(12);
  window.history.pushState(null, "", "#BANKNIFTY");

  clearInstrument();

  assert.deepEqual([listAddresses().at(-1), tab.at], ["/#BANKNIFTY", 2]);
  clearInstrument();
  assert.equal(tab.at, 2);
});

test("the page of one chain keeps its address", () => {
  tab.entries = [{ url: new URL("/chain/NIFTY/2026-12-01", PAGE), state: null }];

  writeInstrument(12);
  clearInstrument();

  assert.deepEqual(listAddresses(), ["/chain/NIFTY/2026-12-01"]);
  assert.equal(canName("/chain/NIFTY/2026-12-01"), false);
});

test("only the address of an instrument names one", () => {
  assert.equal(instrumentOf("/instrument/4442"), 4442);
  assert.equal(instrumentOf("/instrument/4442/x"), null);
  assert.equal(instrumentOf("/instrument/x"), null);
  assert.equal(instrumentOf("/"), null);
  assert.equal(canName("/"), true);
  assert.equal(canName("/instrument/4442"), true);
});
