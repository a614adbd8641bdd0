// The drawings of the charts, made with the chart library. Paint only.

import { formatCompact, formatCompactChange } from "../marketdata/format.js";
import { strikeDecimals } from "./chart_data.js";
import { IST_SECONDS, MINUTE_SECONDS } from "./day_points.js";
import { GapLine } from "./gap_line.js";
import { everyMinute } from "./straddle_day.js";
import { StrikeBars } from "./strike_bars.js";

/** @typedef {import("./chart_data.js").StrikeRow} StrikeRow */
/** @typedef {import("./day_points.js").Candle} Candle */
/** @typedef {import("./straddle_day.js").StraddlePoint} StraddlePoint */
/** @typedef {import("./chart_library.js").Chart} Chart */
/** @typedef {import("./chart_library.js").Library} Library */
/** @typedef {import("./chart_library.js").Series} Series */

/** Colors of the theme. @typedef {Record<"call" | "put" | "line" | "rise" | "fall" | "text" | "grid" | "edge" | "ground", string>} Palette */

/** Chosen: open interest has two thirds of the height, its change the rest. */
const OI_SHARE = 2;
const CHANGE_SHARE = 1;
/** Where no change is known: the library's least height. */
const NO_SHARE = 0.01;

/**
 * Return the options that all charts share. The library would show its logo by a style element, which the policy of our
 * pages forbids; the panel has a link instead. The mouse wheel scrolls the page, not the chart.
 * @param {Palette} palette
 */
function commonOptions(palette) {
  return {
    autoSize: true,
    handleScroll: false,
    handleScale: false,
    layout: {
      attributionLogo: false,
      background: { type: "solid", color: palette.ground },
      textColor: palette.text,
      fontSize: 11,
      panes: { separatorColor: palette.edge, enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: palette.grid } },
    rightPriceScale: { borderVisible: false, minimumWidth: 60 },
    timeScale: { borderColor: palette.edge },
    crosshair: { mode: 0, horzLine: { visible: false, labelVisible: false }, vertLine: { color: palette.text } },
  };
}

/** What all drawings have: a chart of the library, the point under the pointer, an end. */
class Drawing {
  /** @param {Chart} chart */
  constructor(chart) {
    this.chart = chart;
  }

  /** @param {(at: number | undefined) => void} listener  Gets the strike or the time under the pointer. */
  onPoint(listener) {
    this.chart.subscribeCrosshairMove(({ time }) => listener(time));
  }

  remove() {
    this.chart.remove();
  }
}

/** Open interest of calls and puts, and below it the change since the previous close. */
export class OiDrawing extends Drawing {
  #oi;
  #changes;

  /** @param {Library} library @param {HTMLElement} container @param {Palette} palette @param {readonly StrikeRow[]} rows */
  constructor(library, container, palette, rows) {
    super(makeStrikeChart(library, container, palette, rows));
    const colors = { call: palette.call, put: palette.put, atm: palette.edge };
    this.#oi = this.chart.addCustomSeries(new StrikeBars(colors), withFormat(formatCompact), 0);
    this.#changes = this.chart.addCustomSeries(new StrikeBars(colors), withFormat(formatCompactChange), 1);
    this.chart.panes()[0]?.setStretchFactor(OI_SHARE);
  }

  /** @param {readonly StrikeRow[]} rows */
  draw(rows) {
    this.#oi.setData(rows.map((one) => ({ time: one.strike, call: one.callOi, put: one.putOi, isAtm: one.isAtm })));
    const isChangeKnown = rows.some((one) => one.callOiChange !== null || one.putOiChange !== null);
    this.chart.panes()[1]?.setStretchFactor(isChangeKnown ? CHANGE_SHARE : NO_SHARE);
    this.#changes.setData(
      rows.map((one) => ({ time: one.strike, call: one.callOiChange, put: one.putOiChange, isAtm: one.isAtm })),
    );
    this.chart.timeScale().fitContent();
  }
}

/** Volatility over the strikes; a circle marks the strike at the money. */
export class SmileDrawing extends Drawing {
  #line;
  #marks;
  #color;

