import assert from "node:assert/strict";
import { test } from "node:test";

import "./modules.js";

const { causeOfLoss, describeFeed, describeLag, describeReconnect, describeRoom, describeSession, FrameRate } = await import(
  "../../watchlists/static/watchlists/line.js"
);

const at = (/** @type {string} */ time) => Date.parse(`2026-11-${time}+05:30`);
/** @param {Record<string, number>} closed @param {Record<string, number | null>} changesAt */
function makeFeed(closed, changesAt) {
  return { state: "live", live: 5, total: 5, connections: [], closed, changes_at: changesAt };
}

test("the session word counts down to the close of derivatives", () => {
  const feed = makeFeed({}, { 1: at("27T15:30"), 2: at("27T15:40"), 5: at("27T23:55") });

  const { text, title } = describeSession(feed, at("27T12:28"));

  assert.equal(text, "NSE open · closes 15:40 (3 h 12)");
  assert.match(title, /NSE shares: open · closes 15:30 \(3 h 02\)/);
  assert.match(title, /MCX commodities: open · closes 23:55 \(11 h 27\)/);
});

test("in the evening the word is of the exchange that still trades", () => {
  const feed = makeFeed({ 1: 1, 2: 1 }, { 2: at("30T09:15"), 5: at("27T23:55") });

  assert.equal(describeSession(feed, at("27T23:40")).text, "NSE closed · MCX open · closes 23:55 (15 min)");
});

test("while all are closed the word says when NSE opens", () => {
  const feed = makeFeed({ 1: 1, 2: 1, 4: 1, 5: 1, 8: 1 }, { 2: at("30T09:15"), 5: at("30T09:00") });

  assert.equal(describeSession(feed, at("28T13:00")).text, "NSE closed · opens Mon 09:15 (1 d 20 h)");
});

test("a market that trades outside of the calendar is open without an end, and an unknown one has no word", () => {
  assert.equal(describeSession(makeFeed({}, { 2: null }), at("28T13:00")).text, "NSE open");
  assert.equal(describeSession(null, 0).text, "");
});

test("room is amber from nine tenths on, and a dash while it is unknown", () => {
  assert.deepEqual([describeRoom({ used: 2_436, capacity: 25_000 }).text, describeRoom({ used: 2_436, capacity: 25_000 }).isScarce], ["2,436/25,000", false]);
  assert.equal(describeRoom({ used: 22_500, capacity: 25_000 }).isScarce, true);
  assert.equal(describeRoom(null).text, "–/–");
});

test("the trade lag is that of the middle connection; the tooltip has all", () => {
  const lags = [400, null, 900, 500, 300].map((tradeLagMs) => ({ packetAgeMs: 0, received: 1, due: 1, tradeLagMs }));

  const { text, title } = describeLag(lags);

  assert.equal(text, "trade lag p50 0.5 s");
  assert.match(title, /connection 3: 0\.9 s/);
  assert.equal(describeLag([]).text, "trade lag p50 –");
});

test("the last reconnect has its time and its cause in words", () => {
  const feed = { ...makeFeed({}, {}), last_reconnect: { at_ms: at("27T09:41"), connection: 3, cause: "mute" } };

  assert.equal(describeReconnect(feed, null).text, "last reconnect 09:41 (connection 3: no prices came)");
  const own = { atMs: at("27T10:02"), cause: causeOfLoss(1012, true) };
  assert.equal(describeReconnect(feed, own).text, "last reconnect 10:02 (this page: the server restarted)");
  assert.match(describeReconnect(feed, own).title, /09:41:00 connection 3: no prices came/);
  assert.equal(describeReconnect(null, null).text, "no reconnect");
});

test("a socket that is lost without a network is the computer's fault", () => {
  assert.equal(causeOfLoss(1006, false), "this computer was offline");
  assert.equal(causeOfLoss(1006, true), "the network to the server failed");
});

test("the feed shows its live connections", () => {
  assert.equal(describeFeed({ ...makeFeed({}, {}), live: 4 }).text, "feed 4/5");
  assert.equal(describeFeed(null).text, "feed –");
});

test("the frame rate is that of the last seconds", () => {
  const rate = new FrameRate();
  for (let ms = 0; ms < 10_000; ms += 250) {
    rate.note(ms);
  }

  assert.equal(rate.read(9_999), 4);
  assert.equal(rate.read(20_000), 0);
});
