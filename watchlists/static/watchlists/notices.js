// Sentences that the trader must have read: evictions, refusals, the end of the day. They stay until dismissed, newest
// at the bottom; only when there are more than fit does the oldest go. Paint only.

import { make } from "./dom.js";

const MAX_NOTICES = 5;

/** @typedef {{label: string, onClick: () => void}} Action  What one can do about it. */

/** @param {Date} at */
function timeOf(at) {
  return at.toLocaleTimeString("en-IN", { hour: "2-digit", minute: "2-digit", hour12: false });
}

export class Notices {
  #region;

  /** @param {HTMLElement} region  Live and polite. */
  constructor(region) {
    this.#region = region;
  }

  /**
   * The same sentence comes by the answer and by the socket, and to every tab: it is shown once.
   * @param {string} text
   * @param {Action | null} [action]
   */
  show(text, action = null) {
    for (const shown of this.#region.children) {
      if (shown.querySelector(".notice-text")?.textContent === text) {
        shown.remove();
      }
    }
    const close = make("button", { type: "button", class: "icon-button", "aria-label": `Dismiss: ${text}`, title: "Dismiss", text: "×" });
    const body = make("div", { class: "notice-body" }, [
      make("time", { class: "notice-time", text: timeOf(new Date()) }),
      make("span", { class: "notice-text", text }),
    ]);
    const notice = make("div", { class: "notice" }, [body, close]);
    close.addEventListener("click", () => notice.remove());
    if (action !== null) {
      const button = make("button", { type: "button", class: "button", text: action.label });
      button.addEventListener("click", () => {
        notice.remove();
        action.onClick();
      });
      body.append(button);
    }
    this.#region.append(notice);
    while (this.#region.children.length > MAX_NOTICES) {
      this.#region.firstElementChild?.remove();
    }
  }
}
