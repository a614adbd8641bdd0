// Whether the screen stands still (WCAG 2.2.2: text that changes by itself can be paused), and what says so: prices that
// stand still must not pass for live ones. Pure.

import { formatAge, formatTimeWithSeconds } from "../marketdata/format.js";

/** @typedef {import("./health.js").Health} Health */

export class Pause {
  /** By performance.now(); null while the screen is live. @type {number | null} */
  #since = null;

  get isOn() {
    return this.#since !== null;
  }

  /** @param {number} now */
  begin(now) {
    this.#since ??= now;
  }

  end() {
    this.#since = null;
  }

  /** How long the screen has been standing still, in ms; null while it is live. @param {number} now */
  ageMs(now) {
    return this.#since === null ? null : now - this.#since;
  }
}

/**
 * Return what the chip says of a screen that stands still. What is worse than that stays.
 * @param {Health} health
 * @param {number | null} ageMs   Of the pause; null while the screen is live.
 * @param {number} serverNowMs    Epoch in ms.
 * @returns {Health}
 */
export function withPause(health, ageMs, serverNowMs) {
  if (ageMs === null || health.tone === "down") {
    return health;
  }
  const cause = `You paused the screen at ${formatTimeWithSeconds(serverNowMs - ageMs)}. Prices are of then. Press Space to resume.`;
  return { tone: "warn", label: "Paused", detail: formatAge(ageMs), cause };
}

/** @param {number | null} ageMs  Of the pause; null while the screen is live. */
export function describePause(ageMs) {
  return ageMs === null
    ? { text: "Pause", title: "Stop the prices on the screen (Space)" }
    : { text: `Paused ${formatAge(ageMs)} · resume`, title: "Prices on the screen stand still. Press here or Space to resume" };
}
