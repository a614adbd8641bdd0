// The watchlist: one row per entry with its live price. Paint only; entries come from GET watchlist/me.

import * as format from "../marketdata/format.js";
import { Cell, paintQuote, PriceCell, setAttribute } from "./cells.js";
import { make, makeButton } from "./dom.js";

/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */

/**
 * One entry of GET watchlist/me.
 * @typedef {object} Entry
 * @property {number} id
 * @property {string} list  The name of the list that it is on.
 * @property {string} symbol
 * @property {string} exchange
 * @property {string} instrument_type
 * @property {string | null} expiry
 * @property {boolean} over  Whether the last session of the expiry has ended.
 * @property {number | null} strike  Of a single option.
 * @property {string | null} option_type  Of a single option: CE or PE.
 * @property {number | null} instrument_id  Null for a chain.
 * @property {number | null} quoted_instrument_id  The instrument whose price the row shows; for a chain, its spot.
 * @property {number} legs
 * @property {boolean} keep  Whether it streams again in the morning after each end of day.
 * @property {string} state  live, waiting, stale, evicted or not_subscribed.
 */

/**
 * Handlers of the page for the buttons of a row.
 * @typedef {object} Actions
 * @property {(entry: Entry) => void} onOpen
 * @property {(entry: Entry) => void} onRemove
 * @property {(entry: Entry, button: HTMLElement) => void} onMenu  Open the menu of the entry beside the button.
 * @property {(entry: Entry) => Promise<void>} onKeep  Mark it *keep*, or take the mark away.
 * @property {(entry: Entry) => Promise<void>} onStreamAgain
 */

/** A word and a letter for each kind of entry; of a single option, by its type. @type {Record<string, [string, string]>} */
const KINDS = {
  EQUITY: ["Equity", "E"],
  FUTURE: ["Future", "F"],
  INDEX: ["Index", "I"],
  CE: ["Call", "C"],
  PE: ["Put", "P"],
  STOCK_OPTION: ["Options", "O"],
  INDEX_OPTION: ["Options", "O"],
  COMMODITY_OPTION: ["Options", "O"],
};

/** When kept entries stream again: the schedule "Bring back kept entries" (migration 0003 of watchlists). */
const MORNING = "08:45";

/** Text of the states in which an entry stays without a stream. @type {Record<string, string>} */
const NOT_STREAMING = {
  evicted: "Streaming stopped",
  not_subscribed: `Kept: streams again at ${MORNING}`,
};

/** @param {boolean} keep */
function titleOfKeep(keep) {
  return keep ? `Kept: streams again at ${MORNING}` : `Keep: stream it again at ${MORNING} of the next trading day`;
}

/** @param {Entry} entry */
export function isChain(entry) {
  // STOCK_OPTION, INDEX_OPTION and COMMODITY_OPTION entries are chains, never single options.
  return entry.instrument_type.endsWith("_OPTION");
}

/** @param {Entry} entry  RELIANCE, RELIANCE 29 Dec, NIFTY 1 Dec 26,000 CE. */
export function nameOf(entry) {
  const expiry = entry.expiry === null ? "" : format.formatExpiry(entry.expiry);
  return [entry.symbol, expiry, sideOf(entry)].filter(Boolean).join(" ");
}

/** Return the strike and the type of a single option, 26,000 CE; empty for others. @param {Entry} entry */
export function sideOf({ strike, option_type: type }) {
  return strike === null || type === null ? "" : `${format.formatStrike(strike)} ${type}`;
}

/**
 * Return the kind of an entry as a word and a letter: Call and C, Options and O.
 * @param {Entry} entry
 * @returns {[string, string]}
 */
export function kindOf({ instrument_type: type, option_type: optionType }) {
  return KINDS[optionType ?? type] ?? [type, type.slice(0, 1)];
}

class EntryRow {
  #price;
  #percent;

  /** @param {Entry} entry @param {Actions} actions */
  constructor(entry, actions) {
    this.entry = entry;
    const price = make("span", { class: "price" });
    const percent = make("span", { class: "percent" });
    const side = sideOf(entry);
    this.openButton = makeButton({ class: "entry-open" }, () => actions.onOpen(entry), [
      make("span", { class: "entry-name" }, [
        make("span", { class: "symbol", text: entry.symbol }),
        ...(side === "" ? [] : [make("span", { class: "entry-side", text: side })]),
        ...(entry.expiry === null ? [] : [make("span", { class: "expiry", text: format.formatExpiry(entry.expiry) })]),
        ...(entry.over ? [make("span", { class: "badge", text: "over" })] : []),
        ...(entry.keep ? [make("span", { class: "entry-kept", "aria-hidden": "true", text: "★" })] : []),
      ]),
      this.#buildKind(),
      price,
      percent,
    ]);
    const label = `Remove ${nameOf(entry)}`;
    this.removeButton = makeButton(
      { class: "icon-button entry-remove", "aria-label": label, title: label, text: "×" },
      () => actions.onRemove(entry),
    );
    this.keepButton = this.#buildKeep(actions);
    const menuLabel = `Move ${nameOf(entry)}`;
    this.menuButton = makeButton(
      { class: "icon-button", "aria-label": menuLabel, "aria-haspopup": "menu", title: menuLabel, text: "⋯" },
      () => actions.onMenu(entry, this.menuButton),
    );
    const buttons = make("div", { class: "entry-actions" }, [this.keepButton, this.menuButton, this.removeButton]);
    // A pointer needs the grip; the keyboard moves a row with Alt and an arrow key.
    const grip = make("span", { class: "entry-grip", draggable: "true", "aria-hidden": "true", text: "⠿" });
    const attributes = { class: "entry", "data-entry": String(entry.id), "data-state": entry.state };
    this.item = make("li", attributes, [grip, this.openButton, buttons]);
    const why = NOT_STREAMING[entry.state];
    if (why !== undefined) {
      this.item.append(this.#buildStreamAgain(why, actions));
    }
    this.#price = new PriceCell(price);
    this.#percent = new Cell(percent);
  }

  /** The kind as a letter; screen readers and tooltips have it in words. */
  #buildKind() {
    const { exchange, legs } = this.entry;
    const [word, letter] = kindOf(this.entry);
    const text = `${exchange} · ${isChain(this.entry) && legs > 0 ? `${legs} options` : word}`;
    return make("span", { class: "entry-kind", title: text }, [
      make("span", { "aria-hidden": "true", text: letter }),
      make("span", { class: "visually-hidden", text: ` ${text}` }),
    ]);
  }

