// Single-letter shortcuts of the page. They are ignored while the trader types, and can be switched off (WCAG 2.1.4).

/**
 * Call the action of a key when it is pressed outside of an input.
 * @param {Record<string, () => void>} actions  By the key's value.
 */
export function bindKeys(actions) {
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (action === undefined || !isShortcut(event)) {
      return;
    }
    event.preventDefault();
    action();
  });
}

/** @param {KeyboardEvent} event */
export function isShortcut(event) {
  const isOff = document.documentElement.dataset["keys"] === "off";
  const isTyping = event.target instanceof HTMLElement && event.target.closest("input, textarea, select") !== null;
  return !isOff && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey;
}
