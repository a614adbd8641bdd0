import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { changeOf, judgeQuote, priceOf, QuoteCache } from "../../marketdata/static/marketdata/quotes.js";

/** @typedef {import("../../marketdata/static/marketdata/frames.js").Quote} Quote */
/** @typedef {import("../../marketdata/static/marketdata/frames.js").Frame} Frame */

/** @param {number} instrumentId @param {Partial<Quote>} [fields] @returns {Quote} */
function makeQuote(instrumentId, fields = {}) {
  return {
    instrumentId,
    connection: 1,
    segment: 2,
    isSuspect: false,
    isSeeded: false,
    ltp: 100,
    previousClose: 90,
    bid: 99.5,
    ask: 100.5,
    bidQuantity: 75,
    askQuantity: 75,
    volume: 0,
    oi: 0,
    ltt: 1_795_000_000,
    receivedAtMs: 1_000,
    ...fields,
  };
}

/** @param {"snapshot" | "changes"} kind @param {number} sequence @param {Quote[]} quotes @returns {Frame} */
function makeFrame(kind, sequence, quotes, epoch = 7) {
  return { kind, sequence, epoch, serverTimeMs: 2_000, feedAgeMs: 50, measurements: [], quotes };
}

/** @param {string} [state] */
function makeFeed(state = "live") {
  const connections = [1, 2].map((number) => ({ number, state, error: "" }));
  return { state, live: state === "live" ? 2 : 0, total: 2, connections };
}

test("changes that follow are applied and marked", () => {
  const cache = new QuoteCache();
  cache.apply(makeFrame("snapshot", 1, [makeQuote(41), makeQuote(42)]));
  cache.takeChanged();

  assert.equal(cache.apply(makeFrame("changes", 2, [makeQuote(42, { ltp: 101 })])), true);
  assert.equal(cache.find(42)?.ltp, 101);
  assert.deepEqual([...cache.takeChanged()], [42]);
  assert.deepEqual([...cache.takeChanged()], []);
});

test("a frozen cache answers with the quotes of that moment, and with new instruments", () => {
  const cache = new QuoteCache();
  cache.apply(makeFrame("snapshot", 1, [makeQuote(41)]));
  cache.freeze();

  cache.apply(makeFrame("changes", 2, [makeQuote(41, { ltp: 101 }), makeQuote(42, { ltp: 7 })]));

  assert.equal(cache.find(41)?.ltp, 100);
  assert.equal(cache.find(42)?.ltp, 7);
  cache.takeChanged();
  cache.thaw();
  assert.equal(cache.find(41)?.ltp, 101);
  assert.deepEqual([...cache.takeChanged()].sort(), [41, 42]);
});

test("a gap, another epoch or changes before a snapshot are rejected", () => {
  const cache = new QuoteCache();
  assert.equal(cache.apply(makeFrame("changes", 1, [makeQuote(41)])), false);
  cache.apply(makeFrame("snapshot", 4, [makeQuote(41)]));

  assert.equal(cache.apply(makeFrame("changes", 6, [makeQuote(41, { ltp: 1 })])), false);
  assert.equal(cache.apply(makeFrame("changes", 5, [makeQuote(41, { ltp: 1 })], 8)), false);
  assert.equal(cache.find(41)?.ltp, 100);
  assert.equal(cache.apply(makeFrame("snapshot", 9, [makeQuote(41, { ltp: 2 })], 8)), true);
  assert.equal(cache.find(41)?.ltp, 2);
});

test("a snapshot replaces all quotes", () => {
  const cache = new QuoteCache();
  cache.apply(makeFrame("snapshot", 1, [makeQuote(41), makeQuote(42)]));
  cache.takeChanged();

  cache.apply(makeFrame("snapshot", 2, [makeQuote(42)]));

  assert.equal(cache.find(41), null);
  assert.deepEqual([...cache.takeChanged()].sort(), [41, 42]);
});

test("an old snapshot with all later frames equals a fresh snapshot", () => {
  let seed = 7;
  const random = (/** @type {number} */ below) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  for (let round = 0; round < 200; round += 1) {
    const server = new Map([1, 2, 3, 4, 5].map((id) => [id, makeQuote(id)]));
    const cache = new QuoteCache();
    cache.apply(makeFrame("snapshot", 1, [...server.values()]));
    for (let sequence = 2; sequence < 20; sequence += 1) {
      const changed = new Set(Array.from({ length: random(4) }, () => 1 + random(5)));
      for (const id of changed) {
        server.set(id, makeQuote(id, { ltp: random(1_000), bid: random(2) ? random(1_000) : null }));
      }
      const rows = [...changed].flatMap((id) => server.get(id) ?? []);
      assert.equal(cache.apply(makeFrame("changes", sequence, rows)), true);
    }
    const fresh = new QuoteCache();
    fresh.apply(makeFrame("snapshot", 1, [...server.values()]));
    for (const id of server.keys()) {
      assert.deepEqual(cache.find(id), fresh.find(id));
    }
  }
});

