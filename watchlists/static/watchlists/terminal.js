// The terminal page: connects wire, state and screen. Frames mark changed instruments in the quote cache; one animation
// frame paints them. A hidden tab keeps its socket and its state, and paints nothing.

import { AnalyticsCache } from "../marketdata/analytics.js";
import { QuoteCache, RECEIVING_WITHIN_MS } from "../marketdata/quotes.js";
import { offerOwnTab } from "./address.js";
import { endMarks } from "./cells.js";
import { Charts } from "./charts.js";
import { ConnectionChip } from "./chip.js";
import { ColumnChoice } from "./column_choice.js";
import { DetailDrawer } from "./detail_drawer.js";
import { entryAt, openFromGrid, optionAt } from "./detail_sources.js";
import { byId, byIdAs } from "./dom.js";
import { offerDownload } from "./download.js";
import { Entries } from "./entries.js";
import { judgeHealth } from "./health.js";
import { titleOf } from "./hits.js";
import { closeFromOutside } from "./menus.js";
import { Notices } from "./notices.js";
import { ChainOpening } from "./opening.js";
import { ChainPanel } from "./panel.js";
import { RecentItems } from "./recent.js";
import { ScreenPause } from "./screen_pause.js";
import { SearchBox } from "./search.js";
import { MarketSocket } from "./socket.js";
import { StatusLine } from "./status_line.js";
import { browserStorage } from "./storage.js";
import { IndexStrip } from "./strip.js";
import { offerKeys, offerShortcuts } from "./terminal_keys.js";
import { TabTitle } from "./title.js";
import { legsOf } from "./underlying.js";
import { Views } from "./views.js";
import { isChain, nameOf } from "./watchlist.js";

/** @typedef {import("../marketdata/frames.js").Frame} Frame */
/** @typedef {import("./socket.js").SocketStatus} SocketStatus */
/** @typedef {import("./underlying.js").ChainRequest} ChainRequest */
/** @typedef {import("./watchlist.js").Entry} Entry */

/** The trader's preference: 1, 4 or 10, which the server allows. */
const RATE_HZ = Number(document.documentElement.dataset["rate"]);
/** The lowest rate of the server: a hidden or paused screen keeps its quotes, so that it is current when it goes on. */
const HIDDEN_RATE_HZ = 1;
/** Chosen: the age in the chip and the end of a flash are at most this late. */
const CHECK_EVERY_MS = 250;
/** Required: analytics are unknown this long after their last frame. STALE_SECONDS: marketdata/derived_board.py. */
const ANALYTICS_KEPT_MS = 3_000;

