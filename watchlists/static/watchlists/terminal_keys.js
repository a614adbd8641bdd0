// The keys, the list of commands and the shortcuts of the terminal: what each does with the parts of the page.

import { byId, makeButton } from "./dom.js";
import { offerHelp } from "./help.js";
import { bindKeys, LIST_KEYS } from "./keys.js";
import { listPageCommands, press, stepStrikes } from "./page_commands.js";
import { Palette } from "./palette.js";

/** @typedef {import("./opening.js").ChainOpening} ChainOpening */
/** @typedef {{symbol: string}} Index */

/**
 * The parts of the page that keys act on.
 * @typedef {object} Parts
 * @property {readonly Index[]} indices
 * @property {import("./charts.js").Charts} charts
 * @property {import("./column_choice.js").ColumnChoice} columns
 * @property {import("./entries.js").Entries} entries
 * @property {ChainOpening} opening
 * @property {import("./panel.js").ChainPanel} panel
 * @property {import("./screen_pause.js").ScreenPause} pause
 * @property {import("./search.js").SearchBox} search
 * @property {() => void} toggleDetail
 */

/** Chosen: they fit in one row of a phone. */
const SHORTCUTS = 3;

/** @param {Parts} parts */
export function offerKeys({ indices, charts, columns, entries, opening, panel, pause, search, toggleDetail }) {
  /** @type {import("./keys.js").KeyActions} */
  const actions = {
    "?": () => showHelp(),
    " ": () => pause.toggle(),
    c: () => charts.toggle(),
    d: toggleDetail,
    g: () => columns.next(),
    ".": () => panel.scrollToAtm(),
    "[": () => panel.stepExpiry(-1),
    "]": () => panel.stepExpiry(1),
    "+": () => stepStrikes(1, panel.chain?.strikes.length ?? 0),
    "-": () => stepStrikes(-1, panel.chain?.strikes.length ?? 0),
    a: () => press("chain-add"),
    ...Object.fromEntries(LIST_KEYS.map((key, index) => [key, () => entries.chooseList(index)])),
  };
  const showHelp = offerHelp(actions);
  bindKeys(actions);
  const palette = new Palette(() =>
    listPageCommands({
      chains: [...indices.map(({ symbol }) => ({ symbol })), ...listedChains(entries)],
      onOpen: (request) => opening.open(request),
      onSearch: () => search.reach(),
      onReturn: () => panel.scrollToAtm(),
      onHelp: showHelp,
    }),
  );
  byId("palette-open").addEventListener("click", () => palette.toggle());
}

/** @param {import("./entries.js").Entries} entries @returns {import("./underlying.js").ChainRequest[]} */
function listedChains({ chains }) {
  return chains.map(({ symbol, exchange, expiry }) => ({ symbol, exchange, ...(expiry !== null && { expiry }) }));
}

/**
 * Make a button for the chains of the first indices, which an empty terminal shows.
 * @param {readonly Index[]} indices
 * @param {ChainOpening} opening
 */
export function offerShortcuts(indices, opening) {
  for (const { symbol } of indices.slice(0, SHORTCUTS)) {
    byId("shortcuts").append(makeButton({ class: "chip", text: symbol }, () => opening.open({ symbol })));
  }
}
