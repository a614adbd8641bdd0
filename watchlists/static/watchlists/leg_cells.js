// One side of one strike of the ladder, and the heads of its columns. Paint only.

import { BUILD_UPS, IV_REASONS, OI_SOURCES } from "../marketdata/analytics.js";
import * as format from "../marketdata/format.js";
import { changeOf } from "../marketdata/quotes.js";
import { Cell, PriceCell, setAttribute, stateTitleOf } from "./cells.js";
import { LABELS, mirror, TITLES } from "./columns.js";
import { make } from "./dom.js";

/** @typedef {import("../marketdata/analytics.js").OptionAnalytics} OptionAnalytics */
/** @typedef {import("../marketdata/quotes.js").State} State */
/** @typedef {import("../marketdata/frames.js").Quote} Quote */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {"call" | "put"} Side */

/** @param {Side} side @param {readonly Column[]} columns  Of the calls. */
function orderOf(side, columns) {
  return side === "call" ? columns : mirror(columns);
}

/** One side of one strike. */
export class LegCells {
  /** Those that the row has. @type {Map<Column, Cell>} */
  #cells;
  /** @type {PriceCell | null} */
  #ltp = null;
  /** Behind the open interest, as long as its share of the highest one. */
  #bar = make("span", { class: "bar", "aria-hidden": "true" });
  #barPercent = 0;

  /** @param {HTMLElement} row @param {Side} side @param {readonly Column[]} columns  Of the calls, from the left. */
  constructor(row, side, columns) {
    this.side = side;
    this.row = row;
    const first = side === "call" ? 1 : columns.length + 2;
    this.#cells = new Map(orderOf(side, columns).map((column, index) => [column, this.#build(column, first + index)]));
    this.#cells.get("oi")?.node.prepend(this.#bar);
  }

  /** @param {Column} column @param {number} index  Counts from 1. @returns {Cell} */
  #build(column, index) {
    const node = make("div", { role: "gridcell", tabindex: "-1", class: `${this.side} ${column}`, "aria-colindex": String(index) });
    this.row.append(node);
    if (column !== "ltp") {
      return new Cell(node);
    }
    this.#ltp = new PriceCell(node);
    return this.#ltp;
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
    if (this.#ltp !== null) {
      setAttribute(this.#ltp.node, "title", stateTitleOf(state, quote).replace(/^ · /, ""));
      this.#ltp.writePrice(quote, state, tickSize);
    }
    this.#write("bid", format.formatPrice(quote?.bid ?? null, tickSize));
    this.#write("ask", format.formatPrice(quote?.ask ?? null, tickSize));
    const { change, percent } = changeOf(quote, tickSize);
    for (const node of [this.#write("change", format.formatChange(change)), this.#write("change-percent", format.formatPercent(percent))]) {
      if (node !== null) {
        setAttribute(node, "data-direction", format.directionOf(change));
      }
    }
    this.#writeCount("volume", quote?.volume ?? null);
    this.#writeCount("oi", quote?.oi ?? null);
  }

  /** @param {OptionAnalytics | null} analytics */
  writeAnalytics(analytics) {
    const iv = this.#write("iv", format.formatFixed(analytics?.iv ?? null, 1));
    if (iv !== null) {
      iv.title = IV_REASONS[analytics?.reason ?? IV_REASONS.length - 1] ?? "";
    }
    this.#write("delta", format.formatFixed(analytics?.delta ?? null, 2));
    // Five decimals: at the money, an index option has a gamma of about 0.0005.
    this.#write("gamma", format.formatFixed(analytics?.gamma ?? null, 5));
    this.#write("theta", format.formatFixed(analytics?.theta ?? null, 2));
    this.#write("vega", format.formatFixed(analytics?.vega ?? null, 2));
    this.#write("intrinsic", format.formatFixed(analytics?.intrinsic ?? null, 2));
    this.#write("time-value", format.formatFixed(analytics?.timeValue ?? null, 2));
    this.#writeOiChange(analytics);
  }

  /** @param {OptionAnalytics | null} analytics */
  #writeOiChange(analytics) {
    const change = analytics?.oiChange ?? null;
    const buildUp = BUILD_UPS[analytics?.buildUp ?? 0];
    const text = format.formatCompactChange(change);
    const node = this.#write("oi-change", buildUp?.short ? `${buildUp.short} ${text}` : text);
    if (node !== null) {
      setAttribute(node, "data-direction", format.directionOf(change));
      const source = OI_SOURCES[analytics?.oiChangeSource ?? 0];
      const since = change === null ? "" : `${format.formatWhole(change)} since the previous close, by ${source}`;
      node.title = [since, buildUp?.text].filter(Boolean).join(" · ");
    }
  }

  /** @param {Column} column @param {number | null} count  Abbreviated; the tooltip has the full number. */
  #writeCount(column, count) {
    const node = this.#write(column, format.formatCompact(count));
    if (node !== null) {
      node.title = count === null ? "" : format.formatWhole(count);
    }
  }

  /**
   * Write a column that the row may have; return its cell if the text differs from the one before.
   * @param {Column} column
   * @param {string} text
   */
  #write(column, text) {
    const cell = this.#cells.get(column);
    return cell?.write(text) ? cell.node : null;
  }
}

/**
 * Make the two rows of heads: the sides, and their columns.
 * @param {readonly Column[]} columns  Of the calls, from the left.
 */
export function buildHead(columns) {
  const span = String(columns.length);
  const sides = make("div", { role: "row", class: "side-row", "aria-rowindex": "1" }, [
    make("div", { role: "columnheader", class: "side-name", "aria-colspan": span, text: "Calls" }),
    make("div", { role: "columnheader", class: "side-name strike" }, [make("span", { class: "visually-hidden", text: "Strike" })]),
    make("div", { role: "columnheader", class: "side-name", "aria-colspan": span, text: "Puts" }),
  ]);
  const heads = make("div", { role: "row", class: "column-row", "aria-rowindex": "2" }, [
    ...orderOf("call", columns).map((column) => buildColumnHead("call", column)),
    make("div", { role: "columnheader", class: "strike", text: "Strike" }),
    ...orderOf("put", columns).map((column) => buildColumnHead("put", column)),
  ]);
  return make("div", { role: "rowgroup", class: "ladder-head" }, [sides, heads]);
}

/** @param {Side} side @param {Column} column */
function buildColumnHead(side, column) {
  const name = `${side === "call" ? "Call" : "Put"} ${LABELS[column]}`;
  const attributes = { role: "columnheader", class: `${side} ${column}`, "data-column": column, "aria-label": name };
  return make("div", { ...attributes, title: TITLES[column] ?? "", text: LABELS[column] });
}

/**
 * Return the cells of a row by side and column, in their order: where the focus is stays the same when columns change.
 * @param {readonly Column[]} columns  Of the calls, from the left.
 */
export function cellKeys(columns) {
  const keys = (/** @type {Side} */ side) => orderOf(side, columns).map((column) => `${side} ${column}`);
  return [...keys("call"), "strike", ...keys("put")];
}
