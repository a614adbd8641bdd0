// Menus of the page, which are <details>: they close on Escape, and on a click or a focus elsewhere. Paint only.

/**
 * Close an open menu on Escape, which returns the focus to its button, and when something outside is used.
 * @param {HTMLDetailsElement} menu
 * @param {HTMLElement} button  The summary of the menu.
 */
export function closeFromOutside(menu, button) {
  // Both: a click may hit an element that takes no focus, and Tab moves the focus without a click.
  for (const kind of ["pointerdown", "focusin"]) {
    document.addEventListener(kind, (event) => {
      if (menu.open && event.target instanceof Node && !menu.contains(event.target)) {
        menu.open = false;
      }
    });
  }
  // Of the document: after a click on plain text in the menu, the focus is on the page.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      button.focus();
    }
  });
}
