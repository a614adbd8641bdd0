// Decides the label of the connection chip: how live the prices are, from the status of the socket, the server's report
// of the feed, and the ages of the last frame and packet. The worst wins. Pure; painted by chip.js.

import { formatAge, formatDay, formatWhole } from "../marketdata/format.js";
import { RECEIVING_WITHIN_MS } from "../marketdata/quotes.js";

/** @typedef {import("./socket.js").SocketStatus} SocketStatus */
/** @typedef {import("../marketdata/quotes.js").Feed} Feed */
/** @typedef {import("../marketdata/frames.js").Measurements} Measurements */

/** Required: a price that is older on the screen is delayed; so is one whose trade is older (ux: two truths). */
const LIVE_WITHIN_MS = 2_000;

/**
 * @typedef {object} Health
 * @property {"live" | "warn" | "down" | "wait"} tone
 * @property {string} label    Short, for the chip.
 * @property {string} detail  Beside the label: an age, a count or a wait; may be empty.
 * @property {string} cause   A sentence for the tooltip and the status region.
 */

/**
 * Return the health to show. The socket comes first: without it, all other facts are outdated.
 * @param {object} seen
 * @param {SocketStatus} seen.socket
 * @param {Feed | null} seen.feed
 * @param {boolean} seen.isReceiving      Frames arrive from the server (RECEIVING_WITHIN_MS).
 * @param {number | null} seen.ageMs      Age of the newest frame of the feed, now.
 * @param {Measurements[]} [seen.measurements]      Of each connection, in the last frame from the server.
 * @param {number} [seen.sinceMs]         Time since that frame.
 * @param {number | null} [seen.closedSinceMs]  End of the last session of the displayed prices; null while they trade.
 * @param {number} seen.now
 * @returns {Health}
 */
export function judgeHealth({ socket, feed, isReceiving, ageMs, now, measurements = [], sinceMs = 0, closedSinceMs = null }) {
  if (socket.state !== "open") {
    return judgeSocket(socket, now);
  }
  if (feed === null) {
    return { tone: "wait", label: "Connecting", detail: "", cause: "Waiting for the status of the feed." };
  }
  if (!isReceiving && now - socket.openedAt < RECEIVING_WITHIN_MS) {
    return { tone: "wait", label: "Connecting", detail: "", cause: "Waiting for the first prices." };
  }
  if (!isReceiving) {
    return { tone: "warn", label: "Stale", detail: age(ageMs), cause: "No data from the server. Prices may be outdated." };
  }
  if (closedSinceMs !== null) {
    return judgeClosed(feed, closedSinceMs);
  }
  // A frame of our own proves no price: the age that is shown is that of the newest packet, where one is known.
  const ages = numbersIn(measurements.map((one) => one.packetAgeMs));
  const packetAgeMs = ages.length > 0 ? Math.min(...ages) + sinceMs : null;
  const health = judgeFeed(feed, packetAgeMs ?? ageMs);
  if (feed.state !== "live" && feed.state !== "carried") {
    return health;
  }
  const judged = withWorstAge(health, feed.state, measurements, packetAgeMs, sinceMs);
  return feed.state === "live" ? withMeasurements(judged, measurements, packetAgeMs) : judged;
}

/**
 * Return the health of a feed whose connections are live, by the older of two ages: how long ago data came, and how
 * late trades arrive.
 * @param {Health} health
 * @param {string} state
 * @param {Measurements[]} measurements
 * @param {number | null} packetAgeMs
 * @param {number} sinceMs
 * @returns {Health}
 */
function withWorstAge(health, state, measurements, packetAgeMs, sinceMs) {
  const lagMs = Math.max(0, ...numbersIn(measurements.map((one) => one.tradeLagMs)));
  // Where no packet is due, its age says nothing: prices do not move.
  const transportMs = measurements.some((one) => one.due > 0) ? (packetAgeMs ?? sinceMs) : sinceMs;
  const worstMs = Math.max(lagMs, transportMs);
  if (worstMs > LIVE_WITHIN_MS) {
    const why = lagMs >= transportMs ? "trades arrive late" : "no data has come for a moment";
    return { tone: "warn", label: "Delayed", detail: age(worstMs), cause: health.cause.replace(/\.$/, `, but ${why}.`) };
  }
  return state === "live" && measurements.some((one) => one.due > 0) ? { ...health, detail: age(worstMs) } : health;
}

/**
 * A closed market raises no alarm: prices do not move, so a fault of the feed is only mentioned in the tooltip.
 * @param {Feed} feed
 * @param {number} closedSinceMs
 * @returns {Health}
 */