test("a quote is live only while its connection is live, frames arrive and the instrument streams", () => {
  const cache = new QuoteCache();
  const quote = makeQuote(41);
  cache.apply(makeFrame("snapshot", 1, [quote]));
  assert.equal(cache.stateOf(quote), "stale");

  cache.setReceiving(true);
  cache.setFeed(makeFeed());
  assert.equal(cache.stateOf(quote), "live");
  assert.equal(cache.stateOf(makeQuote(41, { connection: 0 })), "stale");

  cache.setFeed(makeFeed("silent"));
  assert.equal(cache.stateOf(quote), "stale");
  cache.setFeed({ ...makeFeed(), state: "bus_lost" });
  assert.equal(cache.stateOf(quote), "stale");

  cache.setFeed(makeFeed());
  cache.setNotStreaming([41], [41]);
  assert.equal(cache.stateOf(quote), "stale");
  cache.setNotStreaming([41], []);
  assert.equal(cache.stateOf(quote), "live");

  cache.setReceiving(false);
  assert.equal(cache.stateOf(quote), "stale");
});

test("a change of the feed or of the socket marks all instruments for painting", () => {
  const cache = new QuoteCache();
  cache.apply(makeFrame("snapshot", 1, [makeQuote(41), makeQuote(42)]));
  for (const change of [() => cache.setReceiving(true), () => cache.setFeed(makeFeed()), () => cache.setReceiving(false)]) {
    cache.takeChanged();
    change();
    assert.deepEqual([...cache.takeChanged()], [41, 42]);
  }
});

test("a new socket keeps the prices, as stale, until its snapshot arrives", () => {
  const cache = new QuoteCache();
  cache.apply(makeFrame("snapshot", 5, [makeQuote(41)]));
  cache.setReceiving(true);
  cache.setFeed(makeFeed());

  cache.restart();

  assert.equal(cache.find(41)?.ltp, 100);
  assert.equal(cache.stateOf(makeQuote(41)), "stale");
  assert.equal(cache.apply(makeFrame("changes", 6, [])), false);
  assert.equal(cache.apply(makeFrame("snapshot", 1, [makeQuote(41, { ltp: 3 })])), true);
});

test("the change agrees with the cases shared with the server", () => {
  const cases = JSON.parse(readFileSync(new URL("../data/price_changes.json", import.meta.url), "utf8"));
  const received = (/** @type {number | null} */ quoted) => (quoted === null ? null : Math.fround(quoted));

  for (const { name, ltp, previous_close: previousClose, tick_size: tickSize, change, percent } of cases) {
    const quote = { ltp: received(ltp), previousClose: received(previousClose) };
    assert.deepEqual(changeOf(quote, tickSize), { change, percent }, name);
  }
  assert.ok(cases.length > 20);
});

test("an instrument without a quote has no change", () => {
  assert.deepEqual(changeOf(null), { change: null, percent: null });
});

test("a price on a tick survives float32, and a price between ticks is rounded to paise", () => {
  for (const [quoted, tickSize] of [[248.3, 0.05], [85_000.51, 0.05], [24_562.37, 0.05], [150_000.15, 0.05], [83.1225, 0.0025]]) {
    assert.equal(priceOf(Math.fround(Number(quoted)), tickSize), quoted);
  }
  assert.deepEqual([null, 0, -1, NaN].map((price) => priceOf(price)), [null, null, null, null]);
});

test("states agree with the cases shared with the server", () => {
  const cases = JSON.parse(readFileSync(new URL("../data/quote_states.json", import.meta.url), "utf8"));

  for (const { name, quote, isConnectionLive, closedSinceMs, state } of cases) {
    assert.equal(judgeQuote(quote, isConnectionLive, closedSinceMs), state, name);
  }
  assert.ok(cases.length > 10);
});

test("prices of a closed segment are closed, and those of other segments are not", () => {
  const cache = new QuoteCache();
  cache.setReceiving(true);
  const [option, future] = [makeQuote(41), makeQuote(42, { segment: 5 })];
  cache.apply(makeFrame("snapshot", 1, [option, future]));
  cache.setFeed({ ...makeFeed(), closed: { 2: 500 } });

  assert.equal(cache.stateOf(option), "closed");
  assert.equal(cache.stateOf(future), "live");
  assert.equal(cache.closedSinceMs, null);
  cache.setFeed({ ...makeFeed(), closed: { 2: 500, 5: 900 } });
  assert.equal(cache.closedSinceMs, 900);
  cache.setReceiving(false);
  assert.equal(cache.stateOf(option), "stale");
});

