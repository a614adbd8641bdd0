// One honest word for how live the prices are, from the socket, the server's word on the feed, and what was heard
// when. Pure; painted by chip.js.

import { formatAge, formatDay } from "../marketdata/format.js";

/** @typedef {import("./connection.js").Link} Link */
/** @typedef {import("../marketdata/quotes.js").Feed} Feed */

/**
 * @typedef {object} Health
 * @property {"live" | "warn" | "down" | "wait"} tone
 * @property {string} word    Short, for the chip.
 * @property {string} detail  Beside the word: an age, a count, a wait; may be empty.
 * @property {string} cause   A sentence for the tooltip and the status region.
 */

/**
 * @param {object} seen
 * @param {Link} seen.link
 * @param {Feed | null} seen.feed
 * @param {boolean} seen.isHeard          Something came from the server in the last two seconds.
 * @param {number | null} seen.ageMs      Age of the newest frame of the feed, now.
 * @param {number | null} [seen.closedSinceMs]  When the last session of what is shown ended; null while it trades.
 * @param {number} seen.now
 * @returns {Health}
 */
export function judgeHealth({ link, feed, isHeard, ageMs, now, closedSinceMs = null }) {
  if (link.state !== "open") {
    return judgeLink(link, now);
  }
  if (feed === null) {
    return { tone: "wait", word: "Connecting", detail: "", cause: "Waiting for the first word on the feed." };
  }
  if (!isHeard) {
    return { tone: "warn", word: "Stale", detail: age(ageMs), cause: "Nothing comes from the server just now." };
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
    word: "Market closed",
    detail: session,
    cause: `The market is closed; prices are of the last session, ${session}.${feedCause}`,
  };
}

/**
 * @param {Link} link
 * @param {number} now
 * @returns {Health}
 */
function judgeLink(link, now) {
  if (link.state === "ended") {
    const cause =
      link.code === 4401 ? "You are not logged in any more." : "The server refused this page. Reload it to try again.";
    return { tone: "down", word: "Disconnected", detail: "", cause };
  }
  if (link.attempt === 0) {
    return { tone: "wait", word: "Connecting", detail: "", cause: "Opening the connection to the server." };
  }
  const seconds = Math.max(0, Math.ceil((link.retryAt - now) / 1_000));
  const detail = link.state === "waiting" ? `(${link.attempt}) in ${seconds} s` : `(${link.attempt})`;
  return {
    tone: "down",
    word: "Reconnecting",
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
      return { tone: "live", word: "Live", detail: age(ageMs), cause: `All ${feed.total} connections to the broker are live.` };
    case "partial":
      return {
        tone: "warn",
        word: "Live",
        detail: count,
        cause: `${feed.live} of ${feed.total} connections to the broker are live; prices of the others are old.${reasons(feed)}`,
      };
    case "reconnecting":
      return { tone: "warn", word: "Reconnecting", detail: count, cause: `Connecting to the broker again.${reasons(feed)}` };
    case "stale":
      return {
        tone: "warn",
        word: "Stale",
        detail: age(ageMs),
        cause: `The feed has gone quiet. Prices on the screen are old.${reasons(feed)}`,
      };
    case "no_owner":
      return {
        tone: "down",
        word: "Market data down",
        detail: "",
        cause: "No feed worker is running. Prices on the screen are old.",
      };
    default:
      return {
        tone: "down",
        word: "Market data down",
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
