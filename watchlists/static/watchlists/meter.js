// The meter at the foot of the watchlist: how many of the trader's instruments are in use. Opened, it lists what uses
// them. Paint, with its one request.

import * as format from "../marketdata/format.js";
import * as api from "./api.js";
import { byId, make } from "./dom.js";
import { messageOf } from "./offers.js";

/** Required: from this share of the quota on, the meter warns. */
const WARNS_FROM = 0.9;

/** @typedef {{quota: number, used: number, left: number}} QuotaUse  Of GET watchlist/me. */

/**
 * One line of GET subscriptions/quota.
 * @typedef {{kind: string, name: string, expiry: string | null, width: number | null, legs: number, counted: number}} QuotaClaim
 */

export class QuotaMeter {
  #details = /** @type {HTMLDetailsElement} */ (byId("meter"));
  #text = byId("meter-text");
  #bar = byId("meter-bar");
  #list = byId("meter-list");

  constructor() {
    this.#details.addEventListener("toggle", () => this.#details.open && void this.#load());
  }

  /** @param {QuotaUse} use */
  show({ quota, used, left }) {
    const share = quota > 0 ? Math.min(used / quota, 1) : 1;
    this.#text.textContent = `${format.formatWhole(used)} / ${format.formatWhole(quota)}`;
    this.#details.title = `${format.formatWhole(left)} more instruments may stream for you`;
    this.#details.dataset["tone"] = share >= WARNS_FROM ? "warn" : "ok";
    this.#bar.style.transform = `scaleX(${share})`;
    this.#details.hidden = false;
    if (this.#details.open) {
      void this.#load();
    }
  }

  /** Show what uses the quota: an addition was refused for it. */
  open() {
    this.#details.hidden = false;
    this.#details.open = true;
    this.#details.scrollIntoView({ block: "nearest" });
  }

  async #load() {
    try {
      const { claims } = await api.read("subscriptions/quota");
      this.#list.replaceChildren(...claims.map(buildLine));
      byId("meter-empty").hidden = claims.length > 0;
    } catch (error) {
      this.#list.replaceChildren(make("li", { class: "sentence error", text: messageOf(error) }));
    }
  }
}

/** @param {QuotaClaim} claim */
function buildLine({ kind, name, expiry, width, legs, counted }) {
  const what = expiry === null ? name : `${name} ${format.formatExpiry(expiry)}`;
  const origin = kind === "chain" ? " · added by the API" : "";
  const detail = width === null ? origin.slice(3) : `${width} strikes${origin}`;
  return make("li", { class: "meter-line", title: `${counted} of ${legs} instruments count: the others stream anyway` }, [
    make("span", { class: "meter-name" }, [what, make("span", { class: "meter-detail", text: detail })]),
    make("span", { class: "meter-count", text: format.formatWhole(counted) }),
  ]);
}