  /** @param {Actions} actions */
  #buildKeep(actions) {
    const { keep } = this.entry;
    const attributes = {
      class: "icon-button entry-keep",
      "aria-pressed": String(keep),
      "aria-label": `Keep ${nameOf(this.entry)}`,
      title: titleOfKeep(keep),
      text: keep ? "★" : "☆",
    };
    return makeButton(attributes, () => void actions.onKeep(this.entry));
  }

  /**
   * Make the line that says why the entry does not stream, with a button to stream it again.
   * @param {string} why
   * @param {Actions} actions
   */
  #buildStreamAgain(why, actions) {
    const label = `Stream ${nameOf(this.entry)} again`;
    const again = makeButton({ class: "button", "aria-label": label, text: "Stream again" }, async () => {
      again.disabled = true;
      await actions.onStreamAgain(this.entry);
      again.disabled = false;
    });
    return make("div", { class: "entry-state" }, [make("span", { text: why }), again]);
  }

  get buttons() {
    return [this.openButton, this.keepButton, this.menuButton, this.removeButton];
  }

  /** @param {QuoteCache} quotes */
  paint(quotes) {
    const id = this.entry.quoted_instrument_id;
    const { percent, stateTitle } = paintQuote(quotes, id, this.#price, this.item);
    this.#percent.write(percent === null ? "" : format.formatPercent(percent));
    setAttribute(this.openButton, "title", `Open ${nameOf(this.entry)}${stateTitle}`);
  }
}

export class WatchlistPanel {
  #list;
  #empty;
  #quotes;
  #actions;
  /** @type {Entry[]} */
  #entries = [];
  /** @type {EntryRow[]} */
  #rows = [];

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} empty  Shown while the list is empty.
   * @param {QuoteCache} quotes
   * @param {Actions} actions
   */
  constructor(list, empty, quotes, actions) {
    this.#list = list;
    this.#empty = empty;
    this.#quotes = quotes;
    this.#actions = actions;
  }

  /**
   * Show some of the entries of all lists, in the order of the list.
   * @param {Entry[]} entries
   * @param {(entry: Entry) => boolean} isShown
   */
  show(entries, isShown) {
    const focus = this.#findFocus();
    this.#entries = entries;
    // All rows are rebuilt: entries change rarely, and only prices are painted often.
    this.#rows = entries.filter(isShown).map((entry) => new EntryRow(entry, this.#actions));
    this.#list.replaceChildren(...this.#rows.map((row) => row.item));
    this.#list.removeAttribute("aria-busy");
    this.#empty.hidden = this.#rows.length > 0;
    this.paint(null);
    if (focus !== null) {
      // The row that has the focus is gone: the one in its place takes it.
      const row = this.#rows.find((one) => one.entry.id === focus.id) ?? this.#rows[focus.index] ?? this.#rows.at(-1);
      (row?.buttons[focus.button] ?? this.#empty).focus({ preventScroll: true });
    }
  }

  /** Focus the row of an entry, where it is shown. @param {number} entryId */
  focus(entryId) {
    const row = this.#rows.find((one) => one.entry.id === entryId);
    row?.openButton.focus({ preventScroll: true });
    row?.item.scrollIntoView({ block: "nearest" });
  }

  /** Return which button of which row has the focus; null if none has. */
  #findFocus() {
    const index = this.#rows.findIndex((row) => row.item.contains(document.activeElement));
    const row = this.#rows[index];
    if (row === undefined) {
      return null;
    }
    const button = row.buttons.findIndex((one) => one === document.activeElement);
    return { id: row.entry.id, index, button: Math.max(button, 0) };
  }

  /** The entries of all lists, whether or not they have a row. */
  get entries() {
    return this.#entries;
  }

  /** The number of rows. */
  get length() {
    return this.#rows.length;
  }

  /**
   * Whether these are the instruments whose prices stand in the list.
   * @param {number[]} instrumentIds  Each once, in any order.
   */
  quotes(instrumentIds) {
    const quoted = new Set(this.entries.map((entry) => entry.quoted_instrument_id).filter((id) => id !== null));
    return quoted.size === instrumentIds.length && instrumentIds.every((id) => quoted.has(id));
  }

  /**
   * Mark the entry whose chain is open.
   * @param {(entry: Entry) => boolean} isOpen
   */
  markOpen(isOpen) {
    for (const row of this.#rows) {
      row.openButton.ariaCurrent = isOpen(row.entry) ? "true" : null;
    }
  }

  /** @param {Set<number> | null} changed */
  paint(changed) {
    for (const row of this.#rows) {
      const id = row.entry.quoted_instrument_id;
      if (changed === null || (id !== null && changed.has(id))) {
        row.paint(this.#quotes);
      }
    }
  }
}