  /** @param {Library} library @param {HTMLElement} container @param {Palette} palette @param {readonly StrikeRow[]} rows */
  constructor(library, container, palette, rows) {
    super(makeStrikeChart(library, container, palette, rows));
    this.#color = palette.text;
    this.#line = this.chart.addSeries(library.LineSeries, {
      color: palette.line,
      lineWidth: 2,
      pointMarkersVisible: true,
      pointMarkersRadius: 2,
      lastValueVisible: false,
      priceLineVisible: false,
      priceFormat: { type: "price", precision: 1, minMove: 0.1 },
    });
    this.#marks = library.createSeriesMarkers(this.#line, []);
  }

  /** @param {readonly StrikeRow[]} rows */
  draw(rows) {
    this.#line.setData(rows.map(({ strike, iv }) => (iv === null ? { time: strike } : { time: strike, value: iv })));
    const atm = rows.find(({ isAtm, iv }) => isAtm && iv !== null);
    const mark = { position: "aboveBar", shape: "arrowDown", color: this.#color, text: "ATM" };
    this.#marks.setMarkers(atm === undefined ? [] : [{ time: atm.strike, ...mark }]);
    this.chart.timeScale().fitContent();
  }
}

/** A drawing over the minutes of the present day, with the clock of IST. */
class TimeDrawing extends Drawing {
  /** @param {Library} library @param {HTMLElement} container @param {Palette} palette */
  constructor(library, container, palette) {
    super(makeTimeChart(library, container, palette));
  }

  /** @override @param {(at: number | undefined) => void} listener  Gets the second of the true UTC epoch. */
  onPoint(listener) {
    super.onPoint((time) => listener(time === undefined ? undefined : time - IST_SECONDS));
  }
}

/** The straddle at the money by the minute; a minute without a point is a gap. */
export class StraddleDrawing extends TimeDrawing {
  #line;

  /** @param {Library} library @param {HTMLElement} container @param {Palette} palette */
  constructor(library, container, palette) {
    super(library, container, palette);
    this.#line = this.chart.addCustomSeries(new GapLine(palette.line, MINUTE_SECONDS));
  }

  /** @param {readonly StraddlePoint[]} points */
  draw(points) {
    const minutes = everyMinute(points);
    this.#line.setData(
      minutes.map(({ at, straddle }) => ({ time: at + IST_SECONDS, at, ...(straddle !== null && { value: straddle }) })),
    );
    this.chart.timeScale().fitContent();
  }
}

/** Candles of the present day. */
export class CandleDrawing extends TimeDrawing {
  #candles;

  /** @param {Library} library @param {HTMLElement} container @param {Palette} palette */
  constructor(library, container, palette) {
    super(library, container, palette);
    this.#candles = this.chart.addSeries(library.CandlestickSeries, {
      // Not by color alone: a candle that rose is hollow, one that fell is filled.
      upColor: palette.ground,
      wickUpColor: palette.rise,
      borderUpColor: palette.rise,
      downColor: palette.fall,
      wickDownColor: palette.fall,
      borderDownColor: palette.fall,
    });
  }

  /** @param {readonly Candle[]} candles */
  draw(candles) {
    this.#candles.setData(candles.map(({ at, ...prices }) => ({ time: at + IST_SECONDS, ...prices })));
    this.chart.timeScale().fitContent();
  }
}

/** @param {Library} library @param {HTMLElement} container @param {Palette} palette */
function makeTimeChart(library, container, palette) {
  const { timeScale, ...options } = commonOptions(palette);
  // The library shows UTC: times are handed to it as the clock of IST.
  return library.createChart(container, { ...options, timeScale: { ...timeScale, timeVisible: true, minBarSpacing: 0.1 } });
}

/** @param {Library} library @param {HTMLElement} container @param {Palette} palette @param {readonly StrikeRow[]} rows */
function makeStrikeChart(library, container, palette, rows) {
  return library.createOptionsChart(container, {
    ...commonOptions(palette),
    localization: { precision: strikeDecimals(rows) },
  });
}

/** @param {(value: number) => string} format */
function withFormat(format) {
  return { priceFormat: { type: "custom", formatter: format, minMove: 1 } };
}
