// The menu of a row of the watchlist: its place and its list, for traders who do not drag. Paint only.

import { make, makeButton } from "./dom.js";

/** @typedef {{label: string, onChoose: () => void}} Choice */

/** Chosen: beside its button, and away from the edge of the window. */
const MARGIN_PX = 4;

/**
 * Open a menu below a button, or above it where there is no room. Esc and a click elsewhere close it, and the browser
 * gives the focus back.
 * @param {HTMLElement} button
 * @param {string} label
 * @param {Choice[]} choices
 */
export function openMenu(button, label, choices) {
  const items = choices.map((one) =>
    makeButton({ class: "menu-choice", role: "menuitem", text: one.label }, () => {
      menu.hidePopover();
      one.onChoose();
    }),
  );
  const menu = make("div", { class: "entry-menu", role: "menu", "aria-label": label, popover: "auto" }, items);
  menu.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "closed") {
      button.ariaExpanded = "false";
      menu.remove();
    }
  });
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const at = items.findIndex((one) => one === document.activeElement);
      items[(at + step + items.length) % items.length]?.focus();
    }
  });
  document.body.append(menu);
  menu.showPopover();
  button.ariaExpanded = "true";
  place(menu, button);
  items[0]?.focus();
}

/** @param {HTMLElement} menu @param {HTMLElement} button */
function place(menu, button) {
  const { top, bottom, right } = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const hasRoom = bottom + height + MARGIN_PX <= window.innerHeight;
  menu.style.top = `${Math.max(MARGIN_PX, hasRoom ? bottom : top - height)}px`;
  menu.style.left = `${Math.max(MARGIN_PX, right - width)}px`;
}
