// Notices: evictions, rejected requests, the end of the day. Each stays until the trader dismisses it; the newest is at
// the bottom, and beyond MAX_NOTICES the oldest is removed. Paint only.

import { formatTime } from "../marketdata/format.js";
import { make, makeButton } from "./dom.js";

/** Chosen: more would cover the ladder. */
const MAX_NOTICES = 5;

/** @typedef {{label: string, onClick: () => void}} Action  A button in a notice. */

export class Notices {
  #region;

  /** @param {HTMLElement} region  Live and polite. */
  constructor(region) {
    this.#region = region;
  }

  /**
   * Show a notice with the time of day and, where there is one, an action.
   * @param {string} text
   * @param {Action | null} [action]
   */
  show(text, action = null) {
    // The answer to an add and the server's notice carry the same text: the trader sees it once.
    for (const shown of this.#region.children) {
      if (shown.querySelector(".notice-text")?.textContent === text) {
        shown.remove();
      }
    }
    const body = make("div", { class: "notice-body" }, [
      make("time", { class: "notice-time", text: formatTime(Date.now()) }),
      make("span", { class: "notice-text", text }),
    ]);
    const notice = make("div", { class: "notice" }, [body]);
    const labels = { "aria-label": `Dismiss: ${text}`, title: "Dismiss", text: "×" };
    notice.append(makeButton({ class: "icon-button", ...labels }, () => notice.remove()));
    if (action !== null) {
      const act = () => {
        notice.remove();
        action.onClick();
      };
      body.append(makeButton({ class: "button", text: action.label }, act));
    }
    this.#region.append(notice);
    while (this.#region.children.length > MAX_NOTICES) {
      this.#region.firstElementChild?.remove();
    }
  }
}
