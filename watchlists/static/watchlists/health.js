// One honest label for how live the prices are, from the socket, the server's label on the feed, and what was heard
// when. Pure; painted by chip.js.

import { formatAge, formatDay } from "../marketdata/format.js";

/** @typedef {import("./socket.js").SocketStatus} SocketStatus */
/** @typedef {import("../marketdata/quotes.js").Feed} Feed */

/**
 * @typedef {object} Health
 * @property {"live" | "warn" | "down" | "wait"} tone
 * @property {string} label    Short, for the chip.
 * @property {string} detail  Beside the label: an age, a count, a wait; may be empty.
 * @property {string} cause   A sentence for the tooltip and the status region.
 */

/**
 * @param {object} seen
 * @param {SocketStatus} seen.socket
 * @param {Feed | null} seen.feed
 * @param {boolean} seen.isReceiving          Something came from the server in the last two seconds.
 * @param {number | null} seen.ageMs      Age of the newest frame of the feed, now.
 * @param {number | null} [seen.closedSinceMs]  When the last session of what is shown ended; null while it trades.
 * @param {number} seen.now
 * @returns {Health}
 */
export function judgeHealth({ socket, feed, isReceiving, ageMs, now, closedSinceMs = null }) {
  if (socket.state !== "open") {
    return judgeSocket(socket, now);
  }
  if (feed === null) {
    return { tone: "wait", label: "Connecting", detail: "", cause: "Waiting for the first label on the feed." };
  }
  if (!isReceiving) {
    return { tone: "warn", label: "Stale", detail: age(ageMs), cause: "Nothing comes from the server just now." };
  }
  return closedSinceMs === null ? judgeFeed(feed, ageMs) : judgeClosed(feed, closedSinceMs);
}

/**
 * A closed market raises no alarm: what is wrong with the feed meanwhile is said in the sentence.
 * @param {Feed} feed
 * @param {number} closedSinceMs
 * @returns {Health}
 */
function judgeClosed(feed, closedSinceMs) {
  const session = formatDay(closedSinceMs);
  const feedCause = feed.state === "live" ? "" : ` ${judgeFeed(feed, null).cause}`;
  return {
    tone: "wait",
    label: "Market closed",
    detail: session,
    cause: `The market is closed; prices are of the last session, ${session}.${feedCause}`,
  };
}

/**
 * @param {SocketStatus} socket
 * @param {number} now
 * @returns {Health}
 */
function judgeSocket(socket, now) {
  if (socket.state === "ended") {
    const cause =
      socket.code === 4401 ? "You are not logged in any more." : "The server refused this page. Reload it to try again.";
    return { tone: "down", label: "Disconnected", detail: "", cause };
  }
  if (socket.attempt === 0) {
    return { tone: "wait", label: "Connecting", detail: "", cause: "Opening the connection to the server." };
  }
  const seconds = Math.max(0, Math.ceil((socket.retryAt - now) / 1_000));
  const detail = socket.state === "waiting" ? `(${socket.attempt}) in ${seconds} s` : `(${socket.attempt})`;
  return {
    tone: "down",
    label: "Reconnecting",
    detail,
    cause: "The connection to the server is lost. Prices on the screen are old.",
  };
}

/**
 * @param {Feed} feed
 * @param {number | null} ageMs
 * @returns {Health}
 */
function judgeFeed(feed, ageMs) {
  const count = `${feed.live}/${feed.total}`;
  switch (feed.state) {
    case "live":
      return { tone: "live", label: "Live", detail: age(ageMs), cause: `All ${feed.total} connections to the broker are live.` };
    case "partial":
      return {
        tone: "warn",
        label: "Live",
        detail: count,
        cause: `${feed.live} of ${feed.total} connections to the broker are live; prices of the others are old.${reasons(feed)}`,
      };
    case "reconnecting":
      return { tone: "warn", label: "Reconnecting", detail: count, cause: `Connecting to the broker again.${reasons(feed)}` };
    case "stale":
      return {
        tone: "warn",
        label: "Stale",
        detail: age(ageMs),
        cause: `The feed has gone quiet. Prices on the screen are old.${reasons(feed)}`,
      };
    case "no_owner":
      return {
        tone: "down",
        label: "Market data down",
        detail: "",
        cause: "No feed worker is running. Prices on the screen are old.",
      };
    default:
      return {
        tone: "down",
        label: "Market data down",
        detail: "",
        cause: "The server cannot hear the feed. Prices on the screen are old.",
      };
  }
}

/** @param {number | null} ageMs */
function age(ageMs) {
  return ageMs === null ? "" : formatAge(ageMs);
}

/** @param {Feed} feed */
function reasons(feed) {
  const errors = [...new Set(feed.connections.map((one) => one.error).filter(Boolean))];
  return errors.length ? ` The broker said: ${errors.join("; ")}.` : "";
}
