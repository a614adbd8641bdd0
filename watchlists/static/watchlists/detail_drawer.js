// The drawer of one instrument: opens it for a cell of the chain, a row of the list or an address, watches it, and closes
// it with d or Escape. The focus stays where it was; only from inside of the drawer it returns there.

import { announce } from "./chip.js";
import { DetailsCache } from "../marketdata/details.js";
import { canName, clearInstrument, instrumentOf, writeInstrument } from "./detail_address.js";
import { DetailPanel } from "./detail_panel.js";
import { byId } from "./dom.js";

/** @typedef {import("../marketdata/analytics.js").AnalyticsCache} AnalyticsCache */
/** @typedef {import("../marketdata/details.js").Details} Details */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {import("./detail_facts.js").Instrument} Instrument */
/** @typedef {import("./detail_panel.js").Listed} Listed */
/** @typedef {import("./socket.js").MarketSocket} MarketSocket */

const WATCH = "detail";
/** What has Escape for itself while it is open. */
const OPEN_MENUS = "dialog[open], :is(.user, .notice-menu, .export)[open], [role=menu]:not([hidden]), .search-panel:not([hidden])";

/**
 * @typedef {object} DrawerActions
 * @property {(instrument: Instrument) => Listed} findListed  Of the trader's lists.
 * @property {(instrument: Instrument) => Promise<void>} onAdd
 * @property {(instrument: Instrument) => Promise<void>} onKeep  Keep it, or take the mark away; adds it before.
 * @property {(instrument: Instrument) => void} onChain
 * @property {(isShown: boolean) => void} onShown  The drawer was opened or closed.
 * @property {() => void} onChange  Another instrument is shown, or none: the page paints.
 */

export class DetailDrawer {
  #socket;
  #quotes;
  #analytics;
  #actions;
  #section = byId("detail");
  #panel = new DetailPanel();
  #details = new DetailsCache();
  /** The requested one; null while the drawer is closed. @type {number | null} */
  #instrumentId = null;
  /** The server's answer. @type {Instrument | null} */
  #instrument = null;
  /** Where the focus was when the drawer opened. @type {Element | null} */
  #opener = null;

  /** @param {MarketSocket} socket @param {QuoteCache} quotes @param {AnalyticsCache} analytics @param {DrawerActions} actions */
  constructor(socket, quotes, analytics, actions) {
    this.#socket = socket;
    this.#quotes = quotes;
    this.#analytics = analytics;
    this.#actions = actions;
    byId("detail-close").addEventListener("click", () => this.close());
    byId("detail-retry").addEventListener("click", () => this.#watch());
    byId("detail-add").addEventListener("click", () => void this.#act(actions.onAdd));
    byId("detail-keep").addEventListener("click", () => void this.#act(actions.onKeep));
    byId("detail-chain").addEventListener("click", () => this.#instrument && actions.onChain(this.#instrument));
    // Before the menus, which close on the same key: one press closes one of them.
    document.addEventListener("keydown", (event) => this.#closeByKey(event), { capture: true });
    window.addEventListener("popstate", () => this.openFromAddress());
  }

  /** The shown instrument; null while the drawer is closed. */
  get instrumentId() {
    return this.#instrumentId;
  }

  openFromAddress() {
    const { pathname } = window.location;
    const named = instrumentOf(pathname);
    if (named !== null) {
      this.open(named);
    } else if (canName(pathname)) {
      this.#hide();
    }
  }

  /** @param {number} instrumentId @param {string} [name]  As the page knows it before the answer. */
  open(instrumentId, name = "") {
    if (this.#instrumentId === instrumentId) {
      this.#actions.onShown(true);
      return;
    }
    if (this.#instrumentId === null) {
      this.#opener = document.activeElement;
    }
    this.#instrumentId = instrumentId;
    this.#instrument = null;
    this.#details.clear();
    this.#section.hidden = false;
    document.body.dataset["detail"] = "open";
    this.#actions.onShown(true);
    this.#panel.showLoading(name);
    writeInstrument(instrumentId);
    this.#watch();
  }

  /** Open an instrument; close the drawer if it shows that one, or none is given. @param {number | null} instrumentId */
  toggle(instrumentId) {
    if (this.#instrumentId !== null && (instrumentId === null || instrumentId === this.#instrumentId)) {
      this.close();
    } else if (instrumentId !== null) {
      this.open(instrumentId);
    }
  }

  close() {
    if (this.#instrumentId !== null) {
      this.#hide();
      clearInstrument();
    }
  }

  #hide() {
    if (this.#instrumentId === null) {
      return;
    }
    const hadFocus = this.#section.contains(document.activeElement);
    this.#instrumentId = this.#instrument = null;
    this.#socket.unwatch(WATCH);
    this.#section.hidden = true;
    delete document.body.dataset["detail"];
    this.#actions.onShown(false);
    if (hadFocus) {
      const target = this.#opener?.isConnected && this.#opener !== document.body ? this.#opener : byId("chain");
      /** @type {HTMLElement} */ (target).focus({ preventScroll: true });
    }
    this.#opener = null;
    this.#actions.onChange();
  }

  #watch() {
    this.#socket.watch(WATCH, { detail: this.#instrumentId });
  }

  /** @param {Instrument} answer */
  show(answer) {
    // An answer to an earlier request may arrive after the next one was sent.
    if (answer.instrument_id !== this.#instrumentId) {
      return;
    }
    const isOther = this.#instrument === null;
    this.#instrument = answer;
    this.#panel.show(answer, isOther);
    if (isOther) {
      announce(`Details of ${answer.name}.`);
    }
    this.paintListed();
    this.#paint();
  }

  /** @param {string} sentence */
  showError(sentence) {
    if (this.#instrumentId !== null) {
      this.#panel.showError(sentence);
    }
  }

  /** @param {Details[]} rows */
  apply(rows) {
    this.#details.apply(rows);
  }

  /**
   * Write what changed.
   * @param {Set<number>} quotes  Instruments with another quote.
   * @param {Set<number> | null} analytics  Options with other analytics; null for none.
   */
  paint(quotes, analytics) {
    const id = this.#instrumentId;
    const hasDetails = this.#details.takeChanged();
    if (id !== null && (hasDetails || quotes.has(id) || analytics?.has(id))) {
      this.#paint();
    }
  }

  /** Show whether the instrument is on a list: the list on the screen is new. */
  paintListed() {
    if (this.#instrument !== null) {
      this.#panel.paintButtons(this.#instrument, this.#actions.findListed(this.#instrument));
    }
  }

  #paint() {
    const instrument = this.#instrument;
    if (instrument === null) {
      return;
    }
    const id = instrument.instrument_id;
    const quote = this.#quotes.find(id);
    this.#panel.paint({
      instrument,
      quote,
      state: this.#quotes.stateOf(quote),
      details: this.#details.find(id),
      analytics: this.#analytics.findOption(id),
    });
  }

  /** @param {(instrument: Instrument) => Promise<void>} act */
  async #act(act) {
    const focused = document.activeElement;
    if (this.#instrument === null) {
      return;
    }
    await act(this.#instrument);
    this.paintListed();
    // A button that is disabled loses the focus to the page.
    if (this.#section.contains(focused) && document.activeElement === document.body) {
      byId("detail-keep").focus();
    }
  }

  /** @param {KeyboardEvent} event */
  #closeByKey(event) {
    const isInField = event.target instanceof Element && event.target.closest("input:not(#search), textarea, select") !== null;
    if (event.key === "Escape" && this.#instrumentId !== null && !isInField && document.querySelector(OPEN_MENUS) === null) {
      event.preventDefault();
      this.close();
    }
  }
}
