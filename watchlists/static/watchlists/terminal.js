// The terminal page: puts wire, state and screen together. Frames mark what changed in the quote book; one animation
// frame paints it. A hidden tab keeps its socket and its state and paints nothing.

import { QuoteBook, SILENT_AFTER_MS } from "../marketdata/quotes.js";
import * as api from "./api.js";
import { endFlashes } from "./cells.js";
import { announce, ConnectionChip } from "./chip.js";
import { MarketConnection } from "./connection.js";
import { byId, byIdAs, make } from "./dom.js";
import { judgeHealth } from "./health.js";
import { Notices } from "./notices.js";
import { ChainPanel } from "./panel.js";
import { ReloadCoalescer } from "./reload.js";
import { offerOf, SearchBox, sentenceOf } from "./search.js";
import { IndexStrip } from "./strip.js";
import { addressOf, isElsewhere, isOpen, isSameChain, parseAddress } from "./underlying.js";
import { isChain, nameOf, WatchlistPanel } from "./watchlist.js";

/** @typedef {import("../marketdata/frames.js").Frame} Frame */
/** @typedef {import("./watchlist.js").Entry} Entry */
/** @typedef {import("./search.js").Wish} Wish */
/** @typedef {import("./underlying.js").Wanted} Wanted */

const RATE_HZ = 4;
const HIDDEN_RATE_HZ = 1;
const BEAT_MS = 250;
const SHORTCUTS = 3;
/** Below this width the chain stands under the watchlist; the same in terminal.css. */
const STACKED = window.matchMedia("(max-width: 820px)");

