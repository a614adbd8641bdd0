// One side of one strike of the ladder, and the columns that both sides have. Paint only.

import { BUILD_UPS, IV_REASONS, OI_SOURCES } from "../marketdata/analytics.js";
import * as format from "../marketdata/format.js";
import { changeOf } from "../marketdata/quotes.js";
import { Cell, PriceCell, setAttribute, stateTitleOf } from "./cells.js";
import { make } from "./dom.js";

/** @typedef {import("../marketdata/analytics.js").OptionAnalytics} OptionAnalytics */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** @typedef {import("../marketdata/frames.js").Quote} Quote */

/**
 * The columns of a side that are visible follow `data-columns` of the container (chain.css).
 * @typedef {"oi" | "volume" | "change" | "bid" | "ltp" | "ask" | "oi-change" | "iv" | "delta" | "theta" | "vega"} Column
 */

/** @type {Record<Column, string>} */
const LABELS = {
  oi: "OI",
  volume: "Volume",
  change: "Chg",
  bid: "Bid",
  ltp: "LTP",
  ask: "Ask",
  "oi-change": "ΔOI",
  iv: "IV",
  delta: "Delta",
  theta: "Theta",
  vega: "Vega",
};
/** Explanations of column heads. @type {Partial<Record<Column, string>>} */
const TITLES = {
  "oi-change": "Open interest less that of the previous close, with the kind of build-up",
  iv: "Implied volatility in percent, of the option out of the money at this strike",
  delta: "Change of the value per rupee of the forward",
  theta: "Change of the value in one trading day, in rupees",
  vega: "Change of the value for one percentage point of volatility, in rupees",
};
/** @type {Record<"call" | "put", Column[]>} */
const COLUMNS = {
  call: ["oi-change", "oi", "volume", "iv", "delta", "theta", "vega", "change", "bid", "ltp", "ask"],
  put: ["bid", "ltp", "ask", "change", "vega", "theta", "delta", "iv", "volume", "oi", "oi-change"],
};
export const SIDE_COLUMNS = COLUMNS.call.length;

/** One side of one strike. */
export class LegCells {
  /** @type {Record<Exclude<Column, "ltp">, Cell> & {ltp: PriceCell}} */
  #cells;
  /** Behind the open interest, as long as its share of the highest one. */
  #bar = make("span", { class: "bar", "aria-hidden": "true" });
  #barPercent = 0;

  /** @param {HTMLElement} row @param {"call" | "put"} side */
  constructor(row, side) {
    this.side = side;
    this.row = row;
    const first = side === "call" ? 1 : SIDE_COLUMNS + 2;
    const entries = COLUMNS[side].map((column, index) => {
      const node = make("div", { role: "gridcell", tabindex: "-1", class: `${side} ${column}`, "aria-colindex": String(first + index) });
      row.append(node);
      return [column, column === "ltp" ? new PriceCell(node) : new Cell(node)];
    });
    this.#cells = Object.fromEntries(entries);
    this.#cells.oi.node.prepend(this.#bar);
  }

  /** @param {number} share  Of the highest open interest, from 0 to 1. */
  writeBar(share) {
    const percent = Math.round(100 * share);
    if (percent !== this.#barPercent) {
      this.#barPercent = percent;
      // A transform changes no layout, and through the object model a strict policy permits it.
      this.#bar.style.transform = `scaleX(${percent / 100})`;
    }
  }

  /** @param {Quote | null} quote @param {State} state @param {number | null} tickSize */
  write(quote, state, tickSize) {
    setAttribute(this.row, `data-${this.side}`, state);
    setAttribute(this.#cells.ltp.node, "title", stateTitleOf(state, quote).replace(/^ · /, ""));
    const { change } = changeOf(quote, tickSize);
    this.#cells.ltp.writePrice(quote, state, tickSize);
    this.#cells.bid.write(format.formatPrice(quote?.bid ?? null, tickSize));
    this.#cells.ask.write(format.formatPrice(quote?.ask ?? null, tickSize));
    if (this.#cells.change.write(format.formatChange(change))) {
      setAttribute(this.#cells.change.node, "data-direction", format.directionOf(change));
    }
    // Counts are abbreviated; the tooltip has the full number.
    this.#writeCount(this.#cells.volume, quote?.volume ?? null);
    this.#writeCount(this.#cells.oi, quote?.oi ?? null);
  }

  /** @param {OptionAnalytics | null} analytics */
  writeAnalytics(analytics) {
    const cells = this.#cells;
    if (cells.iv.write(format.formatFixed(analytics?.iv ?? null, 1))) {
      cells.iv.node.title = IV_REASONS[analytics?.reason ?? IV_REASONS.length - 1] ?? "";
    }
    cells.delta.write(format.formatFixed(analytics?.delta ?? null, 2));
    cells.theta.write(format.formatFixed(analytics?.theta ?? null, 2));
    cells.vega.write(format.formatFixed(analytics?.vega ?? null, 2));
    const change = analytics?.oiChange ?? null;
    const buildUp = BUILD_UPS[analytics?.buildUp ?? 0];
    const text = format.formatCompactChange(change);
    if (cells["oi-change"].write(buildUp?.short ? `${buildUp.short} ${text}` : text)) {
      setAttribute(cells["oi-change"].node, "data-direction", format.directionOf(change));
      const source = OI_SOURCES[analytics?.oiChangeSource ?? 0];
      const since = change === null ? "" : `${format.formatWhole(change)} since the previous close, by ${source}`;
      cells["oi-change"].node.title = [since, buildUp?.text].filter(Boolean).join(" · ");
    }
  }

  /** @param {Cell} cell @param {number | null} count */
  #writeCount(cell, count) {
    if (cell.write(format.formatCompact(count))) {
      cell.node.title = count === null ? "" : format.formatWhole(count);
    }
  }
}

/** Make the two rows of heads: the sides, and their columns. */
export function buildHead() {
  const sides = make("div", { role: "row", class: "side-row", "aria-rowindex": "1" }, [
    make("div", { role: "columnheader", class: "side-name", "aria-colspan": String(SIDE_COLUMNS), text: "Calls" }),
    make("div", { role: "columnheader", class: "side-name strike" }, [make("span", { class: "visually-hidden", text: "Strike" })]),
    make("div", { role: "columnheader", class: "side-name", "aria-colspan": String(SIDE_COLUMNS), text: "Puts" }),
  ]);
  const columns = make("div", { role: "row", class: "column-row", "aria-rowindex": "2" }, [
    ...COLUMNS.call.map((column) => buildColumnHead("call", column)),
    make("div", { role: "columnheader", class: "strike", text: "Strike" }),
    ...COLUMNS.put.map((column) => buildColumnHead("put", column)),
  ]);
  return make("div", { role: "rowgroup", class: "ladder-head" }, [sides, columns]);
}

/** @param {"call" | "put"} side @param {Column} column */
function buildColumnHead(side, column) {
  const name = `${side === "call" ? "Call" : "Put"} ${LABELS[column]}`;
  const title = TITLES[column] ?? "";
  return make("div", { role: "columnheader", class: `${side} ${column}`, "aria-label": name, title, text: LABELS[column] });
}
