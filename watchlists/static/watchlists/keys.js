// The keys of the page, in one table, from which the page binds them and the overlay of `?` lists them. Single letters
// are ignored while the trader types, and can be switched off (WCAG 2.1.4). Pure, except for bindKeys.

/**
 * One line of the table. A key with `elsewhere` is bound by the part of the page that has the focus; others need an
 * action of bindKeys, and are listed only where the page has one.
 * @typedef {object} Shortcut
 * @property {readonly string[]} keys    Values of KeyboardEvent.key.
 * @property {string} shown              As the overlay writes them.
 * @property {string} does
 * @property {"Anywhere" | "Chain" | "List" | "Grid"} group
 * @property {boolean} [elsewhere]
 */

/** One for each list that a trader can have. MAX_LISTS: watchlists/models.py. */
export const LIST_KEYS = /** @type {const} */ (["1", "2", "3", "4", "5", "6", "7", "8", "9"]);

/** A new key is one line here and one action of bindKeys. */
export const SHORTCUTS = /** @type {const} @satisfies {readonly Shortcut[]} */ ([
  { keys: ["/"], shown: "/", does: "Go to the search", group: "Anywhere", elsewhere: true },
  { keys: [], shown: "Ctrl K  ⌘ K", does: "Open the list of commands", group: "Anywhere", elsewhere: true },
  { keys: [" "], shown: "Space", does: "Pause or resume the prices on the screen", group: "Anywhere" },
  { keys: ["?"], shown: "?", does: "Show these keys", group: "Anywhere" },
  { keys: [], shown: "Esc", does: "Close a list, a menu or a window", group: "Anywhere", elsewhere: true },
  { keys: [], shown: "⇧ Enter", does: "Add the hit of the search to the list", group: "Anywhere", elsewhere: true },
  { keys: ["d"], shown: "d", does: "Show the depth of the option, the entry or the underlying, or close it", group: "Chain" },
  { keys: [], shown: "Enter", does: "Show the depth of the option", group: "Grid", elsewhere: true },
  { keys: ["g"], shown: "g", does: "Show the next columns", group: "Chain" },
  { keys: ["c"], shown: "c", does: "Show or hide the charts", group: "Chain" },
  { keys: ["."], shown: ".", does: "Return to the strike at the money and follow the spot", group: "Chain" },
  { keys: ["["], shown: "[", does: "Open the expiry before", group: "Chain" },
  { keys: ["]"], shown: "]", does: "Open the expiry after", group: "Chain" },
  { keys: ["+"], shown: "+", does: "Show more strikes", group: "Chain" },
  { keys: ["-"], shown: "-", does: "Show fewer strikes", group: "Chain" },
  { keys: ["a"], shown: "a", does: "Add the open chain to the list", group: "Chain" },
  { keys: LIST_KEYS, shown: "1 – 9", does: "Show the list of this number", group: "List" },
  { keys: [], shown: "↑  ↓", does: "Go to the row before or after", group: "List", elsewhere: true },
  { keys: ["x"], shown: "x", does: "Remove the entry", group: "List", elsewhere: true },
  { keys: [], shown: "Ctrl Z  ⌘ Z", does: "Undo the last removal, for five seconds", group: "List", elsewhere: true },
  { keys: [], shown: "Alt ↑  Alt ↓", does: "Move the entry up or down", group: "List", elsewhere: true },
  { keys: [], shown: "← → ↑ ↓", does: "Move by a cell", group: "Grid", elsewhere: true },
  { keys: [], shown: "Home  End", does: "Go to the first or last column", group: "Grid", elsewhere: true },
  { keys: [], shown: "Ctrl Home  Ctrl End", does: "Go to the lowest or highest strike", group: "Grid", elsewhere: true },
  { keys: [], shown: "Page Up  Page Down", does: "Move by ten strikes", group: "Grid", elsewhere: true },
]);

/** @typedef {Exclude<(typeof SHORTCUTS)[number], {elsewhere: true}>["keys"][number]} Key  Those that need an action. */
/** @typedef {Partial<Record<Key, () => void>>} KeyActions */

/**
 * Return the lines of the table that a page with these actions has.
 * @param {KeyActions} actions
 * @returns {Shortcut[]}
 */
export function listShortcuts(actions) {
  const all = /** @type {readonly Shortcut[]} */ (SHORTCUTS);
  return all.filter((one) => one.elsewhere || one.keys.some((key) => key in actions));
}

/** Keys that act again while they are held: they step through something. */
const REPEATED = new Set(["[", "]", "+", "-"]);

/**
 * Call the action of a key when it is pressed outside of an input.
 * @param {KeyActions} actions
 */
export function bindKeys(actions) {
  document.addEventListener("keydown", (event) => {
    const action = /** @type {Record<string, (() => void) | undefined>} */ (actions)[event.key];
    if (action === undefined || !isShortcut(event)) {
      return;
    }
    event.preventDefault();
    if (!event.repeat || REPEATED.has(event.key)) {
      action();
    }
  });
}

/** @param {KeyboardEvent} event */
export function isShortcut(event) {
  const isOff = document.documentElement.dataset["keys"] === "off";
  const isTyping = event.target instanceof HTMLElement && event.target.closest("input, textarea, select") !== null;
  // A window over the page has its own keys.
  const isCovered = document.querySelector("dialog[open]") !== null;
  return !isOff && !isTyping && !isCovered && !isPress(event) && !event.ctrlKey && !event.metaKey && !event.altKey;
}

/** @param {KeyboardEvent} event  Whether Space presses what has the focus, or is held. */
function isPress({ key, target, repeat }) {
  const isButton = target instanceof HTMLElement && target.closest("button, summary, a[href], [role=option]") !== null;
  return key === " " && (isButton || repeat);
}
