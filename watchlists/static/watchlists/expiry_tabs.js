// The expiries of the open underlying: the nearest ones as tabs, the others in a menu behind them. Paint only.

import * as format from "../marketdata/format.js";
import { byId, byIdAs, make, makeButton } from "./dom.js";
import { closeFromOutside } from "./menus.js";

/** @typedef {import("./search.js").Expiry} Expiry */

/** Required: with marks and days left, they fit beside the name of the chain. */
const TABS = 6;
/** Letters for the kinds of marketdata/domain/expiries.py. @type {Record<string, string>} */
const MARKS = { weekly: "W", monthly: "M", quarterly: "Q" };

export class ExpiryTabs {
  #tabs = byId("expiry-tabs");
  #menu = byIdAs("expiry-more", "details");
  #summary = byId("expiry-more-summary");
  #others = byId("expiry-more-list");
  #onExpiry;

  /** @param {(expiry: string) => void} onExpiry  The trader opens an expiry. */
  constructor(onExpiry) {
    this.#onExpiry = onExpiry;
    closeFromOutside(this.#menu, this.#summary);
  }

  clear() {
    this.show([], null);
  }

  /** @param {readonly Expiry[]} expiries  The nearest first. @param {string | null} open */
  show(expiries, open) {
    const buttons = expiries.map((one) => this.#build(one));
    this.#tabs.replaceChildren(...buttons.slice(0, TABS));
    this.#others.replaceChildren(...buttons.slice(TABS));
    this.#menu.hidden = buttons.length <= TABS;
    this.#menu.open = false;
    this.mark(open);
  }

  /** @param {Expiry} expiry */
  #build({ expiry, days_left: daysLeft, kind, over }) {
    const attributes = { class: "chip", "data-expiry": expiry, title: `${expiry}, ${kind}${over ? ", over" : ""}` };
    const days = make("span", { class: "days", text: over ? "over" : format.formatDaysLeft(daysLeft) });
    const mark = make("span", { class: "kind", text: MARKS[kind] ?? "" });
    return makeButton(attributes, () => this.#choose(expiry), [format.formatExpiry(expiry), days, mark]);
  }

  /** @param {string} expiry */
  #choose(expiry) {
    if (this.#menu.open) {
      this.#menu.open = false;
      this.#summary.focus();
    }
    this.#onExpiry(expiry);
  }

  /** @param {string | null} open  The expiry of the open chain. */
  mark(open) {
    for (const button of this.#buttons()) {
      button.ariaPressed = String(button.dataset["expiry"] === open);
    }
    const tab = this.#tabs.querySelector("[aria-pressed=true]");
    // On a narrow screen they do not all fit; "nearest" does not move the page itself.
    tab?.scrollIntoView({ block: "nearest", inline: "nearest" });
    const other = this.#others.querySelector("[aria-pressed=true]");
    // One of the menu that is open stands on the button of the menu.
    this.#summary.replaceChildren(...(other === null ? ["more"] : [...other.childNodes].map((one) => one.cloneNode(true))));
    this.#summary.classList.toggle("current", other !== null);
  }

  /** @param {-1 | 1} step  Open the expiry beside the open one, also one of the menu. */
  step(step) {
    const buttons = this.#buttons();
    const at = buttons.findIndex((one) => one.ariaPressed === "true");
    const expiry = buttons[at + step]?.dataset["expiry"];
    if (at >= 0 && expiry !== undefined) {
      this.#onExpiry(expiry);
    }
  }

  #buttons() {
    return [...this.#tabs.querySelectorAll("button"), ...this.#others.querySelectorAll("button")];
  }
}
