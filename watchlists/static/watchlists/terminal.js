// The terminal page: connects wire, state and screen. Frames mark changed instruments in the quote cache; one animation
// frame paints them. A hidden tab keeps its socket and its state, and paints nothing.

import { AnalyticsCache } from "../marketdata/analytics.js";
import { QuoteCache, RECEIVING_WITHIN_MS } from "../marketdata/quotes.js";
import { currentAddress, offerOwnTab, writeAddress } from "./address.js";
import * as api from "./api.js";
import { endMarks } from "./cells.js";
import { announce, ConnectionChip } from "./chip.js";
import { byId, byIdAs, makeButton } from "./dom.js";
import { offerDownload } from "./download.js";
import { judgeHealth } from "./health.js";
import { bindKeys } from "./keys.js";
import { Notices } from "./notices.js";
import { ChainPanel } from "./panel.js";
import { ReloadCoalescer } from "./reload.js";
import { messageOf, offerOf, SearchBox } from "./search.js";
import { MarketSocket } from "./socket.js";
import { IndexStrip } from "./strip.js";
import { TabTitle } from "./title.js";
import { followedRequest, isOpen, isOtherChain, isSameChain, legsOf, parseAddress, strikeOf } from "./underlying.js";
import { isChain, nameOf, WatchlistPanel } from "./watchlist.js";

/** @typedef {import("../marketdata/frames.js").Frame} Frame */
/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./watchlist.js").Entry} Entry */
/** @typedef {import("./search.js").AddRequest} AddRequest */
/** @typedef {import("./underlying.js").ChainRequest} ChainRequest */

/** The trader's preference: 1, 4 or 10, which the server allows. */
const RATE_HZ = Number(document.documentElement.dataset["rate"]);
/** The lowest rate of the server: a hidden tab keeps its quotes, so that it is current when it is shown. */
const HIDDEN_RATE_HZ = 1;
/** Chosen: the age in the chip and the end of a flash are at most this late. */
const CHECK_EVERY_MS = 250;
/** Chosen: they fit in one row of a phone. */
const SHORTCUTS = 3;
/** Below this width the chain is under the watchlist; the same width in terminal.css. */
const STACKED = window.matchMedia("(max-width: 820px)");