class Terminal {
  #boot = JSON.parse(byId("boot").textContent ?? "{}");
  #quotes = new QuoteCache();
  #analytics = new AnalyticsCache();
  #chip = new ConnectionChip();
  #line = new StatusLine();
  #notices = new Notices();
  #socket = new MarketSocket(`${window.location.origin.replace(/^http/, "ws")}/ws/market/`, {
    onMessage: (message) => this.#dispatch(message),
    onFrame: (frame) => this.#applyFrame(frame),
    onAnalytics: (frame) => {
      this.#analyticsEndAt = Infinity;
      this.#analytics.apply(frame);
      this.#paintSoon();
    },
    onDetails: (rows) => {
      this.#detail.apply(rows);
      this.#paintSoon();
    },
    onStatus: (status) => this.#noteSocketStatus(status),
  });
  #strip = new IndexStrip(byId("indices"), this.#boot.indices, this.#quotes, (symbol) => this.#opening.open({ symbol }));
  #search = new SearchBox(
    byIdAs("search", "input"),
    byId("search-panel"),
    {
      today: this.#boot.today,
      recent: new RecentItems(browserStorage(), this.#boot.username, this.#boot.today),
      readNow: () => this.#serverNowMs,
    },
    {
      onOpen: (opening) => this.#openFound(opening),
      onDetail: (instrumentId, hit) => this.#detail.open(instrumentId, titleOf(hit)),
      onAdd: (request, how) => this.#entries.add(request, how),
      onRefused: (error, request) => this.#entries.explain(error, request),
      onReach: () => this.#views.show("list"),
    },
  );
  #panel = new ChainPanel(this.#quotes, this.#analytics, {
    onExpiry: (expiry) => this.#opening.openExpiry(expiry),
    onAdd: () => this.#entries.addChain(this.#panel.chain),
    onRetry: () => this.#opening.retry(),
  });
  #columns = new ColumnChoice(this.#panel, this.#boot.layouts, this.#boot.most_layouts);
  #opening = new ChainOpening(this.#socket, this.#panel, this.#notices, {
    onOther: () => {
      this.#analytics.clear();
      this.#markListed();
    },
    onOpened: () => this.#showOpened(),
  });
  #charts = new Charts({
    readChain: () => this.#panel.chain,
    readLeg: (id) => {
      const quote = this.#quotes.find(id);
      return { quote, state: this.#quotes.stateOf(quote), analytics: this.#analytics.findOption(id) };
    },
    analytics: this.#analytics,
  });
  #entries = new Entries(this.#quotes, this.#notices, {
    onOpen: (entry) => this.#openEntry(entry),
    onRead: () => {
      this.#markListed();
      this.#detail.paintListed();
    },
  });
  #detail = new DetailDrawer(this.#socket, this.#quotes, this.#analytics, {
    findListed: (instrument) => this.#entries.findOf(instrument),
    onAdd: (instrument) => this.#entries.addInstrument(instrument),
    onKeep: (instrument) => this.#entries.keepInstrument(instrument),
    onChain: ({ symbol, exchange, kind, expiry }) => this.#opening.open({ symbol, exchange, ...(kind === "option" && expiry !== null && { expiry }) }),
    onShown: (isShown) => {
      if (isShown) {
        this.#pause.end();
      }
      this.#views.showDetail(isShown);
    },
    onChange: () => this.#paintSoon(),
  });
  #views = new Views(() => this.#openAnyDetail());
  #title = new TabTitle();
  #pause = new ScreenPause((heldChain) => {
    for (const cache of [this.#quotes, this.#analytics]) {
      if (this.#pause.isOn) {
        cache.freeze();
      } else {
        cache.thaw();
      }
    }
    // Not where the trader has opened another underlying, which is loading.
    if (heldChain !== null && this.#panel.chain !== null) {
      this.#panel.show(heldChain);
    }
    this.#applyRate();
    this.#paintSoon();
    this.#paintHealth();
  });
  #frameAt = -Infinity;
  /** @type {Frame | null} */
  #lastFrame = null;
  #unacknowledged = 0;
  #isPaintDue = false;
  #wasLost = false;
  /** When the analytics of a lost socket become unknown; Infinity once a new one has sent others. */
  #analyticsEndAt = Infinity;

  start() {
    offerShortcuts(this.#boot.indices, this.#opening);
    offerOwnTab(() => this.#panel.chain);
    offerDownload(this.#panel, this.#quotes, this.#analytics, this.#notices);
    byId("connection").addEventListener("click", () => this.#socket.retryNow());
    byId("strikes").addEventListener("change", () => this.#pause.end());
    byId("skip").addEventListener("click", (event) => {
      // The part of the address behind # names a chain.
      event.preventDefault();
      byId("chain").focus();
    });
    closeFromOutside(/** @type {HTMLDetailsElement} */ (byId("user-menu")), byId("user-summary"));
    window.addEventListener("online", () => this.#socket.reconnectNow());
    document.addEventListener("visibilitychange", () => this.#applyVisibility());
    offerKeys({
      indices: this.#boot.indices,
      charts: this.#charts,
      columns: this.#columns,
      entries: this.#entries,
      opening: this.#opening,
      panel: this.#panel,
      pause: this.#pause,
      search: this.#search,
      toggleDetail: () => this.#toggleDetail(),
    });
    this.#socket.setRate(RATE_HZ);
    this.#socket.watch("strip", { instruments: this.#strip.instrumentIds });
    this.#socket.watch("list", { watchlist: true });
    this.#socket.open();
    this.#opening.openFromAddress();
    this.#detail.openFromAddress();
    openFromGrid(byId("ladder"), (instrumentId) => this.#detail.open(instrumentId));
    this.#entries.request();
    // A timer, not the next frame: a dead feed or socket sends nothing that could trigger the check.
    setInterval(() => this.#checkHealth(), CHECK_EVERY_MS);
  }

  // --- messages and frames

  /** @param {Frame} frame */
  #applyFrame(frame) {
    this.#frameAt = performance.now();
    this.#line.noteFrame(this.#frameAt);
    this.#lastFrame = frame;
    if (!this.#quotes.apply(frame)) {
      // Frames are missing: the snapshot that answers replaces all quotes.
      this.#socket.resync();
    }
    this.#quotes.setReceiving(true);
    // Acknowledged after the paint, so that the server slows down for a browser that paints slowly.
    this.#unacknowledged = frame.sequence;
    if (document.hidden || this.#pause.isOn) {
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
      case "room":
        this.#line.noteRoom(message);
        break;
      case "chain":
        this.#setNotStreaming([message.spot_instrument_id, ...legsOf(message)], message.not_streaming);
        this.#quotes.setBrokerPrices(message.broker_prices);
        this.#opening.follow(message);
        if (!this.#pause.keeps(message, this.#panel.chain)) {
          this.#panel.show(message);
          this.#opening.widenToSought();
        }
        this.#markListed();
        break;
      case "instrument":
        this.#setNotStreaming([message.instrument_id], message.not_streaming);
        this.#detail.show(message);
        break;
      case "watching":
        this.#setNotStreaming(message.instruments, message.not_streaming);
        if (message.id === "list") {
          this.#entries.noteWatched(message.instruments);
        }
        break;
      case "notice":
        this.#entries.showNotice(message);
        break;
      case "watchlist_changed":
        // No watch is sent: the server answers the watch of the list again.
        this.#entries.announce();
        break;
      case "error":
        if (message.id === "chain") {
          this.#panel.showError(message.message);
        } else if (message.id === "detail") {
          this.#detail.showError(message.message);
        }
        break;
    }
  }

  #applyRate() {
    this.#socket.setRate(document.hidden || this.#pause.isOn ? HIDDEN_RATE_HZ : RATE_HZ);
  }

  /** @param {number[]} watched @param {number[]} notStreaming */
  #setNotStreaming(watched, notStreaming) {
    this.#quotes.setNotStreaming(watched, notStreaming);
    this.#paintSoon();
  }

  /** @param {SocketStatus} status */
  #noteSocketStatus(status) {
    const { state } = status;
    this.#line.noteSocket(status);
    if (state === "waiting") {
      this.#wasLost = true;
    }
    if (state !== "open") {
      this.#quotes.restart();
      // Dashes for the moment of a reconnect would hide figures that are gray, and come back.
      this.#analyticsEndAt = Math.min(this.#analyticsEndAt, performance.now() + ANALYTICS_KEPT_MS);
    } else if (this.#wasLost) {
      // Changes that the server announced without a socket are lost: read the list.
      this.#wasLost = false;
      this.#entries.request();
    }
    // The session ended while the page was open (close code LOGIN_REQUIRED): only a login helps.
    if (state === "ended" && status.code === 4401) {
      window.location.assign(this.#boot.login_url);
      return;
    }
    this.#paintSoon();
    this.#paintHealth();
  }

  #applyVisibility() {
    this.#applyRate();
    if (!document.hidden) {
      // Timers of a hidden tab are throttled, so a backoff may be long over.
      this.#socket.retryNow();
      this.#paintSoon();
    }
  }

  // --- painting

  #paintSoon() {
    // Browsers do not run animation frames in a hidden tab; #applyVisibility paints when it is shown.
    if (!this.#isPaintDue && !document.hidden && !this.#pause.isOn) {
      this.#isPaintDue = true;
      requestAnimationFrame((now) => this.#paint(now));
    }
  }

  /** @param {number} now */
  #paint(now) {
    this.#isPaintDue = false;
    if (this.#pause.isOn) {
      // Due before the pause; what has changed is painted when it ends.
      return;
    }
    const changed = this.#quotes.takeChanged();
    if (changed.size > 0) {
      this.#strip.paint(changed);
      this.#entries.paint(changed);
      this.#panel.paint(changed);
    }
    const computed = this.#analytics.takeChanged();
    if (computed !== null) {
      this.#panel.paintAnalytics(computed);
    }
    this.#detail.paint(changed, computed);
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
    if (performance.now() > this.#analyticsEndAt) {
      this.#analyticsEndAt = Infinity;
      this.#analytics.clear();
      this.#paintSoon();
    }
    this.#paintHealth();
    // An old price must not pass for a live one in the title.
    this.#title.paint(this.#pause.isOn ? null : this.#panel.chain, this.#quotes, performance.now());
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
    document.body.dataset["health"] = health.tone;
    const { feed, isReceiving } = this.#quotes;
    const serverNowMs = this.#serverNowMs;
    this.#line.paint({ feed, measurements, isReceiving, serverNowMs, now });
    this.#chip.paint(this.#pause.paint(health, serverNowMs, now));
  }

  /** By the server's clock, once it has sent a frame; the browser's may be minutes wrong. */
  get #serverNowMs() {
    return this.#lastFrame === null ? Date.now() : this.#lastFrame.serverTimeMs + performance.now() - this.#frameAt;
  }

  // --- the chain and the list

  #markListed() {
    this.#panel.showListed(this.#entries.markOpen(this.#panel.chain));
  }

  /** @param {Entry} entry */
  #openEntry(entry) {
    const { symbol, exchange, expiry, quoted_instrument_id: quoted } = entry;
    if (isChain(entry) || quoted === null) {
      this.#opening.open({ symbol, exchange, ...(isChain(entry) && expiry !== null && { expiry }) });
    } else {
      this.#detail.open(quoted, nameOf(entry));
    }
  }

  /** The view of the detail is shown without an instrument: show the underlying. */
  #openAnyDetail() {
    const spot = this.#panel.chain?.spot_instrument_id;
    if (this.#detail.instrumentId === null && spot !== undefined) {
      this.#detail.open(spot);
    }
  }

  /** Show the details of what has the focus, else of the underlying; close them if they are shown. */
  #toggleDetail() {
    const focused = document.activeElement;
    const entry = this.#entries.find(entryAt(focused));
    this.#detail.toggle(optionAt(focused) ?? entry?.quoted_instrument_id ?? this.#detail.instrumentId ?? this.#panel.chain?.spot_instrument_id ?? null);
  }

  /** Open what the search has found. @param {import("./hits.js").Opening} opening */
  #openFound({ request, place }) {
    this.#opening.open(request, { place });
    // A sought cell takes the focus when the chain comes; until then it is not lost to the page.
    byId("chain").focus({ preventScroll: true });
  }

  #showOpened() {
    // What the trader has asked for is to be seen.
    this.#pause.end();
    this.#search.close();
    this.#views.show("chain");
  }
}

new Terminal().start();
