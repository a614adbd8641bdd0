// The commands of the terminal for the palette: what its buttons, links and lists offer at the moment. Paint only: a
// command presses what the trader could press.

import { formatExpiry } from "../marketdata/format.js";
import { byId, byIdAs } from "./dom.js";
import { THEMES, chooseTheme } from "./theme_button.js";

/** @typedef {import("./commands.js").Command} Command */
/** @typedef {import("./underlying.js").ChainRequest} ChainRequest */

/** Buttons of the open chain by id, with their keys. @type {[id: string, name: string, hint?: string][]} */
const CHAIN_BUTTONS = [
  ["chain-add", "Add the open chain to the watchlist", "a"],
  ["column-menu-summary", "Choose columns and save a layout"],
  ["own-tab", "Pop the chain out into a tab of its own"],
  ["export-csv", "Download the chain as CSV"],
  ["export-copy", "Copy the chain for a spreadsheet"],
];

/**
 * Return the commands that can be run now.
 * @param {object} page
 * @param {readonly ChainRequest[]} page.chains  Of the indices and of the list.
 * @param {(request: ChainRequest) => void} page.onOpen
 * @param {() => void} page.onSearch
 * @param {() => void} page.onReturn  To the strike at the money.
 * @param {() => void} page.onHelp
 * @returns {Command[]}
 */
export function listPageCommands({ chains, onOpen, onSearch, onReturn, onHelp }) {
  return [
    ...chains.map((request) => ({ name: nameOfChain(request), group: "Chain", run: () => onOpen(request) })),
    ...buttonsIn("#chain-expiries button").map((one) => toCommand(one, "Expiry", `Expiry ${one.firstChild?.textContent ?? ""}`)),
    ...buttonsIn("button[data-columns]").map((one) => toCommand(one, "Columns", `${one.textContent} columns`, "g")),
    ...CHAIN_BUTTONS.filter(([id]) => isOffered(byId(id))).map(([id, name, hint]) => toCommand(byId(id), "Chain", name, hint)),
    ...(isOffered(byId("recenter")) ? [{ name: "Go to the strike at the money and follow the spot", group: "Chain", hint: ".", run: onReturn }] : []),
    ...listStrikes(),
    ...Object.entries(THEMES).map(([theme, words]) => ({ name: `Theme ${words}`, group: "Theme", run: () => void chooseTheme(theme) })),
    { name: "Search for an instrument", group: "Go to", hint: "/", run: onSearch },
    ...linksOfPages().map((one) => toCommand(one, "Page", one.textContent?.trim() ?? "")),
    { name: "Keys", group: "Help", hint: "?", run: onHelp },
  ];
}

/** @param {ChainRequest} request */
function nameOfChain({ symbol, exchange, expiry }) {
  const prefix = exchange === undefined || exchange === "NSE" ? "" : `${exchange} `;
  return `${prefix}${symbol}${expiry === undefined ? "" : ` ${formatExpiry(expiry)}`}`;
}

/** @param {HTMLElement} element @param {string} group @param {string} name @param {string} [hint] @returns {Command} */
function toCommand(element, group, name, hint = "") {
  return { name, group, hint, run: () => element.click() };
}

/** @returns {Command[]} */
function listStrikes() {
  const select = byIdAs("strikes", "select");
  if (!isOffered(select)) {
    return [];
  }
  return [...select.options].map((option) => ({
    name: `Strikes ${option.text}`,
    group: "Strikes",
    run: () => chooseStrikes(option.index),
  }));
}

/** @param {number} index  Of the choice. */
function chooseStrikes(index) {
  const select = byIdAs("strikes", "select");
  select.selectedIndex = index;
  select.dispatchEvent(new Event("change"));
}

/**
 * Show the next higher or lower number of strikes that the choice has.
 * @param {-1 | 1} step
 * @param {number} shown  The strikes on the screen: the usual number is no number of the choice.
 */
export function stepStrikes(step, shown) {
  const select = byIdAs("strikes", "select");
  const numbered = [...select.options].filter((one) => Number(one.value) > 0);
  const next = step > 0 ? numbered.find((one) => Number(one.value) > shown) : numbered.findLast((one) => Number(one.value) < shown);
  if (isOffered(select) && shown > 0 && next !== undefined) {
    chooseStrikes(next.index);
  }
}

/**
 * Show at least this many strikes by the smallest choice that does, else as many as there are; return whether the choice
 * has more than are shown or asked for.
 * @param {number} count
 * @param {number} shown
 */
export function widenStrikes(count, shown) {
  const select = byIdAs("strikes", "select");
  const more = [...select.options].filter((one) => Number(one.value) > Math.max(shown, Number(select.value)));
  const next = more.find((one) => Number(one.value) >= count) ?? more.at(-1);
  if (next !== undefined) {
    chooseStrikes(next.index);
  }
  return next !== undefined;
}

/** @param {string} selector */
function buttonsIn(selector) {
  return elementsOf(selector).filter(isOffered);
}

/** The links to other pages. */
function linksOfPages() {
  return elementsOf(".user-menu a[href]");
}

/** @param {string} selector @returns {HTMLElement[]} */
function elementsOf(selector) {
  return [...document.querySelectorAll(selector)].flatMap((one) => (one instanceof HTMLElement ? [one] : []));
}

/** @param {string} id  Press a button, if the trader could. */
export function press(id) {
  const button = byId(id);
  if (isOffered(button)) {
    button.click();
  }
}

/** @param {HTMLElement} element  Whether the trader could use it: also in a closed menu. */
function isOffered(element) {
  const menu = element.closest("details");
  return !element.hidden && (menu ?? element).getClientRects().length > 0;
}