class Terminal {
  #boot = JSON.parse(byId("boot").textContent ?? "{}");
  #quotes = new QuoteCache();
  #analytics = new AnalyticsCache();
  #chip = new ConnectionChip();
  #notices = new Notices(byId("notices"));
  #socket = new MarketSocket(`${window.location.origin.replace(/^http/, "ws")}/ws/market/`, {
    onMessage: (message) => this.#dispatch(message),
    onFrame: (frame) => this.#applyFrame(frame),
    onAnalytics: (frame) => {
      this.#analytics.apply(frame);
      this.#paintSoon();
    },
    onStatus: (status) => this.#noteSocketStatus(status.state),
  });
  #strip = new IndexStrip(byId("indices"), this.#boot.indices, this.#quotes, (symbol) => this.#openChain({ symbol }));
  #search = new SearchBox(byIdAs("search", "input"), byId("search-panel"), this.#boot.today, (request) =>
    this.#add(request),
  );
  #panel = new ChainPanel(this.#quotes, this.#analytics, {
    onExpiry: (expiry) => this.#openChain({ ...this.#requested, symbol: this.#requested?.symbol ?? "", expiry }),
    onAdd: () => this.#addOpenChain(),
    onRetry: () => this.#requested && this.#openChain(this.#requested),
  });
  #watchlist = new WatchlistPanel(byId("entries"), byId("entries-empty"), this.#quotes, {
    onOpen: (entry) => this.#openEntry(entry),
    onRemove: (entry) => this.#remove(entry),
    onStreamAgain: (entry) => this.#streamAgain(entry),
  });
  /** The chain that the trader asked for last; the server may not have answered. @type {ChainRequest | null} */
  #requested = null;
  /** The request that opened the underlying; another expiry of it does not replace this. @type {ChainRequest | null} */
  #openedRequest = null;
  /** Instruments of the list as the server sends their quotes; null before its first answer. @type {number[] | null} */
  #listInstruments = null;
  #reloads = new ReloadCoalescer(
    () => this.#loadWatchlist(),
    () => this.#listInstruments === null || this.#watchlist.quotes(this.#listInstruments),
  );
  #title = new TabTitle();
  #frameAt = -Infinity;
  /** @type {Frame | null} */
  #lastFrame = null;
  #unacknowledged = 0;
  #isPaintDue = false;
  #wasLost = false;

  start() {
    this.#offerShortcuts();
    offerOwnTab(() => this.#panel.chain);
    offerDownload(() => this.#panel.chain, this.#quotes, this.#analytics, this.#notices);
    byId("connection").addEventListener("click", () => this.#socket.retryNow());
    document.addEventListener("visibilitychange", () => this.#applyVisibility());
    window.addEventListener("hashchange", () => this.#openFromAddress());
    byId("entries-retry").addEventListener("click", () => this.#reloads.request());
    byId("strikes").addEventListener("change", () => {
      if (this.#requested !== null) {
        this.#watchChain(this.#requested);
      }
    });
    bindKeys({
      g: () => this.#panel.nextColumns(),
      ".": () => this.#panel.scrollToAtm(),
      "[": () => this.#panel.stepExpiry(-1),
      "]": () => this.#panel.stepExpiry(1),
    });
    this.#socket.setRate(RATE_HZ);
    this.#socket.watch("strip", { instruments: this.#strip.instrumentIds });
    this.#socket.watch("list", { watchlist: true });
    this.#socket.open();
    this.#openFromAddress();
    this.#reloads.request();
    // A timer, not the next frame: a dead feed or socket sends nothing that could trigger the check.
    setInterval(() => this.#checkHealth(), CHECK_EVERY_MS);
  }

  #offerShortcuts() {
    for (const { symbol } of this.#boot.indices.slice(0, SHORTCUTS)) {
      byId("shortcuts").append(makeButton({ class: "chip", text: symbol }, () => this.#openChain({ symbol })));
    }
  }

  // --- messages and frames

  /** @param {Frame} frame */
  #applyFrame(frame) {
    this.#frameAt = performance.now();
    this.#lastFrame = frame;
    if (!this.#quotes.apply(frame)) {
      // Frames are missing: the snapshot that answers replaces all quotes.
      this.#socket.resync();
    }
    this.#quotes.setReceiving(true);
    // Acknowledged after the paint, so that the server slows down for a browser that paints slowly.
    this.#unacknowledged = frame.sequence;
    if (document.hidden) {
      this.#acknowledge();
    } else {
      this.#paintSoon();
    }
  }

  /** @param {any} message */
  #dispatch(message) {
    switch (message.type) {
      case "feed":
        this.#quotes.setFeed(message);
        this.#paintSoon();
        break;
      case "chain":
        this.#setNotStreaming([message.spot_instrument_id, ...legsOf(message)], message.not_streaming);
        this.#quotes.setBrokerPrices(message.broker_prices);
        this.#follow(message);
        this.#panel.show(message);
        this.#markListed();
        break;
      case "watching":
        this.#setNotStreaming(message.instruments, message.not_streaming);
        if (message.id === "list") {
          this.#listInstruments = message.instruments;
          this.#reloads.check();
        }
        break;
      case "notice":
        this.#notices.show(message.text);
        break;
      case "watchlist_changed":
        // No watch is sent: the server answers the watch of the list again.
        this.#reloads.announce();
        break;
      case "error":
        if (message.id === "chain") {
          this.#panel.showError(message.message);
        }
        break;
    }
  }

  /** @param {number[]} watched @param {number[]} notStreaming */
  #setNotStreaming(watched, notStreaming) {
    this.#quotes.setNotStreaming(watched, notStreaming);
    this.#paintSoon();
  }

  /** @param {string} state */
  #noteSocketStatus(state) {
    if (state === "waiting") {
      this.#wasLost = true;
    }
    if (state !== "open") {
      this.#quotes.restart();
      this.#analytics.clear();
    } else if (this.#wasLost) {
      // Changes that the server announced without a socket are lost: read the list.
      this.#wasLost = false;
      this.#reloads.request();
    }
    // The session ended while the page was open (close code LOGIN_REQUIRED): only a login helps.
    if (state === "ended" && this.#socket.status.code === 4401) {
      window.location.assign(this.#boot.login_url);
      return;
    }
    this.#paintSoon();
    this.#paintHealth();
  }

  #applyVisibility() {
    this.#socket.setRate(document.hidden ? HIDDEN_RATE_HZ : RATE_HZ);
    if (!document.hidden) {
      // Timers of a hidden tab are throttled, so a backoff may be long over.
      this.#socket.retryNow();
      this.#paintSoon();
    }
  }

  // --- painting

  #paintSoon() {
    // Browsers do not run animation frames in a hidden tab; #applyVisibility paints when it is shown.
    if (!this.#isPaintDue && !document.hidden) {
      this.#isPaintDue = true;
      requestAnimationFrame((now) => this.#paint(now));
    }
  }

  /** @param {number} now */
  #paint(now) {
    this.#isPaintDue = false;
    const changed = this.#quotes.takeChanged();
    if (changed.size > 0) {
      this.#strip.paint(changed);
      this.#watchlist.paint(changed);
      this.#panel.paint(changed);
    }
    const computed = this.#analytics.takeChanged();
    if (computed !== null) {
      this.#panel.paintAnalytics(computed);
    }
    this.#acknowledge();
    if (endMarks(now)) {
      setTimeout(() => this.#paintSoon(), CHECK_EVERY_MS / 2);
    }
  }

  #acknowledge() {
    if (this.#unacknowledged > 0) {
      this.#socket.acknowledge(this.#unacknowledged);
      this.#unacknowledged = 0;
    }
  }

  #checkHealth() {
    this.#socket.checkKeepalive();
    const isReceiving = performance.now() - this.#frameAt < RECEIVING_WITHIN_MS && this.#socket.status.state === "open";
    if (isReceiving !== this.#quotes.isReceiving) {
      this.#quotes.setReceiving(isReceiving);
      this.#paintSoon();
    }
    this.#paintHealth();
    this.#title.paint(this.#panel.chain, this.#quotes, performance.now());
  }

  #paintHealth() {
    const now = performance.now();
    // The ages in the last frame, plus the time since: the chip counts on while no frames arrive.
    const sinceMs = now - this.#frameAt;
    const { feedAgeMs = null, measurements = [] } = this.#lastFrame ?? {};
    const health = judgeHealth({
      socket: this.#socket.status,
      feed: this.#quotes.feed,
      isReceiving: this.#quotes.isReceiving,
      ageMs: feedAgeMs === null ? null : feedAgeMs + sinceMs,
      measurements,
      sinceMs,
      now,
      closedSinceMs: this.#quotes.closedSinceMs,
    });
    this.#chip.paint(health);
    document.body.dataset["health"] = health.tone;
  }

  // --- the watchlist

  async #loadWatchlist() {
    const errorRegion = byId("entries-error");
    try {
      const answer = await api.read("watchlist/me");
      errorRegion.hidden = true;
      this.#watchlist.show(answer.entries);
      this.#markListed();
    } catch (error) {
      byId("entries-error-text").textContent = messageOf(error);
      byId("entries").removeAttribute("aria-busy");
      errorRegion.hidden = false;
    }
  }

  #markListed() {
    const chain = this.#panel.chain;
    const listed = this.#watchlist.entries.filter(
      (entry) => isChain(entry) && entry.symbol === chain?.symbol && entry.exchange === chain.exchange,
    );
    this.#panel.showListed(new Set(listed.flatMap((entry) => entry.expiry ?? [])));
    this.#watchlist.markOpen((entry) => isChain(entry) && isSameChain(chain, entry));
  }

  /** @param {AddRequest} request */
  async #add(request) {
    const answer = await this.#reloads.after(() => api.post("watchlist/add", request));
    const { entry } = answer;
    announce(`Added ${nameOf(entry)}.`);
    // The trader reads what the add has evicted; without an eviction the new row says enough.
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
  #streamAgain({ symbol, exchange, expiry, instrument_type: kind }) {
    return this.#addOrExplain({ symbol, exchange, instrument_type: kind, ...(expiry !== null && { expiry }) });
  }

  /**
   * Add an entry; show the error of a rejected request, with the narrower chain that the server offers.
   * @param {AddRequest} request
   */
  async #addOrExplain(request) {
    try {
      await this.#add(request);
    } catch (error) {
      const offer = offerOf(error, request);
      const action = offer && { label: offer.label, onClick: () => void this.#addOrExplain(offer.request) };
      this.#notices.show(messageOf(error), action);
    }
  }

  /** @param {Entry} entry */
  async #remove(entry) {
    this.#watchlist.markRemoving(entry, true);
    try {
      await this.#reloads.after(() => api.post("watchlist/remove", { entry_id: entry.id }));
      announce(`Removed ${nameOf(entry)}.`);
    } catch (error) {
      this.#watchlist.markRemoving(entry, false);
      this.#notices.show(messageOf(error));
    }
  }

  /** @param {Entry} entry */
  #openEntry(entry) {
    const { symbol, exchange, expiry } = entry;
    this.#openChain({ symbol, exchange, ...(isChain(entry) && expiry !== null && { expiry }) });
  }

  // --- the chain

  #openFromAddress() {
    // By a link, by Back and by Forward; what openChain writes itself makes no event.
    const address = currentAddress();
    const request = parseAddress(address);
    if (request !== null && isOtherChain(request, this.#requested)) {
      this.#panel.seekStrike(strikeOf(address));
      this.#openChain(request, { isNewEntry: false });
    }
  }

  /**
   * @param {ChainRequest} request
   * @param {{isNewEntry: boolean}} [history]  The first chain of a page makes no entry: Back leaves the page.
   */
  #openChain(request, history = { isNewEntry: this.#requested !== null }) {
    const isSameUnderlying = isOpen(request, this.#requested, this.#panel.chain);
    this.#requested = request;
    // The address names the chain, for reload, for sharing and for Back.
    writeAddress(request, history);
    if (!isSameUnderlying) {
      this.#openedRequest = request;
      this.#analytics.clear();
      this.#panel.showLoading(request.symbol, request.expiry ?? null);
      this.#markListed();
    }
    // Also for the chain that is open: its answer shows at once which of its legs an add has made stream.
    this.#watchChain(request);
    if (!isSameUnderlying) {
      this.#loadExpiries(request);
    }
    this.#search.close();
    if (STACKED.matches) {
      byId("chain").scrollIntoView({ block: "start" });
    }
  }

  /** @param {ChainRequest} request */
  #watchChain(request) {
    const strikes = Number(byIdAs("strikes", "select").value);
    this.#socket.watch("chain", { chain: { ...request, ...(strikes > 0 && { strikes }) } });
  }

  /** @param {Chain} answer  Of a chain whose underlying or expiry may have another name than the requested one. */
  #follow(answer) {
    const request = followedRequest(answer, this.#panel.chain, this.#requested);
    if (request === null) {
      return;
    }
    this.#requested = this.#openedRequest = request;
    writeAddress(request, { isNewEntry: false });
    this.#watchChain(request);
    this.#loadExpiries(request);
    if (answer.former_symbol !== null) {
      this.#notices.show(`${answer.former_symbol} is called ${answer.symbol} now.`);
    }
  }

  /** @param {ChainRequest} request */
  async #loadExpiries(request) {
    try {
      const path = `option-chain/${encodeURIComponent(request.symbol)}/expiries`;
      const answer = await api.read(path, { exchange: request.exchange });
      // A later request may have opened another underlying.
      if (this.#openedRequest === request) {
        this.#panel.showExpiries(answer.expiries);
      }
    } catch (error) {
      if (this.#openedRequest === request && this.#panel.chain === null) {
        this.#panel.showError(messageOf(error));
      }
    }
  }
}

new Terminal().start();
