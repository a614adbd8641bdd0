// The entries of the trader's watchlist: reads them, and adds, arranges, streams again and removes them by the API. The panel
// (watchlist.js) shows those of one list (lists.js); ReloadCoalescer decides when they are read.

import * as api from "./api.js";
import { announce } from "./chip.js";
import { byId, byIdAs } from "./dom.js";
import { openMenu } from "./entry_menu.js";
import { Lists } from "./lists.js";
import { QuotaMeter } from "./meter.js";
import { ReloadCoalescer } from "./reload.js";
import { makeReorderable } from "./reorder.js";
import { bindRowKeys } from "./row_keys.js";
import { messageOf, offerOf } from "./offers.js";
import { isSameChain } from "./underlying.js";
import { DelayedRemovals } from "./undo.js";
import { isChain, nameOf, WatchlistPanel } from "./watchlist.js";

/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./detail_facts.js").Instrument} Instrument */
/** @typedef {import("./notices.js").Notices} Notices */
/** @typedef {import("./watchlist.js").Entry} Entry */
/** @typedef {import("./hits.js").AddRequest} AddRequest */
/**
 * An entry that stopped streaming, as the server names it.
 * @typedef {{symbol: string, exchange: string, expiry: string | null, instrument_id: number | null}} Target
 */
/**
 * Body of POST watchlist/add for one instrument.
 * @typedef {{instrument_id: number, instrument_type: string, list?: string, keep?: boolean}} InstrumentRequest
 */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */

/** States of an entry without a stream, which the trader can start again. */
const STOPPED = new Set(["evicted", "not_subscribed"]);

