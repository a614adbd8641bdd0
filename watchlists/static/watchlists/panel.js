// The chain panel around the ladder: header, expiries, spot, and the empty, loading and error states. Paint only.

import * as format from "../marketdata/format.js";
import { Cell, paintQuote, PriceCell, setAttribute } from "./cells.js";
import { ChainLadder } from "./chain.js";
import { byId, byIdAs } from "./dom.js";
import { ExpiryTabs } from "./expiry_tabs.js";
import { paintFollow } from "./follow_chip.js";
import { isSameChain, legsOf, standstillText } from "./underlying.js";

/** @typedef {import("../marketdata/analytics.js").AnalyticsCache} AnalyticsCache */
/** @typedef {import("../marketdata/analytics.js").SeriesAnalytics} SeriesAnalytics */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./search.js").Expiry} Expiry */

export class ChainPanel {
  #quotes;
  #analytics;
  #ladder;
  #panel = byId("chain");
  #title = byId("chain-title");
  #expiries;
  #sentence = byId("chain-sentence");
  #banner = byId("chain-banner");
  #spot = new PriceCell(byId("spot"));
  #spotChange = new Cell(byId("spot-change"));
  #atm = new Cell(byId("atm"));
  #facts = {
    atmIv: new Cell(byId("atm-iv")),
    straddle: new Cell(byId("straddle")),
    pcr: new Cell(byId("pcr")),
    maxPain: new Cell(byId("max-pain")),
    forward: new Cell(byId("forward")),
  };
  /** @type {Chain | null} */
  #chain = null;
  /** @type {ReadonlyMap<string, boolean>} */
  #listedExpiries = new Map();

  /**
   * @param {QuoteCache} quotes
   * @param {AnalyticsCache} analytics
   * @param {{onExpiry: (expiry: string) => void, onAdd: () => void, onRetry: () => void}} actions
   */
  constructor(quotes, analytics, actions) {
    this.#quotes = quotes;
    this.#analytics = analytics;
    this.#ladder = new ChainLadder(byId("ladder"), quotes, analytics, paintFollow);
    this.#expiries = new ExpiryTabs(actions.onExpiry);
    byId("chain-add").addEventListener("click", actions.onAdd);
    byId("chain-retry").addEventListener("click", actions.onRetry);
    byId("recenter").addEventListener("click", () => this.#ladder.toggleFollow());
  }

  get chain() {
    return this.#chain;
  }

  /** The columns that one sees, of the calls from the left. */
  get visibleColumns() {
    return this.#ladder.visibleColumns;
  }

  /** What a table of the screen has. @returns {import("./chain_table.js").Shown} */
  get shown() {
    return { columns: this.#ladder.visibleColumns, straddle: this.#ladder.showsStraddles };
  }

  /** @param {readonly Column[] | null} columns  Of the calls, from the left; null for those of the presets. */
  setColumns(columns) {
    this.#ladder.setColumns(columns);
  }

  /** What is sought in a chain; it is shown when the chain comes. */
  get sought() {
    return this.#ladder.sought;
  }

  /** @param {string} symbol @param {string | null} expiry */
  showLoading(symbol, expiry) {
    // The old ladder goes at once: its prices must not stand under the new symbol.
    this.#chain = null;
    this.#ladder.clear();
    this.#expiries.clear();
    this.#title.textContent = symbol;
    this.#sentence.textContent = `Loading the option chain of ${symbol}${expiry ? `, ${format.formatExpiry(expiry)}` : ""} …`;
    this.#setState("loading");
  }

  /** @param {string} sentence */
  showError(sentence) {
    this.#sentence.textContent = sentence;
    this.#setState("error");
  }

  /** @param {"loading" | "error" | "full"} state */
  #setState(state) {
    this.#panel.dataset["state"] = state;
    this.#panel.ariaBusy = String(state === "loading");
  }

  /** @param {Chain} chain */
  show(chain) {
    const isOther = !isSameChain(this.#chain, chain);
    this.#chain = chain;
    this.#setState("full");
    this.#title.textContent = chain.symbol;
    byId("chain-exchange").textContent = chain.exchange;
    byId("chain-over").hidden = !chain.over;
    byId("lot").textContent = format.formatWhole(chain.lot_size);
    byId("legs").textContent = format.formatWhole(legsOf(chain).length);
    // A recentred window of the same chain keeps its price, so that the next tick is still marked as a change.
    if (isOther) {
      this.#spot.forget();
      this.#expiries.mark(chain.expiry);
    }
    this.#ladder.show(chain);
    this.paint(null);
    this.paintAnalytics(null);
  }

  /** @param {Expiry[]} expiries */
  showExpiries(expiries) {
    this.#expiries.show(expiries, this.#chain?.expiry ?? null);
  }

  /**
   * Set the expiries of the open underlying that are on a list of the trader: those need no button to add them, unless
   * their entry has stopped streaming.
   * @param {ReadonlyMap<string, boolean>} expiries  Whether it has.
   */
  showListed(expiries) {
    this.#listedExpiries = expiries;
    this.#paintBanner();
  }

  /** @param {Set<number> | null} changed */
  paint(changed) {
    const chain = this.#chain;
    if (chain === null) {
      return;
    }
    this.#ladder.paint(changed);
    if (changed === null || changed.has(chain.spot_instrument_id)) {
      this.#paintSpot(chain.spot_instrument_id);
    }
    this.#paintBanner();
  }

  /**
   * Write the analytics of the changed options and of the series; null writes those of all options.
   * @param {Set<number> | null} changed
   */
  paintAnalytics(changed) {
    if (this.#chain === null) {
      return;
    }
    this.#ladder.paintAnalytics(changed);
    const series = this.#analytics.findSeries(this.#chain.series_id);
    this.#ladder.markStrikes(series ?? { resistance: null, support: null, maxPain: null });
    const { straddle = null, expectedMove = null } = series ?? {};
    this.#facts.atmIv.write(format.formatFixed(series?.atmIv ?? null, 1));
    this.#facts.straddle.write(
      straddle === null ? format.UNKNOWN : `${format.formatFixed(straddle, 2)} ±${format.formatFixed(expectedMove, 2)}%`,
    );
    this.#facts.pcr.write(format.formatFixed(series?.pcrOi ?? null, 2));
    this.#facts.maxPain.write(series?.maxPain == null ? format.UNKNOWN : format.formatStrike(series.maxPain));
    this.#facts.forward.write(format.formatFixed(series?.forward ?? null, 2));
    const counted = series === null ? "" : describeStrikes(series);
    setAttribute(this.#facts.pcr.node, "title", counted);
    setAttribute(this.#facts.maxPain.node, "title", counted);
  }

  /** @param {number} instrumentId */
  #paintSpot(instrumentId) {
    const figure = byId("spot-figure");
    const { change, percent, arrow, stateTitle } = paintQuote(this.#quotes, instrumentId, this.#spot, figure);
    const text = `${arrow} ${format.formatChange(change)} (${format.formatPercent(percent)})`;
    this.#spotChange.write(change === null ? "" : text.trim());
    this.#atm.write(this.#ladder.atmText());
    setAttribute(figure, "title", stateTitle.replace(/^ · /, ""));
  }

  #paintBanner() {
    const chain = this.#chain;
    if (chain === null) {
      return;
    }
    const isStopped = this.#listedExpiries.get(chain.expiry);
    const add = byIdAs("chain-add", "button");
    add.hidden = isStopped === false;
    const label = isStopped ? "Stream again" : "Add to watchlist";
    if (add.textContent !== label) {
      add.textContent = label;
    }
    const text = standstillText(chain, isStopped === undefined ? "absent" : isStopped ? "stopped" : "listed");
    // Painted with every frame: an equal text is not written, because screen readers would read it again.
    if (this.#banner.textContent !== text) {
      this.#banner.textContent = text;
    }
    this.#banner.hidden = text === "";
  }

  /** @param {-1 | 1} step  Open the expiry beside the open one. */
  stepExpiry(step) {
    this.#expiries.step(step);
  }

  scrollToAtm() {
    this.#ladder.scrollToAtm();
  }
}

/**
 * Return which strikes a sum over the series counts.
 * @param {SeriesAnalytics} series
 */
function describeStrikes({ strikesCounted, strikesListed, chainAtMs }) {
  const count = `${strikesCounted} of ${strikesListed} strikes`;
  return chainAtMs === null ? count : `${count}; those that do not stream as of ${format.formatTime(chainAtMs)}`;
}