class Terminal {
  #boot = JSON.parse(byId("boot").textContent ?? "{}");
  #book = new QuoteBook();
  #chip = new ConnectionChip();
  #notices = new Notices(byId("notices"));
  #connection = new MarketConnection(socketUrl(), {
    onMessage: (message) => this.#hear(message),
    onFrame: (frame) => this.#takeIn(frame),
    onLink: (link) => this.#noteLink(link.state),
  });
  #strip = new IndexStrip(byId("indices"), this.#boot.indices, this.#book, (symbol) => this.#openChain({ symbol }));
  #search = new SearchBox(byIdAs("search", "input"), byId("search-panel"), this.#boot.today, (wish) =>
    this.#add(wish),
  );
  #panel = new ChainPanel(this.#book, {
    onExpiry: (expiry) => this.#openChain({ ...this.#wanted, symbol: this.#wanted?.symbol ?? "", expiry }),
    onAdd: () => this.#addOpenChain(),
    onRetry: () => this.#wanted && this.#openChain(this.#wanted),
  });
  #watchlist = new WatchlistPanel(byId("entries"), byId("entries-empty"), this.#book, {
    onOpen: (entry) => this.#openEntry(entry),
    onRemove: (entry) => this.#remove(entry),
    onClaimAgain: (entry) => this.#claimAgain(entry),
  });
  /** What the trader wants to see; the server may not have answered yet. @type {Wanted | null} */
  #wanted = null;
  /** The wish that opened the underlying on the screen, whatever expiry of it is looked at. @type {Wanted | null} */
  #opened = null;
  /** Instruments of the list as the server sends their quotes; null before its first answer. @type {number[] | null} */
  #listed = null;
  #reloads = new ReloadCoalescer(
    () => this.#loadWatchlist(),
    () => this.#listed === null || this.#watchlist.quotes(this.#listed),
  );
  #frameAt = -Infinity;
  /** @type {number | null} */
  #feedAgeMs = null;
  #unacknowledged = 0;
  #isPaintDue = false;
  #wasLost = false;

  start() {
    this.#offerShortcuts();
    byId("connection").addEventListener("click", () => this.#connection.retryNow());
    document.addEventListener("visibilitychange", () => this.#noteVisibility());
    window.addEventListener("hashchange", () => this.#openFromAddress());
    byId("entries-retry").addEventListener("click", () => this.#reloads.request());
    this.#connection.watch("strip", { instruments: this.#strip.instrumentIds });
    this.#connection.watch("list", { watchlist: true });
    this.#connection.open();
    this.#openFromAddress();
    this.#reloads.request();
    setInterval(() => this.#beat(), BEAT_MS);
  }

  #offerShortcuts() {
    for (const { symbol } of this.#boot.indices.slice(0, SHORTCUTS)) {
      const chip = make("button", { type: "button", class: "chip", text: symbol });
      chip.addEventListener("click", () => this.#openChain({ symbol }));
      byId("shortcuts").append(chip);
    }
  }

  // --- what comes in

  /** @param {Frame} frame */
  #takeIn(frame) {
    this.#frameAt = performance.now();
    this.#feedAgeMs = frame.feedAgeMs;
    if (!this.#book.apply(frame)) {
      this.#connection.resync();
    }
    this.#book.setHeard(true);
    this.#unacknowledged = frame.sequence;
    if (document.hidden) {
      this.#acknowledge();
    } else {
      this.#paintSoon();
    }
  }

  /** @param {any} message */
  #hear(message) {
    switch (message.type) {
      case "feed":
        this.#book.setFeed(message);
        this.#paintSoon();
        break;
      case "chain":
        this.#noteStreaming([message.spot_instrument_id, ...message.strikes.flatMap(idsOf)], message.not_streaming);
        this.#panel.show(message);
        this.#noteHeld();
        break;
      case "watching":
        this.#noteStreaming(message.instruments, message.not_streaming);
        if (message.id === "list") {
          this.#listed = message.instruments;
          this.#reloads.check();
        }
        break;
      case "notice":
        this.#notices.show(message.text);
        break;
      case "watchlist_changed":
        // The server renews the watch of the list and answers it once more.
        this.#reloads.announce();
        break;
      case "error":
        if (message.id === "chain") {
          this.#panel.showError(message.message);
        }
        break;
    }
  }

  /**
   * @param {number[]} watched
   * @param {number[]} notStreaming
   */
  #noteStreaming(watched, notStreaming) {
    this.#book.setNotStreaming(watched, notStreaming);
    this.#paintSoon();
  }

  /** @param {string} state */
  #noteLink(state) {
    if (state === "waiting") {
      this.#wasLost = true;
    }
    if (state !== "open") {
      this.#book.restart();
    } else if (this.#wasLost) {
      // Announcements sent meanwhile are lost.
      this.#wasLost = false;
      this.#reloads.request();
    }
    if (state === "ended" && this.#connection.link.code === 4401) {
      window.location.assign(this.#boot.login_url);
      return;
    }
    this.#paintSoon();
    this.#paintHealth();
  }

  #noteVisibility() {
    this.#connection.setRate(document.hidden ? HIDDEN_RATE_HZ : RATE_HZ);
    if (!document.hidden) {
      this.#connection.retryNow();
      this.#paintSoon();
    }
  }

  // --- painting

  #paintSoon() {
    if (!this.#isPaintDue && !document.hidden) {
      this.#isPaintDue = true;
      requestAnimationFrame((now) => this.#paint(now));
    }
  }

  /** @param {number} now */
  #paint(now) {
    this.#isPaintDue = false;
    const changed = this.#book.takeChanged();
    if (changed.size > 0) {
      this.#strip.paint(changed);
      this.#watchlist.paint(changed);
      this.#panel.paint(changed);
    }
    this.#acknowledge();
    if (endFlashes(now)) {
      setTimeout(() => this.#paintSoon(), BEAT_MS / 2);
    }
  }

  #acknowledge() {
    if (this.#unacknowledged > 0) {
      this.#connection.acknowledge(this.#unacknowledged);
      this.#unacknowledged = 0;
    }
  }

  #beat() {
    this.#connection.checkPulse();
    const isHeard = performance.now() - this.#frameAt < SILENT_AFTER_MS && this.#connection.link.state === "open";
    if (isHeard !== this.#book.isHeard) {
      this.#book.setHeard(isHeard);
      this.#paintSoon();
    }
    this.#paintHealth();
  }

  #paintHealth() {
    const now = performance.now();
    const ageMs = this.#feedAgeMs === null ? null : this.#feedAgeMs + now - this.#frameAt;
    const { link } = this.#connection;
    const health = judgeHealth({
      link,
      feed: this.#book.feed,
      isHeard: this.#book.isHeard,
      ageMs,
      now,
      closedSinceMs: this.#book.closedSinceMs,
    });
    this.#chip.paint(health);
    document.body.dataset["health"] = health.tone;
  }

  // --- the watchlist

  async #loadWatchlist() {
    const complaint = byId("entries-error");
    try {
      const answer = await api.read("watchlist/me");
      complaint.hidden = true;
      this.#watchlist.show(answer.entries);
      this.#noteHeld();
    } catch (error) {
      byId("entries-error-text").textContent = sentenceOf(error);
      byId("entries").removeAttribute("aria-busy");
      complaint.hidden = false;
    }
  }

  #noteHeld() {
    const chain = this.#panel.chain;
    const held = this.#watchlist.entries.filter(
      (entry) => isChain(entry) && entry.symbol === chain?.symbol && entry.exchange === chain.exchange,
    );
    this.#panel.showHeld(new Set(held.flatMap((entry) => entry.expiry ?? [])));
    this.#watchlist.markOpen((entry) => isChain(entry) && isSameChain(entry, chain));
  }

  /** @param {Wish} wish */
  async #add(wish) {
    const answer = await this.#reloads.after(() => api.post("watchlist/add", wish));
    const { entry } = answer;
    announce(`Added ${nameOf(entry)}.`);
    if (answer.evicted.length > 0) {
      this.#notices.show(answer.message);
    }
    if (isChain(entry)) {
      this.#openEntry(entry);
    }
  }

  async #addOpenChain() {
    const chain = this.#panel.chain;
    if (chain === null) {
      return;
    }
    const button = byIdAs("chain-add", "button");
    button.disabled = true;
    const { symbol, exchange, expiry, instrument_type: kind } = chain;
    await this.#addOrExplain({ symbol, exchange, expiry, instrument_type: kind });
    button.disabled = false;
  }

  /** @param {Entry} entry */
  #claimAgain({ symbol, exchange, expiry, instrument_type: kind }) {
    return this.#addOrExplain({ symbol, exchange, instrument_type: kind, ...(expiry !== null && { expiry }) });
  }

  /**
   * Add, or say why not, and what would be taken instead.
   * @param {Wish} wish
   */
  async #addOrExplain(wish) {
    try {
      await this.#add(wish);
    } catch (error) {
      const offer = offerOf(error, wish);
      const act = offer && { label: offer.label, onClick: () => void this.#addOrExplain(offer.wish) };
      this.#notices.show(sentenceOf(error), act);
    }
  }

  /** @param {Entry} entry */
  async #remove(entry) {
    this.#watchlist.markLeaving(entry, true);
    try {
      await this.#reloads.after(() => api.post("watchlist/remove", { entry_id: entry.id }));
      announce(`Removed ${nameOf(entry)}.`);
    } catch (error) {
      this.#watchlist.markLeaving(entry, false);
      this.#notices.show(sentenceOf(error));
    }
  }

  /** @param {Entry} entry */
  #openEntry(entry) {
    const { symbol, exchange, expiry } = entry;
    this.#openChain({ symbol, exchange, ...(isChain(entry) && expiry !== null && { expiry }) });
  }

  // --- the chain

  #openFromAddress() {
    const asked = parseAddress(decodeURIComponent(window.location.hash.slice(1)));
    if (asked !== null && isElsewhere(asked, this.#wanted)) {
      this.#openChain(asked);
    }
  }

  /** @param {Wanted} wanted */
  #openChain(wanted) {
    const isSameUnderlying = isOpen(wanted, this.#wanted, this.#panel.chain);
    this.#wanted = wanted;
    window.history.replaceState(null, "", `#${addressOf(wanted)}`);
    if (!isSameUnderlying) {
      this.#opened = wanted;
      this.#panel.showLoading(wanted.symbol, wanted.expiry ?? null);
      this.#noteHeld();
    }
    this.#connection.watch("chain", { chain: wanted });
    if (!isSameUnderlying) {
      this.#loadExpiries(wanted);
    }
    this.#search.close();
    if (STACKED.matches) {
      byId("chain").scrollIntoView({ block: "start" });
    }
  }

  /** @param {Wanted} wanted */
  async #loadExpiries(wanted) {
    try {
      const path = `option-chain/${encodeURIComponent(wanted.symbol)}/expiries`;
      const answer = await api.read(path, { exchange: wanted.exchange });
      if (this.#opened === wanted) {
        this.#panel.showExpiries(answer.expiries);
      }
    } catch (error) {
      if (this.#opened === wanted && this.#panel.chain === null) {
        this.#panel.showError(sentenceOf(error));
      }
    }
  }
}

/** @param {[string, number | null, number | null]} strike */
function idsOf([, call, put]) {
  return [call, put].filter((id) => id !== null);
}

function socketUrl() {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${window.location.host}/ws/market/`;
}

new Terminal().start();
