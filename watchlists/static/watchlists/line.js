// The facts of the status line and the session word, as text: until when markets are open, how many instruments are
// live, how late trades arrive, and why prices last stood still. Pure; painted by status_line.js.

import {
  formatCountdown,
  formatTime,
  formatTimeWithSeconds,
  formatWeekdayTime,
  formatWhole,
  UNKNOWN,
} from "../marketdata/format.js";

/** @typedef {import("../marketdata/quotes.js").Feed} Feed */
/** @typedef {import("../marketdata/frames.js").Measurements} Measurements */
/** @typedef {{used: number | null, capacity: number | null}} Room  The server's `room` message. */
/** @typedef {{text: string, title: string}} Fact  What the line shows, and its tooltip. */

/** The segments that traders ask for, by their number at the broker (marketdata/domain/instruments.py). */
const MARKETS = [
  { segment: "2", short: "NSE", name: "NSE futures and options" },
  { segment: "1", short: "NSE", name: "NSE shares" },
  { segment: "8", short: "BSE", name: "BSE futures and options" },
  { segment: "4", short: "BSE", name: "BSE shares" },
  { segment: "5", short: "MCX", name: "MCX commodities" },
];
/** The two exchanges that the word names: BSE has the hours of NSE. Derivatives close last, so they stand for theirs. */
const NAMED = ["2", "5"];
/** From here on the trader must expect that a chain finds no room. Required: a meter turns amber at 90 %. */
const SCARCE = 0.9;

/** Words for the causes of marketdata/streaming/reconnects.py. @type {Record<string, string>} */
const CAUSES = {
  network: "the network to the broker failed",
  broker: "the broker closed it",
  mute: "no prices came",
  bad_data: "its data was damaged",
  quiet: "the broker demanded a pause",
  fenced: "it changed hands",
  held_slot: "the broker still counted the former one",
  new_owner: "its feed worker was replaced",
};

/**
 * Return whether markets are open and until when.
 * @param {Feed | null} feed
 * @param {number} nowMs  By the server's clock, epoch in ms.
 * @returns {Fact}
 */
export function describeSession(feed, nowMs) {
  if (feed?.changes_at === undefined) {
    return { text: "", title: "" };
  }
  const { closed = {}, changes_at: changesAt } = feed;
  const isOpen = (/** @type {string} */ segment) => closed[segment] === undefined;
  const title = MARKETS.map(({ segment, name }) => `${name}: ${describeMarket(isOpen(segment), changesAt[segment] ?? null, nowMs)}`);
  const segment = NAMED.find(isOpen);
  const { short = "" } = MARKETS.find((one) => one.segment === (segment ?? NAMED[0])) ?? {};
  // Trade in commodities goes on after that in shares: both are said.
  const prefix = segment === NAMED[1] ? "NSE closed · " : "";
  const text = `${prefix}${short} ${describeMarket(segment !== undefined, changesAt[segment ?? NAMED[0] ?? ""] ?? null, nowMs)}`;
  return { text, title: title.join("\n") };
}

/** @param {boolean} isOpen @param {number | null} changesAtMs @param {number} nowMs */
function describeMarket(isOpen, changesAtMs, nowMs) {
  if (changesAtMs === null) {
    return isOpen ? "open" : "closed";
  }
  const left = formatCountdown(changesAtMs - nowMs);
  return isOpen
    ? `open · closes ${formatTime(changesAtMs)} (${left})`
    : `closed · opens ${formatWeekdayTime(changesAtMs)} (${left})`;
}

/** @param {Feed | null} feed @returns {Fact} */
export function describeFeed(feed) {
  const text = feed === null ? `feed ${UNKNOWN}` : `feed ${feed.live}/${feed.total}`;
  const states = feed?.connections.map(({ number, state, error }) => `${number}: ${state}${error ? `, ${error}` : ""}`) ?? [];
  return { text, title: ["Live connections to the broker", ...states].join("\n") };
}

/** @param {Room | null} room @returns {Fact & {isScarce: boolean}} */
export function describeRoom(room) {
  const { used = null, capacity = null } = room ?? {};
  const title =
    used === null || capacity === null
      ? "How many instruments are live is not known at the moment"
      : `${formatWhole(used)} of ${formatWhole(capacity)} live instruments are in use; ${formatWhole(capacity - used)} are free`;
  const isScarce = used !== null && capacity !== null && used >= SCARCE * capacity;
  return { text: `${formatWhole(used)}/${formatWhole(capacity)}`, title, isScarce };
}

/** @param {Measurements[]} measurements @returns {Fact} */
export function describeLag(measurements) {
  const known = measurements.flatMap(({ tradeLagMs }, index) => (tradeLagMs === null ? [] : [{ tradeLagMs, index }]));
  const ordered = known.map((one) => one.tradeLagMs).sort((one, other) => one - other);
  // Each is the median of the liquid instruments of a connection; theirs is the middle one, the later of two.
  const middle = ordered[Math.floor(ordered.length / 2)];
  const lags = known.map((one) => `connection ${one.index + 1}: ${formatSeconds(one.tradeLagMs)}`);
  const title = ["From a trade at the exchange to its receipt here, the median of liquid instruments", ...lags];
  return { text: `trade lag p50 ${middle === undefined ? UNKNOWN : formatSeconds(middle)}`, title: title.join("\n") };
}

/** @param {number} ms */
function formatSeconds(ms) {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/**
 * Return when prices last began to move again, and why they had not.
 * @param {Feed | null} feed
 * @param {{atMs: number, cause: string} | null} own  The last reconnect of this page to the server.
 * @returns {Fact}
 */
export function describeReconnect(feed, own) {
  const broker = feed?.last_reconnect ?? null;
  const events = [
    broker && { atMs: broker.at_ms, what: `connection ${broker.connection}`, cause: CAUSES[broker.cause] ?? broker.cause },
    own && { atMs: own.atMs, what: "this page", cause: own.cause },
  ].filter((one) => one !== null);
  const last = events.sort((one, other) => other.atMs - one.atMs)[0];
  if (last === undefined) {
    return { text: "no reconnect", title: "No connection was lost since this page and its server started" };
  }
  const title = events.map(({ atMs, what, cause }) => `${formatTimeWithSeconds(atMs)} ${what}: ${cause}`);
  return { text: `last reconnect ${formatTime(last.atMs)} (${last.what}: ${last.cause})`, title: title.join("\n") };
}

/**
 * Return why the socket of this page was lost, for the trader.
 * @param {number} code  Of its close; table: marketdata/streaming/frames.py.
 * @param {boolean} isOnline  Whether the browser has a network.
 */
export function causeOfLoss(code, isOnline) {
  if (!isOnline) {
    return "this computer was offline";
  }
  switch (code) {
    case 1001:
    case 1012:
      return "the server restarted";
    case 4408:
      return "this browser read too slowly";
    default:
      return code === 1006 ? "the network to the server failed" : "the server closed it";
  }
}

/** Counts the frames of the last seconds. */
export class FrameRate {
  /** @type {number[]} */
  #times = [];

  /** @param {number} now  Milliseconds of performance.now(). */
  note(now) {
    this.#times.push(now);
  }

  /** Return the frames per second over the last RATE_OVER_MS, to one decimal below ten. @param {number} now */
  read(now) {
    this.#times = this.#times.filter((one) => now - one < RATE_OVER_MS);
    return Math.round((this.#times.length * 1_000) / RATE_OVER_MS);
  }
}

/** Chosen: short enough to follow a change, long enough that a steady rate reads as one number. */
const RATE_OVER_MS = 5_000;
