// The scanner page: one ranking of everything that streams, sorted by the server once a second. It watches one scan on
// the socket; a hidden tab keeps its socket and paints nothing.

import { formatTimeWithSeconds } from "../marketdata/format.js";
import { RECEIVING_WITHIN_MS } from "../marketdata/quotes.js";
import { ConnectionChip } from "./chip.js";
import { byId, byIdAs, make } from "./dom.js";
import { judgeHealth } from "./health.js";
import { ScanTable } from "./scan-table.js";
import { addressOfScan, closedSince, judgeScan, parseScanAddress, RANKINGS } from "./scans.js";
import { MarketSocket } from "./socket.js";

/** @typedef {import("../marketdata/frames.js").Frame} Frame */
/** @typedef {import("../marketdata/quotes.js").Feed} Feed */
/** @typedef {import("./scans.js").ScanMessage} ScanMessage */

/** The page watches no quotes: its frames are signs of life, and carry the ages of the feed. */
const RATE_HZ = 1;
/** Chosen: a result that is too old reads as live at most this long. */
const CHECK_EVERY_MS = 250;
const WATCH = "scan";

class Scanner {
  #boot = JSON.parse(byId("boot").textContent ?? "{}");
  #chip = new ConnectionChip();
  #table = new ScanTable(byIdAs("scan", "table"), this.#boot.terminal_url, () => this.#paint());
  #rankings = byIdAs("ranking", "select");
  #underlyings = byIdAs("underlying", "select");
  #socket = new MarketSocket(`${window.location.origin.replace(/^http/, "ws")}/ws/market/`, {
    onMessage: (message) => this.#dispatch(message),
    onFrame: (frame) => this.#applyFrame(frame),
    onAnalytics: () => {},
    onStatus: (status) => this.#noteSocketStatus(status),
  });
  #choice = parseScanAddress("");
  /** @type {ScanMessage | null} */
  #message = null;
  /** When the newest result came, or the choice was made. */
  #at = performance.now();
  #refusal = "";
  /** @type {Feed | null} */
  #feed = null;
  /** @type {Frame | null} */
  #frame = null;
  #frameAt = -Infinity;
  /** The underlyings of the newest result. @type {string[]} */
  #streaming = [];
  #listed = "";

  start() {
    for (const group of new Set(RANKINGS.map((one) => one.group))) {
      const options = RANKINGS.filter((one) => one.group === group).map((one) => make("option", { value: one.id, text: one.label }));
      this.#rankings.append(make("optgroup", { label: group }, options));
    }
    for (const select of [this.#rankings, this.#underlyings]) {
      select.addEventListener("change", () => {
        window.location.hash = addressOfScan(this.#rankings.value, this.#underlyings.value || null);
      });
    }
    window.addEventListener("hashchange", () => this.#choose());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) {
        this.#socket.retryNow();
        this.#paint();
      }
    });
    byId("connection").addEventListener("click", () => this.#socket.retryNow());
    this.#socket.setRate(RATE_HZ);
    this.#choose();
    this.#socket.open();
    // A timer, not the next message: a stopped worker or a dead socket sends nothing.
    setInterval(() => this.#check(), CHECK_EVERY_MS);
  }

  #choose() {
    this.#choice = parseScanAddress(decodeURIComponent(window.location.hash.slice(1)));
    const { ranking, underlying } = this.#choice;
    this.#forget();
    this.#rankings.value = ranking.id;
    byId("scan-rule").textContent = ranking.rule;
    byId("scan-caption").textContent = `${ranking.group}: ${ranking.label}`;
    this.#listUnderlyings(this.#streaming);
    this.#table.begin(ranking);
    this.#socket.watch(WATCH, { scan: { ranking: ranking.id, underlying } });
    this.#paint();
  }

  #forget() {
    this.#message = null;
    this.#refusal = "";
    this.#at = performance.now();
  }

  /** @param {any} message */
  #dispatch(message) {
    switch (message.type) {
      case "scan":
        // A result of the choice before may still be on its way.
        if (message.ranking === this.#choice.ranking.id && message.underlying === this.#choice.underlying) {
          this.#message = message;
          this.#at = performance.now();
          this.#refusal = "";
          this.#paint();
        }
        break;
      case "feed":
        this.#feed = message;
        break;
      case "error":
        if (message.id === WATCH) {
          this.#refusal = message.message;
          this.#paint();
        }
        break;
    }
  }

  /** @param {Frame} frame */
  #applyFrame(frame) {
    this.#frame = frame;
    this.#frameAt = performance.now();
    this.#socket.acknowledge(frame.sequence);
  }

  /** @param {import("./socket.js").SocketStatus} status */
  #noteSocketStatus({ state, code }) {
    // The login session ended while the page was open (close code LOGIN_REQUIRED): only a login helps.
    if (state === "ended" && code === 4401) {
      window.location.assign(this.#boot.login_url);
      return;
    }
    this.#forget();
    this.#check();
  }

  // --- painting

  #check() {
    this.#socket.checkKeepalive();
    this.#paintHealth();
    this.#paintState();
  }

  #paint() {
    if (!document.hidden) {
      this.#paintState();
      const { isLive } = this.#judge();
      if (isLive) {
        this.#streaming = this.#message?.underlyings ?? [];
        this.#listUnderlyings(this.#streaming);
        this.#table.show(this.#message?.rows ?? [], isLive);
      }
    }
  }

  #judge() {
    const ageMs = performance.now() - this.#at;
    return judgeScan({ socket: this.#socket.status.state, message: this.#message, ageMs, refusal: this.#refusal });
  }

  #paintState() {
    const { isLive, tone, sentence } = this.#judge();
    const region = byId("scan-state");
    // An equal text is not written, because screen readers would read it again.
    if (region.textContent !== sentence) {
      region.textContent = sentence;
    }
    byId("scan-bar").dataset["tone"] = tone;
    const at = isLive ? (this.#message?.computed_at_ms ?? null) : null;
    byId("scan-time").textContent = at === null ? "" : `computed at ${formatTimeWithSeconds(at)}`;
    byId("scan-held").hidden = !(isLive && this.#table.isHeld);
    if (!isLive) {
      this.#table.show([], false);
    }
  }

  #paintHealth() {
    const now = performance.now();
    const sinceMs = now - this.#frameAt;
    const { feedAgeMs = null, measurements = [] } = this.#frame ?? {};
    const health = judgeHealth({
      socket: this.#socket.status,
      feed: this.#feed,
      isReceiving: sinceMs < RECEIVING_WITHIN_MS && this.#socket.status.state === "open",
      ageMs: feedAgeMs === null ? null : feedAgeMs + sinceMs,
      measurements,
      sinceMs,
      now,
      closedSinceMs: closedSince(this.#message?.rows ?? [], this.#feed?.closed),
    });
    this.#chip.paint(health);
    // Rankings of prices that do not move are no live ones, whoever computes them.
    document.body.dataset["prices"] = health.tone === "down" || health.label === "Stale" ? "outdated" : "current";
  }

  /** @param {string[]} listed  The underlyings that stream; the chosen one is offered, too. */
  #listUnderlyings(listed) {
    const { underlying } = this.#choice;
    const offered = [...new Set([...listed, ...(underlying === null ? [] : [underlying])])].sort();
    // While it is open, a list that changes would close.
    if (this.#listed !== offered.join() && document.activeElement !== this.#underlyings) {
      this.#listed = offered.join();
      const options = offered.map((one) => make("option", { value: one, text: one.replace(/^NSE:/, "") }));
      this.#underlyings.replaceChildren(make("option", { value: "", text: "All underlyings" }), ...options);
    }
    this.#underlyings.value = underlying ?? "";
  }
}

new Scanner().start();
