// The keys of a row of the watchlist: the arrow keys go to the row before and after, x removes. (Alt and an arrow key move
// the row itself: reorder.js.)

import { isShortcut } from "./keys.js";

/**
 * @param {HTMLElement} list  Its children have `data-entry`.
 * @param {(entryId: number) => void} onRemove
 */
export function bindRowKeys(list, onRemove) {
  list.addEventListener("keydown", (event) => {
    const focused = event.target;
    const row = focused instanceof HTMLElement ? focused.closest("[data-entry]") : null;
    if (!(row instanceof HTMLElement) || !(focused instanceof HTMLElement)) {
      return;
    }
    if (event.key === "x" && isShortcut(event)) {
      event.preventDefault();
      if (event.repeat) {
        return; // A key that is held must not empty the list.
      }
      onRemove(Number(row.dataset["entry"]));
    } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && !event.altKey) {
      event.preventDefault();
      focusSame(focused, row, event.key === "ArrowUp" ? row.previousElementSibling : row.nextElementSibling);
    }
  });
  // Only the buttons of the row with the focus are stops of the Tab key: a list of fifty would have two hundred.
  list.addEventListener("focusin", (event) => {
    const row = event.target instanceof Element ? event.target.closest("[data-entry]") : null;
    for (const button of list.querySelectorAll(".entry-actions button")) {
      button.setAttribute("tabindex", row?.contains(button) ? "0" : "-1");
    }
  });
}

/**
 * Focus the button of another row that is in the place of the focused one.
 * @param {HTMLElement} focused
 * @param {Element} row
 * @param {Element | null} other
 */
function focusSame(focused, row, other) {
  const at = [...row.querySelectorAll("button")].indexOf(/** @type {HTMLButtonElement} */ (focused));
  const buttons = other?.querySelectorAll("button") ?? [];
  (buttons[at] ?? buttons[0])?.focus();
}
