// The panel of charts below the chain: tabs, one drawing, or its values as a table. It draws what the page knows at most
// once a second, and nothing while it is closed or the tab is hidden. Paint only.

import { priceOf } from "../marketdata/quotes.js";
import * as api from "./api.js";
import { oiTable, smileTable, strikeRows } from "./chart_data.js";
import { CandleDrawing, OiDrawing, SmileDrawing, StraddleDrawing } from "./chart_drawings.js";
import { loadLibrary } from "./chart_library.js";
import { candlesOf, candleTable, continueCandles, DayPoints, tradedAt } from "./day_points.js";
import { byId, byIdAs, make, makeButton } from "./dom.js";
import { continuePoints, pointOfNow, pointsOf, straddleTable } from "./straddle_day.js";

/** @typedef {import("../marketdata/analytics.js").AnalyticsCache} AnalyticsCache */
/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./chart_data.js").Leg} Leg */
/** @typedef {import("./chart_data.js").Table} Table */
/** @typedef {import("./chart_drawings.js").Palette} Palette */
/** @typedef {import("./chart_library.js").Library} Library */
/** @typedef {import("./day_points.js").Candle} Candle */
/** @typedef {import("./straddle_day.js").StraddlePoint} StraddlePoint */

/** What this browser remembers. @typedef {{isOpen: boolean, tab: string, isTable: boolean}} ChartState */

/**
 * What the page knows.
 * @typedef {object} ChartSource
 * @property {() => Chain | null} readChain  The chain on the screen.
 * @property {(instrumentId: number) => Leg} readLeg
 * @property {AnalyticsCache} analytics
 */

/** A drawing of rows; a point is a strike or a time. @typedef {{draw: (rows: readonly any[]) => void, onPoint: (listener: (at: number | undefined) => void) => void, remove: () => void}} Drawing */

/**
 * One chart. `readRows` returns a sentence instead where there is nothing to draw.
 * @typedef {object} ChartKind
 * @property {string} name
 * @property {string} title
 * @property {[ink: string, text: string][]} keys
 * @property {(chain: Chain, source: ChartSource) => readonly any[] | string} readRows
 * @property {(rows: readonly any[]) => Table} tableOf
 * @property {new (library: Library, container: HTMLElement, palette: Palette, rows: readonly any[]) => Drawing} Drawing
 * @property {(row: any) => number} pointOf
 */

/** @type {readonly ChartKind[]} */
const KINDS = Object.freeze([
  {
    name: "smile",
    title: "IV smile",
    keys: [["line", "IV %"]],
    readRows: (chain, source) => {
      const rows = strikeRows(chain, source.readLeg);
      return rows.some(({ iv }) => iv !== null) ? rows : "No volatility is known of this chain now.";
    },
    tableOf: smileTable,
    Drawing: SmileDrawing,
    pointOf: (row) => row.strike,
  },
  {
    name: "oi",
    title: "OI by strike",
    keys: [
      ["call", "Call OI, change below"],
      ["put", "Put OI, change below"],
    ],
    readRows: (chain, source) => {
      const rows = strikeRows(chain, source.readLeg);
      const isKnown = rows.some(({ callOi, putOi }) => callOi !== null || putOi !== null);
      return isKnown ? rows : "No open interest is known of this chain now.";
    },
    tableOf: oiTable,
    Drawing: OiDrawing,
    pointOf: (row) => row.strike,
  },
  {
    name: "straddle",
    title: "Straddle today",
    keys: [["line", "at the money · IST"]],
    readRows: (chain, source) => {
      const points = straddlePoints.read(chain, performance.now(), (found) => extendPoints(found, chain, source));
      return points.length > 0 ? points : "No straddle of today is known: a point is taken each minute of the session.";
    },
    tableOf: straddleTable,
    Drawing: StraddleDrawing,
    pointOf: (row) => row.at,
  },
  {
    name: "underlying",
    title: "Underlying",
    keys: [
      ["rise", "rose, hollow"],
      ["fall", "fell, filled · IST"],
    ],
    readRows: (chain, source) => {
      const candles = underlyingCandles.read(chain, performance.now(), (found) => extendCandles(found, chain, source));
      return candles.length > 0 ? candles : "No trade of this session is known yet.";
    },
    tableOf: candleTable,
    Drawing: CandleDrawing,
    pointOf: (row) => row.at,
  },
]);

/** The straddle of a chain, by the minute. */
const straddlePoints = new DayPoints(async ({ symbol, exchange, expiry }) =>
  pointsOf(await api.read(`instruments/${encodeURIComponent(symbol)}/straddle`, { exchange, expiry })),
);

