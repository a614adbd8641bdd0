// The connection chip, and the page's one status region. Paint only.

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
    if (text === this.#written) {
      return;
    }
    const hasChanged = this.#chip.dataset["tone"] !== health.tone || this.#label.textContent !== health.label;
    this.#written = text;
    this.#chip.dataset["tone"] = health.tone;
    this.#chip.title = health.cause;
    this.#label.textContent = health.label;
    this.#detail.textContent = health.detail;
    if (hasChanged && health.tone !== "wait") {
      announce(`${health.label}. ${health.cause}`);
    }
  }
}

/**
 * Tell screen readers, politely.
 * @param {string} sentence
 */
export function announce(sentence) {
  byId("status").textContent = sentence;
}