test("after a rejected price the previous one is suspect, and an instrument without a price is waiting", () => {
  const cache = new QuoteCache();
  cache.setReceiving(true);
  cache.setFeed(makeFeed());

  assert.equal(cache.stateOf(makeQuote(41, { isSuspect: true })), "suspect");
  assert.equal(cache.stateOf(makeQuote(41, { ltp: null })), "waiting");
  assert.equal(cache.stateOf(null), "waiting");
});

test("a connection that delivers nothing is not live, of a starved one rows with a recent packet are", () => {
  const cache = new QuoteCache();
  cache.setReceiving(true);
  const rows = [makeQuote(41, { connection: 1, receivedAtMs: 1_000 }), makeQuote(42, { connection: 1, receivedAtMs: -9_000 })];
  cache.apply(makeFrame("snapshot", 1, rows));

  cache.setFeed(makeFeed("stale"));
  assert.deepEqual(rows.map((one) => cache.stateOf(one)), ["stale", "stale"]);
  cache.setFeed(makeFeed("starved"));
  assert.deepEqual(rows.map((one) => cache.stateOf(one)), ["live", "stale"]);
});

test("rows of a starved connection are painted with every frame, because they age", () => {
  const cache = new QuoteCache();
  cache.apply(makeFrame("snapshot", 1, [makeQuote(41)]));
  cache.setFeed(makeFeed("starved"));
  cache.takeChanged();

  cache.apply(makeFrame("changes", 2, []));

  assert.deepEqual([...cache.takeChanged()], [41]);
});

test("the broker's last prices stand in until the feed has one, and never read as live", () => {
  const cache = new QuoteCache();
  cache.setFeed(makeFeed());
  cache.setReceiving(true);
  cache.apply(makeFrame("snapshot", 1, [makeQuote(42, { ltp: null })]));
  cache.takeChanged();

  cache.setBrokerPrices({ at_ms: 1_500, segment: 2, quotes: [[41, 61.5, 60, 61.4, null, 650, 0], [42, 20.5, null, null, null, null, null]] });

  assert.deepEqual([...cache.takeChanged()], [41, 42]);
  const quote = cache.find(41);
  assert.deepEqual([quote?.ltp, quote?.previousClose, quote?.bid, quote?.ask, quote?.volume, quote?.oi], [61.5, 60, 61.4, null, 650, 0]);
  assert.equal(cache.stateOf(quote), "stale");
  assert.equal(cache.find(42)?.ltp, 20.5);

  cache.apply(makeFrame("changes", 2, [makeQuote(41, { ltp: 62 })]));
  assert.equal(cache.find(41)?.ltp, 62);
  assert.equal(cache.stateOf(cache.find(41)), "live");
});

test("the broker's prices of one chain go with it", () => {
  const cache = new QuoteCache();
  cache.setBrokerPrices({ at_ms: 1_500, segment: 2, quotes: [[41, 61.5, null, null, null, null, null]] });
  cache.takeChanged();

  cache.setBrokerPrices(null);

  assert.equal(cache.find(41), null);
  assert.deepEqual([...cache.takeChanged()], [41]);
});

test("after the close, a price that the broker gave then is the closing one", () => {
  const cache = new QuoteCache();
  cache.setFeed({ ...makeFeed(), closed: { 2: 1_400 } });
  cache.setReceiving(true);
  cache.setBrokerPrices({ at_ms: 1_500, segment: 2, quotes: [[41, 61.5, null, null, null, null, null]] });

  assert.equal(cache.stateOf(cache.find(41)), "closed");
});

test("after a reconnect prices stay, as stale, until the new socket has answered all watches", () => {
  const cache = new QuoteCache();
  cache.setFeed(makeFeed());
  cache.apply(makeFrame("snapshot", 1, [makeQuote(41), makeQuote(42)]));
  cache.restart();

  cache.apply(makeFrame("snapshot", 1, [makeQuote(41, { ltp: 101 })], 8));
  cache.setReceiving(true);

  assert.deepEqual([cache.find(41)?.ltp, cache.stateOf(cache.find(41))], [101, "live"]);
  assert.deepEqual([cache.find(42)?.ltp, cache.stateOf(cache.find(42))], [100, "stale"]);
  cache.apply({ ...makeFrame("snapshot", 2, [makeQuote(41)], 8), serverTimeMs: 5_001 });
  assert.equal(cache.find(42), null);
});