/**
 * Return points with the straddle of the page.
 * @param {readonly StraddlePoint[]} points @param {Chain} chain @param {ChartSource} source
 */
function extendPoints(points, chain, { analytics, readLeg }) {
  const series = analytics.findSeries(chain.series_id);
  return continuePoints(points, pointOfNow(chain, series, readLeg, analytics.serverTimeMs));
}

/** The prices of what the options of a chain are written on, by the minute. */
const underlyingCandles = new DayPoints(async ({ symbol, exchange, expiry }) =>
  candlesOf(await api.read(`instruments/${encodeURIComponent(symbol)}/intraday`, { exchange, expiry })),
);

/**
 * Return candles with the live price of the page; one that is not live belongs to no candle of now.
 * @param {readonly Candle[]} candles @param {Chain} chain @param {ChartSource} source
 */
function extendCandles(candles, chain, source) {
  const { quote, state } = source.readLeg(chain.spot_instrument_id);
  const price = priceOf(quote?.ltp ?? null, null);
  const second = quote === null || state !== "live" ? null : tradedAt(quote);
  return price === null || second === null ? candles : continueCandles(candles, price, second);
}

/** Required: a chart is drawn at most once a second. */
const DRAW_EVERY_MS = 1_000;
/** Chosen: another chain is drawn a quarter of a second after it is on the screen. */
const CHECK_EVERY_MS = 250;
const INKS = /** @type {const} */ (["call", "put", "line", "rise", "fall", "text", "grid", "edge"]);

export class ChartPanel {
  #source;
  #state;
  #remember;
  #library = /** @type {Library | null} */ (null);
  #canvas = byId("chart-canvas");
  #table = byId("chart-table");
  #sentence = byId("chart-sentence");
  #reading = byId("chart-reading");
  /** Hidden elements whose computed colors are those of the theme. */
  #inks = new Map(INKS.map((ink) => [ink, make("i", { "data-ink": ink, hidden: "" })]));
  /** @type {Drawing | null} */
  #drawing = null;
  /** What the drawing shows, apart from its values: another one needs another drawing. */
  #drawn = "";
  #written = "";
  /** @type {number | undefined} */
  #timer = undefined;
  #drawnAt = -Infinity;
  /** @type {Chain | null} */
  #chain = null;
  /** @type {number | undefined} */
  #pointed = undefined;
  /** @type {readonly any[]} */
  #rows = [];

  /** @param {ChartSource} source @param {ChartState} state @param {(change: Partial<ChartState>) => void} remember */
  constructor(source, state, remember) {
    this.#source = source;
    this.#state = { tab: state.tab, isTable: state.isTable };
    this.#remember = remember;
    byId("charts").append(...this.#inks.values());
    byId("chart-tabs").append(
      ...KINDS.map(({ name, title }) =>
        makeButton({ class: "chip", "data-chart": name, text: title }, () => this.#choose({ tab: name })),
      ),
    );
    byId("chart-as-table").addEventListener("click", () => this.#choose({ isTable: !this.#state.isTable }));
    this.#mark();
  }

  /** Draw until `close`. */
  open() {
    this.#timer ??= window.setInterval(() => this.#check(), CHECK_EVERY_MS);
    this.#redraw();
    if (this.#library === null) {
      loadLibrary().then(
        (library) => {
          this.#library = library;
          this.#redraw();
        },
        () => this.#say("The charts could not be loaded. The table has their values."),
      );
    }
  }

  close() {
    window.clearInterval(this.#timer);
    this.#timer = undefined;
    this.#removeDrawing();
  }

  get #kind() {
    return /** @type {ChartKind} */ (KINDS.find(({ name }) => name === this.#state.tab) ?? KINDS[0]);
  }

  /** @param {Partial<{tab: string, isTable: boolean}>} change */
  #choose(change) {
    this.#state = { ...this.#state, ...change };
    this.#remember(change);
    this.#mark();
    this.#redraw();
  }

  /** Show which chart is chosen, and its keys. */
  #mark() {
    const { name, keys } = this.#kind;
    for (const tab of byId("chart-tabs").querySelectorAll("button")) {
      tab.ariaPressed = String(tab.dataset["chart"] === name);
    }
    byIdAs("chart-as-table", "button").ariaPressed = String(this.#state.isTable);
    byId("chart-keys").replaceChildren(
      ...keys.map(([ink, text]) => make("span", { class: "chart-key" }, [make("i", { "data-ink": ink }), text])),
    );
  }

  #check() {
    const isOther = this.#source.readChain() !== this.#chain;
    const isPaused = document.body.dataset["screen"] === "paused";
    const isDue = !isPaused && performance.now() - this.#drawnAt >= DRAW_EVERY_MS;
    if (!document.hidden && (isOther || isDue)) {
      this.#redraw();
    }
  }

  #redraw() {
    this.#drawnAt = performance.now();
    const chain = this.#source.readChain();
    this.#chain = chain;
    if (chain === null || this.#timer === undefined) {
      this.#removeDrawing();
      return;
    }
    const rows = this.#kind.readRows(chain, this.#source);
    this.#say(typeof rows === "string" ? rows : "");
    this.#rows = typeof rows === "string" ? [] : rows;
    this.#canvas.hidden = this.#state.isTable;
    this.#table.hidden = !this.#state.isTable;
    if (this.#state.isTable) {
      this.#removeDrawing();
      this.#writeTable(chain);
    } else if (this.#library !== null && this.#rows.length > 0) {
      this.#draw(this.#library, chain);
    } else {
      this.#removeDrawing(); // It would go on showing other values, above the sentence.
    }
    this.#read();
  }

  /** @param {Library} library @param {Chain} chain */
  #draw(library, chain) {
    const { name, title, Drawing } = this.#kind;
    const palette = this.#readPalette();
    const drawn = [name, chain.symbol, chain.exchange, chain.expiry, ...Object.values(palette)].join("|");
    if (this.#drawing === null || drawn !== this.#drawn) {
      this.#removeDrawing();
      this.#drawn = drawn;
      this.#drawing = new Drawing(library, this.#canvas, palette, this.#rows);
      this.#drawing.onPoint((at) => {
        this.#pointed = at;
        this.#read();
      });
      this.#canvas.ariaLabel = `${title} of ${chain.symbol}. The button “Table” shows its values.`;
    }
    const written = JSON.stringify(this.#rows);
    if (written !== this.#written) {
      this.#written = written;
      this.#drawing.draw(this.#rows);
    }
  }

