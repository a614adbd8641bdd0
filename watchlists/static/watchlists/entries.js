// The entries of the trader's watchlist: reads them, and adds, arranges, streams again and removes them by the API. The panel
// (watchlist.js) shows them; ReloadCoalescer decides when they are read.

import * as api from "./api.js";
import { announce } from "./chip.js";
import { byId, byIdAs } from "./dom.js";
import { ReloadCoalescer } from "./reload.js";
import { makeReorderable } from "./reorder.js";
import { messageOf, offerOf } from "./search.js";
import { isSameChain } from "./underlying.js";
import { isChain, nameOf, WatchlistPanel } from "./watchlist.js";

/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./notices.js").Notices} Notices */
/** @typedef {import("./watchlist.js").Entry} Entry */
/** @typedef {import("./search.js").AddRequest} AddRequest */
/** @typedef {{symbol: string, exchange: string, expiry: string | null}} Target  An entry, as the server names it. */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */

export class Entries {
  #notices;
  #onOpen;
  #onRead;
  #panel;
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
      onKeep: (entry) => this.#keep(entry),
      onStreamAgain: (entry) => this.#streamAgain(entry),
    });
    makeReorderable(byId("entries"), (entryId, beforeId, place) => void this.#move(entryId, beforeId, place));
    byId("entries-retry").addEventListener("click", () => this.request());
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

  /** @param {Set<number>} changed */
  paint(changed) {
    this.#panel.paint(changed);
  }

  /**
   * Mark the entry of the open chain; return the expiries of its underlying that are on the list.
   * @param {Chain | null} chain
   * @returns {ReadonlySet<string>}
   */
  markOpen(chain) {
    this.#panel.markOpen((entry) => isChain(entry) && isSameChain(chain, entry));
    const listed = this.#panel.entries.filter(
      (entry) => isChain(entry) && entry.symbol === chain?.symbol && entry.exchange === chain.exchange,
    );
    return new Set(listed.flatMap((entry) => entry.expiry ?? []));
  }

  /** @param {AddRequest} request */
  async add(request) {
    const answer = await this.#reloads.after(() => api.post("watchlist/add", request));
    const { entry } = answer;
    announce(`Added ${nameOf(entry)}.`);
    // The trader reads what the add has evicted; without an eviction the new row says enough.
    if (answer.evicted.length > 0) {
      this.#notices.show(answer.message);
    }
    if (isChain(entry)) {
      this.#onOpen(entry);
    }
  }

  /** @param {Chain | null} chain */
  async addChain(chain) {
    if (chain === null) {
      return;
    }
    const button = byIdAs("chain-add", "button");
    const hadFocus = document.activeElement === button;
    button.disabled = true;
    const { symbol, exchange, expiry, instrument_type: kind } = chain;
    await this.#addOrExplain({ symbol, exchange, expiry, instrument_type: kind });
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
    const isLost = (/** @type {Entry} */ entry) =>
      entry.state === "evicted" && lost.some((one) => isSameChain(one, entry));
    for (const entry of this.#panel.entries.filter(isLost)) {
      await this.#streamAgain(entry);
    }
  }

  async #load() {
    const errorRegion = byId("entries-error");
    try {
      const answer = await api.read("watchlist/me");
      errorRegion.hidden = true;
      this.#panel.show(answer.entries);
      this.#onRead();
    } catch (error) {
      byId("entries-error-text").textContent = messageOf(error);
      byId("entries").removeAttribute("aria-busy");
      errorRegion.hidden = false;
    }
  }

  /** @param {Entry} entry */
  #streamAgain({ symbol, exchange, expiry, instrument_type: kind }) {
    return this.#addOrExplain({ symbol, exchange, instrument_type: kind, ...(expiry !== null && { expiry }) });
  }

  /**
   * Add an entry; show the error of a rejected request, with the narrower chain that the server offers.
   * @param {AddRequest} request
   */
  async #addOrExplain(request) {
    try {
      await this.add(request);
    } catch (error) {
      const offer = offerOf(error, request);
      const action = offer && { label: offer.label, onClick: () => void this.#addOrExplain(offer.request) };
      this.#notices.show(messageOf(error), action);
    }
  }

  /** @param {Entry} entry */
  async #keep(entry) {
    const keep = !entry.keep;
    try {
      await this.#reloads.after(() => api.post("watchlist/keep", { entry_id: entry.id, keep }));
      announce(keep ? `${nameOf(entry)} streams again in the morning.` : `${nameOf(entry)} ends with the day.`);
    } catch (error) {
      this.#notices.show(messageOf(error));
    }
  }

  /** @param {number} entryId @param {number | null} beforeId @param {number} place  From 1. */
  async #move(entryId, beforeId, place) {
    try {
      await this.#reloads.after(() => api.post("watchlist/move", { entry_id: entryId, before: beforeId }));
      announce(`Moved to place ${place} of ${this.#panel.entries.length}.`);
    } catch (error) {
      this.#notices.show(messageOf(error));
      this.request(); // The rows stand in the new order, which was not stored.
    }
  }

  /** @param {Entry} entry */
  async #remove(entry) {
    if (this.#panel.isRemoving(entry)) {
      return;
    }
    this.#panel.markRemoving(entry, true);
    try {
      await this.#reloads.after(() => api.post("watchlist/remove", { entry_id: entry.id }));
      announce(`Removed ${nameOf(entry)}.`);
    } catch (error) {
      this.#panel.markRemoving(entry, false);
      this.#notices.show(messageOf(error));
    }
  }
}
