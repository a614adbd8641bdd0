// The straddle at the money over the present day: one point a minute of the server, continued with the analytics of the
// page. Pure.

import { formatFixed, formatStrike, formatTime } from "../marketdata/format.js";
import { MINUTE_SECONDS } from "./day_points.js";

/** @typedef {import("../marketdata/analytics.js").SeriesAnalytics} SeriesAnalytics */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** @typedef {import("./chart_data.js").Table} Table */

/**
 * One minute; `at` is the true UTC epoch of its begin, in seconds. Null means unknown.
 * @typedef {{at: number, straddle: number, strike: number, atmIv: number | null, forward: number | null}} StraddlePoint
 */

/**
 * Return the points of an answer of the API, the earliest first.
 * @param {{points: [number, number, number, number | null, number | null][]}} answer
 * @returns {StraddlePoint[]}
 */
export function pointsOf(answer) {
  return answer.points.map(([at, straddle, strike, atmIv, forward]) => ({ at, straddle, strike, atmIv, forward }));
}

/**
 * Return the point of now; null unless both options at the money are live: an old price belongs to no point of now.
 * @param {{strikes: [string, number | null, number | null][]}} chain
 * @param {SeriesAnalytics | null} series
 * @param {(instrumentId: number) => {state: State}} readLeg
 * @param {number} nowMs  By the server's clock, epoch in ms.
 * @returns {StraddlePoint | null}
 */
export function pointOfNow(chain, series, readLeg, nowMs) {
  if (series === null || series.straddle === null || series.atmStrike === null) {
    return null;
  }
  const { straddle, atmStrike: strike, atmIv, forward } = series;
  const [, call = null, put = null] = chain.strikes.find((one) => Number(one[0]) === strike) ?? [];
  const isLive = [call, put].every((id) => id !== null && readLeg(id).state === "live");
  const second = Math.floor(nowMs / 1_000);
  return isLive ? { at: second - (second % MINUTE_SECONDS), straddle, strike, atmIv, forward } : null;
}

/**
 * Return points with the one of now: in place of the last, or after it. One that is older than the last changes nothing.
 * @param {readonly StraddlePoint[]} points
 * @param {StraddlePoint | null} point
 * @returns {readonly StraddlePoint[]}
 */
export function continuePoints(points, point) {
  const last = points.at(-1);
  if (point === null || (last !== undefined && point.at < last.at)) {
    return points;
  }
  return [...(last?.at === point.at ? points.slice(0, -1) : points), point];
}

/**
 * Return the points with a place for each minute between them: null where no point was taken.
 * @param {readonly StraddlePoint[]} points
 * @returns {{at: number, straddle: number | null}[]}
 */
export function everyMinute(points) {
  /** @type {{at: number, straddle: number | null}[]} */
  const minutes = [];
  for (const { at, straddle } of points) {
    let next = (minutes.at(-1)?.at ?? at) + MINUTE_SECONDS;
    for (; next < at; next += MINUTE_SECONDS) {
      minutes.push({ at: next, straddle: null });
    }
    minutes.push({ at, straddle });
  }
  return minutes;
}

/**
 * Return points as a table, the newest first: that is the one a trader looks for.
 * @param {readonly StraddlePoint[]} points
 * @returns {Table}
 */
export function straddleTable(points) {
  return {
    head: ["Time", "Straddle", "Strike", "ATM IV %", "Forward"],
    rows: points
      .map(({ at, straddle, strike, atmIv, forward }) => [
        formatTime(at * 1_000),
        formatFixed(straddle, 2),
        formatStrike(strike),
        formatFixed(atmIv, 1),
        formatFixed(forward, 2),
      ])
      .reverse(),
  };
}