export class Entries {
  #notices;
  #onOpen;
  #onRead;
  #panel;
  #lists;
  #meter = new QuotaMeter();
  #removals = new DelayedRemovals((entryId) => this.#sendRemoval(entryId));
  #order;
  /** Instruments of the list as the server sends their quotes; null before its first answer. @type {number[] | null} */
  #instruments = null;
  #reloads = new ReloadCoalescer(
    () => this.#load(),
    () => this.#instruments === null || this.#panel.quotes(this.#instruments),
  );

  /**
   * @param {QuoteCache} quotes
   * @param {Notices} notices
   * @param {{onOpen: (entry: Entry) => void, onRead: () => void}} actions  `onRead`: the list on the screen is new.
   */
  constructor(quotes, notices, { onOpen, onRead }) {
    this.#notices = notices;
    this.#onOpen = onOpen;
    this.#onRead = onRead;
    this.#panel = new WatchlistPanel(byId("entries"), byId("entries-empty"), quotes, {
      onOpen,
      onRemove: (entry) => this.#remove(entry),
      onMenu: (entry, button) => this.#openMenu(entry, button),
      onKeep: (entry) => this.#keep(entry),
      onStreamAgain: (entry) => this.#streamAgain(entry),
    });
    this.#lists = new Lists(this.#reloads, notices, {
      onChoose: () => this.#show(this.#panel.entries),
      onDrop: (entryId, name) => void this.#moveTo(entryId, name),
    });
    const list = byId("entries");
    this.#order = makeReorderable(list, (entryId, beforeId, place) => void this.#move(entryId, beforeId, place));
    bindRowKeys(list, (entryId) => {
      const entry = this.find(entryId);
      if (entry !== undefined) {
        this.#remove(entry);
      }
    });
    byId("entries-retry").addEventListener("click", () => this.request());
    document.addEventListener("keydown", (event) => this.#undoByKey(event));
    // The page is left: what was removed on it is removed.
    window.addEventListener("pagehide", () => void this.#removals.flush());
  }

  /** Read the list soon. */
  request() {
    this.#reloads.request();
  }

  /** Read the list soon: the server announced a change. */
  announce() {
    this.#reloads.announce();
  }

  /** The chains of the list. */
  get chains() {
    return this.#panel.entries.filter(isChain);
  }

  /** @param {number[]} instruments  Those whose quotes the server sends for the list. */
  noteWatched(instruments) {
    this.#instruments = instruments;
    this.#reloads.check();
  }

  /** Show one of the trader's lists. @param {number} index  From 0. */
  chooseList(index) {
    this.#lists.chooseAt(index);
  }

  /** @param {Set<number>} changed */
  paint(changed) {
    this.#panel.paint(changed);
  }

  /**
   * Mark the entry of the open chain; return the expiries of its underlying that are on a list, each with whether its
   * entry has stopped streaming.
   * @param {Chain | null} chain
   * @returns {ReadonlyMap<string, boolean>}
   */
  markOpen(chain) {
    this.#panel.markOpen((entry) => isChain(entry) && isSameChain(chain, entry));
    /** @type {Map<string, boolean>} */
    const listed = new Map();
    for (const entry of this.#listed) {
      const { symbol, exchange, expiry, state } = entry;
      if (isChain(entry) && expiry !== null && symbol === chain?.symbol && exchange === chain.exchange) {
        listed.set(expiry, STOPPED.has(state) && (listed.get(expiry) ?? true));
      }
    }
    return listed;
  }

  /** The entries of all lists but those that are being removed. */
  get #listed() {
    return this.#panel.entries.filter((entry) => !this.#removals.has(entry.id));
  }

  /** @param {number | null} entryId */
  find(entryId) {
    return this.#panel.entries.find((entry) => entry.id === entryId);
  }

  /** Return the entry of an instrument. @param {Instrument} instrument */
  findOf({ instrument_id: id }) {
    return this.#listed.find((entry) => entry.instrument_id === id) ?? null;
  }

  /** Add an instrument, or stream its entry again. @param {Instrument} instrument @param {boolean} [keep] */
  async addInstrument({ instrument_id: id, entry_type: kind }, keep = false) {
    if (kind !== null) {
      await this.#addOrExplain({ instrument_id: id, instrument_type: kind, ...(keep && { keep }) });
    }
  }

  /** Mark the entry of an instrument *keep*, or take the mark away; add it before. @param {Instrument} instrument */
  async keepInstrument(instrument) {
    const entry = this.findOf(instrument);
    await (entry === null ? this.addInstrument(instrument, true) : this.#keep(entry));
  }

  /**
   * Add an entry and return it.
   * @param {AddRequest | InstrumentRequest} request  To the shown list, unless it names one.
   * @param {{isOpening: boolean}} [how]  Whether an added chain is opened.
   */
  async add(request, { isOpening } = { isOpening: true }) {
    // What the trader has removed a moment ago makes room for this, and may be the same item.
    await this.#removals.flush();
    const list = this.#lists.current;
    const { entry, ...answer } = await this.#postAddition({ ...(list !== "" && { list }), ...request });
    if (entry.list === list) {
      this.#focusLater(entry.id);
    }
    announce(`Added ${nameOf(entry)}.`);
    // The trader reads what the add has evicted; without an eviction the new row says enough.
    if (answer.evicted.length > 0) {
      this.#notices.show(answer.message);
    }
    if (isChain(entry) && isOpening) {
      this.#onOpen(entry);
    }
    return entry;
  }

  /** @param {AddRequest | InstrumentRequest} request */
  async #postAddition(request) {
    try {
      return await this.#reloads.after(() => api.post("watchlist/add", request));
    } catch (error) {
      if (error instanceof api.ApiError && error.code === "quota") {
        this.#meter.open();
      }
      throw error;
    }
  }

  /**
   * Focus the row of a new entry where the focus was lost: the box that it was added in closes after this.
   * @param {number} entryId
   */
  #focusLater(entryId) {
    setTimeout(() => {
      if (document.activeElement === null || document.activeElement === document.body) {
        this.#panel.focus(entryId);
      }
    });
  }

  /** Add a chain, or stream its entry again. @param {Chain | null} chain */
  async addChain(chain) {
    if (chain === null) {
      return;
    }
    const button = byIdAs("chain-add", "button");
    const hadFocus = document.activeElement === button;
    button.disabled = true;
    const { symbol, exchange, expiry, instrument_type: kind } = chain;
    const stopped = this.#listed.find(
      (entry) => isChain(entry) && STOPPED.has(entry.state) && isSameChain(chain, entry),
    );
    const list = stopped && { list: stopped.list };
    await this.#addOrExplain({ symbol, exchange, expiry, instrument_type: kind, ...list });
    button.disabled = false;
    // The button of a chain that is listed is hidden: the focus would fall to the page.
    if (hadFocus && document.activeElement === document.body) {
      (button.hidden ? byId("chain") : button).focus();
    }
  }

  /**
   * Show a notice of the server, with a button for the entries that stopped streaming.
   * @param {{text: string, lost?: Target[]}} notice
   */
  showNotice({ text, lost = [] }) {
    const action = { label: "Stream again", onClick: () => this.#streamLost(lost) };
    this.#notices.show(text, lost.length > 0 ? action : null);
  }

  /** @param {Target[]} lost */
  async #streamLost(lost) {
    // The options of a series, and its chain, differ in the instrument only.
    const isLost = (/** @type {Entry} */ entry) =>
      entry.state === "evicted" &&
      lost.some((one) => isSameChain(one, entry) && one.instrument_id === entry.instrument_id);
    for (const entry of this.#panel.entries.filter(isLost)) {
      await this.#streamAgain(entry);
    }
  }

  async #load() {
    const errorRegion = byId("entries-error");
    try {
      const answer = await api.read("watchlist/me");
      errorRegion.hidden = true;
      this.#lists.show(answer.lists);
      this.#meter.show(answer.quota);
      this.#show(answer.entries);
    } catch (error) {
      byId("entries-error-text").textContent = messageOf(error);
      byId("entries").removeAttribute("aria-busy");
      errorRegion.hidden = false;
    }
  }

  /** @param {Entry[]} entries */
  #show(entries) {
    this.#panel.show(entries, (entry) => entry.list === this.#lists.current && !this.#removals.has(entry.id));
    this.#onRead();
  }

  /** @param {Entry} entry */
  #streamAgain({ symbol, exchange, expiry, instrument_type: kind, instrument_id: id, list }) {
    if (id !== null) {
      return this.#addOrExplain({ instrument_id: id, instrument_type: kind, list });
    }
    const request = { symbol, exchange, instrument_type: kind, list, ...(expiry !== null && { expiry }) };
    // The trader stays at the chain on the screen.
    return this.#addOrExplain(request, { isOpening: false });
  }

  /**
   * Add an entry, or show why not.
   * @param {AddRequest | InstrumentRequest} request
   * @param {{isOpening: boolean}} [how]  Whether an added chain is opened.
   */
  async #addOrExplain(request, how) {
    try {
      await this.add(request, how);
    } catch (error) {
      this.explain(error, request);
    }
  }

  /**
   * Show the error of a rejected addition in a notice, with the narrower chain that the server offers.
   * @param {unknown} error
   * @param {AddRequest | InstrumentRequest} request
   */
  explain(error, request) {
    const offer = "symbol" in request ? offerOf(error, request) : null;
    const action = offer && { label: offer.label, onClick: () => void this.#addOrExplain(offer.request) };
    this.#notices.show(messageOf(error), action);
  }

  /** @param {Entry} entry */
  async #keep(entry) {
    const keep = !entry.keep;
    try {
      await this.#reloads.after(() => api.post("watchlist/keep", { entry_id: entry.id, keep }));
      announce(keep ? `${nameOf(entry)} is kept: it streams again at 08:45.` : `${nameOf(entry)} ends with the day.`);
    } catch (error) {
      this.#notices.show(messageOf(error));
    }
  }

  /** @param {number} entryId @param {number | null} beforeId @param {number} place  From 1. */
  async #move(entryId, beforeId, place) {
    try {
      await this.#reloads.after(() => api.post("watchlist/move", { entry_id: entryId, before: beforeId }));
      announce(`Moved to place ${place} of ${this.#panel.length}.`);
    } catch (error) {
      this.#notices.show(messageOf(error));
      this.request(); // The rows stand in the new order, which was not stored.
    }
  }

  /** @param {number} entryId @param {string} name  Of another list; the entry becomes its last one. */
  async #moveTo(entryId, name) {
    const entry = this.find(entryId);
    try {
      await this.#reloads.after(() => api.post("watchlist/move", { entry_id: entryId, list: name, before: null }));
      announce(`Moved ${entry === undefined ? "the entry" : nameOf(entry)} to ${name}.`);
    } catch (error) {
      this.#notices.show(messageOf(error));
    }
  }

  /** @param {Entry} entry @param {HTMLElement} button */
  #openMenu(entry, button) {
    const others = this.#lists.names.filter((name) => name !== entry.list);
    openMenu(button, `Move ${nameOf(entry)}`, [
      { label: "Move up", onChoose: () => this.#order.moveBy(entry.id, -1) },
      { label: "Move down", onChoose: () => this.#order.moveBy(entry.id, 1) },
      ...others.map((name) => ({ label: `Move to ${name}`, onChoose: () => void this.#moveTo(entry.id, name) })),
    ]);
  }

  /** @param {Entry} entry */
  #remove(entry) {
    if (this.#removals.has(entry.id)) {
      return;
    }
    const action = { label: "Undo", onClick: () => this.#undo(entry.id) };
    const hide = this.#notices.show(`Removed ${nameOf(entry)}.`, action);
    this.#removals.begin(entry.id, hide);
    this.#show(this.#panel.entries);
  }

  /** @param {number} entryId */
  #undo(entryId) {
    const entry = this.find(entryId);
    if (this.#removals.undo(entryId) && entry !== undefined) {
      this.#show(this.#panel.entries);
      this.#panel.focus(entryId);
      announce(`${nameOf(entry)} is on the list again.`);
    }
  }

  /** Undo the last removal by Ctrl-Z or ⌘Z, outside of an input. @param {KeyboardEvent} event */
  #undoByKey(event) {
    const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select") !== null;
    const last = this.#removals.last;
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !isTyping && last !== null) {
      event.preventDefault();
      this.#undo(last);
    }
  }

  /** @param {number} entryId */
  async #sendRemoval(entryId) {
    try {
      // `keepalive`: the request outlives the page.
      await this.#reloads.after(() => api.post("watchlist/remove", { entry_id: entryId }, { keepalive: true }));
    } catch (error) {
      // Removed in another tab meanwhile: that is what the trader wanted.
      if (!(error instanceof api.ApiError && error.code === "unknown_entry")) {
        this.#notices.show(messageOf(error));
      }
      this.request();
    }
  }
}
