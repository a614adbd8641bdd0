// The connection chip and the status region for screen readers. Paint only.

import { byId } from "./dom.js";

/** @typedef {import("./health.js").Health} Health */

export class ConnectionChip {
  #chip = byId("connection");
  #label = byId("connection-label");
  #detail = byId("connection-detail");
  #written = "";

  /** @param {Health} health */
  paint(health) {
    const text = `${health.tone}|${health.label}|${health.detail}|${health.cause}`;
    // Called four times a second; almost every call changes nothing.
    if (text === this.#written) {
      return;
    }
    const hasChanged = this.#chip.dataset["tone"] !== health.tone || this.#label.textContent !== health.label;
    this.#written = text;
    this.#chip.dataset["tone"] = health.tone;
    this.#chip.title = health.cause;
    this.#label.textContent = health.label;
    this.#detail.textContent = health.detail;
    // Ages and counts change all the time and are not announced; "wait" is the normal start of a page.
    if (hasChanged && health.tone !== "wait") {
      announce(`${health.label}. ${health.cause}`);
    }
  }
}

/**
 * Announce a message to screen readers, without an interruption (a polite live region).
 * @param {string} sentence
 */
export function announce(sentence) {
  byId("status").textContent = sentence;
}
