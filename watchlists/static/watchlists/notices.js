// Notices: evictions, rejected requests, the end of the day. The newest is shown for a moment in one line over the page,
// which moves nothing; all stay behind the bell until the trader dismisses them. Paint only.

import { formatTime } from "../marketdata/format.js";
import { byId, byIdAs, make, makeButton } from "./dom.js";
import { closeFromOutside } from "./menus.js";

/** Required: long enough for a line; what a trader misses is behind the bell. */
const TOAST_MS = 8_000;
/** Chosen: those of a busy day; beyond it the oldest goes. */
const MAX_NOTICES = 50;

/** @typedef {{label: string, onClick: () => void}} Action  A button in a notice. */

export class Notices {
  #toast = byId("toast");
  #bell = byIdAs("bell", "summary");
  #menu = /** @type {HTMLDetailsElement} */ (byId("notice-menu"));
  #list = byId("notices");
  #unread = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  constructor() {
    closeFromOutside(this.#menu, this.#bell);
    this.#menu.addEventListener("toggle", () => this.#menu.open && this.#markRead());
    byId("notices-dismiss").addEventListener("click", () => {
      this.#list.replaceChildren();
      this.#showCount();
      this.#menu.open = false;
      this.#bell.focus();
    });
    // A line that someone reads or is about to act on does not go.
    for (const kind of ["pointerenter", "focusin"]) {
      this.#toast.addEventListener(kind, () => clearTimeout(this.#timer));
    }
    for (const kind of ["pointerleave", "focusout"]) {
      this.#toast.addEventListener(kind, () => this.#hideLater());
    }
    this.#showCount();
  }

  /**
   * Show a notice and, where there is one, an action; the history has its time of day. Return a function that removes it.
   * @param {string} text
   * @param {Action | null} [action]
   * @returns {() => void}
   */
  show(text, action = null) {
    // The answer to an add and the server's notice carry the same text: the trader sees it once.
    for (const shown of this.#list.children) {
      if (shown.querySelector(".notice-text")?.textContent === text) {
        shown.remove();
      }
    }
    const notice = this.#build(text, action);
    this.#list.prepend(notice);
    while (this.#list.children.length > MAX_NOTICES) {
      this.#list.lastElementChild?.remove();
    }
    this.#unread = this.#menu.open ? 0 : Math.min(this.#unread + 1, this.#list.children.length);
    this.#showCount();
    const line = this.#showToast(text, action, notice);
    return () => {
      notice.remove();
      this.#showCount();
      if (line !== null && this.#toast.contains(line)) {
        this.#hide();
      }
    };
  }

  /**
   * Show the line of a notice and return it; null where the trader is at the line of another one, which stays.
   * @param {string} text
   * @param {Action | null} action
   * @param {HTMLElement} notice  The same one in the history.
   */
  #showToast(text, action, notice) {
    if (this.#toast.hasChildNodes() && this.#toast.matches(":hover, :focus-within")) {
      return null;
    }
    const line = make("div", { class: "toast" }, [make("span", { class: "toast-text", text, title: text })]);
    if (action !== null) {
      const act = () => {
        this.#hide();
        notice.remove();
        this.#showCount();
        action.onClick();
      };
      line.append(makeButton({ class: "button", text: action.label }, act));
    }
    const labels = { "aria-label": `Hide: ${text}`, title: "Hide; the bell keeps it", text: "×" };
    line.append(makeButton({ class: "icon-button", ...labels }, () => this.#hide()));
    this.#toast.replaceChildren(line);
    this.#hideLater();
    return line;
  }

  #hideLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#hide(), TOAST_MS);
  }

  #hide() {
    clearTimeout(this.#timer);
    this.#toast.replaceChildren();
  }

  /** @param {string} text @param {Action | null} action */
  #build(text, action) {
    const body = make("div", { class: "notice-body" }, [
      make("time", { class: "notice-time", text: formatTime(Date.now()) }),
      make("span", { class: "notice-text", text }),
    ]);
    const remove = () => {
      notice.remove();
      this.#showCount();
    };
    const labels = { "aria-label": `Dismiss: ${text}`, title: "Dismiss", text: "×" };
    const notice = make("li", { class: "notice" }, [body, makeButton({ class: "icon-button", ...labels }, remove)]);
    if (action !== null) {
      const act = () => {
        remove();
        action.onClick();
      };
      body.append(makeButton({ class: "button", text: action.label }, act));
    }
    return notice;
  }

  #markRead() {
    this.#unread = 0;
    this.#hide();
    this.#showCount();
  }

  #showCount() {
    const count = this.#list.children.length;
    this.#unread = Math.min(this.#unread, count);
    byId("notices-empty").hidden = count > 0;
    byId("notices-dismiss").hidden = count === 0;
    byId("bell-count").textContent = this.#unread > 0 ? String(this.#unread) : "";
    this.#bell.setAttribute("aria-label", this.#unread > 0 ? `Notices, ${this.#unread} new` : "Notices");
    this.#bell.title = this.#bell.getAttribute("aria-label") ?? "";
  }
}