function judgeClosed(feed, closedSinceMs) {
  const session = formatDay(closedSinceMs);
  const feedCause = feed.state === "live" ? "" : ` ${judgeFeed(feed, null).cause}`;
  const cause = `The market is closed. Prices are from the last session, ${session}.${feedCause}`;
  return { tone: "wait", label: "Market closed", detail: session, cause };
}

/** @param {SocketStatus} socket @param {number} now @returns {Health} */
function judgeSocket(socket, now) {
  if (socket.state === "ended") {
    const cause =
      socket.code === 4401 ? "You were logged out." : "The server refused this page. Reload it to try again.";
    return { tone: "down", label: "Disconnected", detail: "", cause };
  }
  if (socket.attempt === 0) {
    return { tone: "wait", label: "Connecting", detail: "", cause: "Connecting to the server." };
  }
  const seconds = Math.max(0, Math.ceil((socket.retryAt - now) / 1_000));
  const detail = socket.state === "waiting" ? `(${socket.attempt}) in ${seconds} s` : `(${socket.attempt})`;
  const cause = "The connection to the server is lost. Prices are outdated.";
  return { tone: "down", label: "Reconnecting", detail, cause };
}

/**
 * @param {Feed} feed
 * @param {number | null} ageMs  Age of the newest packet; of the newest frame where no packet is known.
 * @returns {Health}
 */
function judgeFeed(feed, ageMs) {
  const { live, total } = feed;
  const errors = [...new Set(feed.connections.map((one) => one.error).filter(Boolean))];
  const reasons = errors.length ? ` Reason: ${errors.join("; ")}.` : "";
  const detail = `${live}/${total}`;
  /** @type {Health} */
  const down = { tone: "down", label: "Market data down", detail: "", cause: "" };
  switch (feed.state) {
    case "live":
      return { tone: "live", label: "Live", detail: age(ageMs), cause: `All ${total} broker connections are live.` };
    case "delayed": {
      const seconds = Math.max(...feed.connections.map((one) => one.delay_seconds ?? 0));
      const cause = `Trades arrive ${seconds} s late. The broker is slow, or the clock of the server is wrong.`;
      return { tone: "warn", label: "Delayed", detail: `${seconds} s`, cause };
    }
    case "carried":
      return {
        tone: "live",
        label: "Live",
        detail,
        cause: `${live} of ${total} broker connections are live and carry all instruments.${reasons}`,
      };
    case "partial":
      return {
        tone: "warn",
        label: "Live",
        detail,
        cause: `${live} of ${total} broker connections are live. Other prices may be outdated.${reasons}`,
      };
    case "reconnecting":
      return { tone: "warn", label: "Reconnecting", detail, cause: `Reconnecting to the broker.${reasons}` };
    case "stale":
      return { tone: "warn", label: "Stale", detail: age(ageMs), cause: `No data from the broker. Prices are outdated.${reasons}` };
    case "token":
      return { tone: "down", label: "Token", detail: "", cause: `The broker needs another access token. Prices are outdated.${reasons}` };
    case "no_owner":
      return { ...down, cause: "No feed worker is running. Prices are outdated." };
    // bus_lost, and any state that a newer server may add: no state that this page does not know is live.
    default:
      return { ...down, cause: "The server does not receive the feed. Prices are outdated." };
  }
}

/**
 * Add what the feed worker measured on all connections to the tooltip.
 * @param {Health} health
 * @param {Measurements[]} measurements
 * @param {number | null} packetAgeMs
 * @returns {Health}
 */
function withMeasurements(health, measurements, packetAgeMs) {
  const sentences = [health.cause];
  if (packetAgeMs !== null) {
    sentences.push(`The last packet came ${formatAge(packetAgeMs)} ago.`);
  }
  const due = sum(measurements.map((one) => one.due));
  if (due > 0) {
    const received = sum(measurements.map((one) => one.received));
    sentences.push(`${formatWhole(received)} packets in 10 s, ${formatWhole(due)} due.`);
  }
  const lags = numbersIn(measurements.map((one) => one.tradeLagMs));
  if (lags.length > 0) {
    sentences.push(`Trades arrive after ${(Math.max(...lags) / 1_000).toFixed(1)} s.`);
  }
  return { ...health, cause: sentences.join(" ") };
}

/** @param {(number | null)[]} values */
function numbersIn(values) {
  return values.filter((one) => one !== null);
}

/** @param {number[]} values */
function sum(values) {
  return values.reduce((total, one) => total + one, 0);
}

/** @param {number | null} ageMs */
function age(ageMs) {
  return ageMs === null ? "" : formatAge(ageMs);
}