  #removeDrawing() {
    this.#drawing?.remove();
    this.#drawing = null;
    this.#written = "";
    this.#pointed = undefined;
  }

  /** Write the values under the pointer. */
  #read() {
    const { pointOf, tableOf } = this.#kind;
    const row = this.#pointed === undefined ? undefined : this.#rows.find((one) => pointOf(one) === this.#pointed);
    const { head, rows } = tableOf(row === undefined ? [] : [row]);
    const text = rows.map((cells) => cells.map((cell, index) => `${head[index]} ${cell}`).join(" · ")).join("");
    if (this.#reading.textContent !== text) {
      this.#reading.textContent = text;
    }
  }

  /** @param {Chain} chain */
  #writeTable(chain) {
    const { head, rows } = this.#kind.tableOf(this.#rows);
    const atm = this.#rows.findIndex((one) => one.isAtm === true);
    const written = JSON.stringify([this.#state.tab, chain.symbol, chain.exchange, chain.expiry, head, rows, atm]);
    // An equal table is not written: a screen reader would lose its place.
    if (written === this.#written && this.#table.hasChildNodes()) {
      return;
    }
    this.#written = written;
    const cells = this.#table.querySelectorAll("tbody th, tbody td");
    if (this.#table.dataset["shape"] === `${this.#state.tab} ${rows.length}` && cells.length === rows.flat().length) {
      rows.flat().forEach((text, index) => {
        const cell = /** @type {Element} */ (cells[index]);
        if (cell.textContent !== text) {
          cell.textContent = text;
        }
      });
    } else {
      this.#table.dataset["shape"] = `${this.#state.tab} ${rows.length}`;
      this.#table.replaceChildren(makeTable(this.#kind.title, head, rows));
    }
    [...this.#table.querySelectorAll("tbody tr")].forEach((row, index) => row.classList.toggle("atm", index === atm));
  }

  /** @param {string} sentence */
  #say(sentence) {
    if (this.#sentence.textContent !== sentence) {
      this.#sentence.textContent = sentence;
    }
    this.#sentence.hidden = sentence === "";
  }

  /** @returns {Palette} */
  #readPalette() {
    const colors = [...this.#inks].map(([ink, node]) => [ink, getComputedStyle(node).backgroundColor]);
    return { ...Object.fromEntries(colors), ground: getComputedStyle(byId("charts")).backgroundColor };
  }
}

/** @param {string} title @param {string[]} head @param {string[][]} rows */
function makeTable(title, head, rows) {
  const headings = head.map((text) => make("th", { scope: "col", text }));
  const lines = rows.map(([first = "", ...others]) =>
    make("tr", {}, [make("th", { scope: "row", text: first }), ...others.map((text) => make("td", { text }))]),
  );
  return make("table", {}, [
    make("caption", { class: "visually-hidden", text: title }),
    make("thead", {}, [make("tr", {}, headings)]),
    make("tbody", {}, lines),
  ]);
}
