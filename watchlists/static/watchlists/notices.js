// Sentences that the trader must have read: evictions, refusals, the end of the day. They stay until dismissed, newest
// at the bottom; only when there are more than fit does the oldest go. Paint only.

import { make } from "./dom.js";

const AT_MOST = 5;

/** @typedef {{label: string, onClick: () => void}} Act  What one can do about it. */

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
   * @param {Act | null} [act]
   */
  show(text, act = null) {
    for (const shown of this.#region.children) {
      if (shown.querySelector(".notice-text")?.textContent === text) {
        shown.remove();
      }
    }
    const close = make("button", { type: "button", class: "icon-button", "aria-label": `Dismiss: ${text}`, title: "Dismiss", text: "×" });
    const said = make("div", { class: "notice-said" }, [
      make("time", { class: "notice-time", text: timeOf(new Date()) }),
      make("span", { class: "notice-text", text }),
    ]);
    const notice = make("div", { class: "notice" }, [said, close]);
    close.addEventListener("click", () => notice.remove());
    if (act !== null) {
      const button = make("button", { type: "button", class: "button", text: act.label });
      button.addEventListener("click", () => {
        notice.remove();
        act.onClick();
      });
      said.append(button);
    }
    this.#region.append(notice);
    while (this.#region.children.length > AT_MOST) {
      this.#region.firstElementChild?.remove();
    }
  }
}
