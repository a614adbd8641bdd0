// Volatilities, Greeks and the analytics of series: decodes their binary frames and keeps the newest of each. Definition
// and Python twin: marketdata/streaming/analytics_frames.py; both are tested with the bytes of
// tests/data/analytics_frames.json. Pure: no DOM.

/** The first byte of a frame of analytics; those of quotes count from 1. */
export const ANALYTICS_VERSION = 130;
const HEADER_BYTES = 20;
const OPTION_BYTES = 44;
const SERIES_BYTES = 152;

/** Why an option has no volatility, in the words of the screen; by `IvReason` in domain/analytics/premiums.py. */
export const IV_REASONS = Object.freeze([
  "",
  "No bid and ask, and no trade",
  "Bid and ask are too far apart, and no trade is newer",
  "No price of the future or of options at the money",
  "The price is not above the intrinsic value",
  "The price is above that of the highest volatility",
  "Not computed: it does not stream, or the analytics have stopped",
]);

/** Kinds of build-up, short and in words; by `BuildUp` in domain/analytics/positions.py. */
export const BUILD_UPS = Object.freeze([
  { short: "", text: "" },
  { short: "LB", text: "Long build-up: price and open interest are up" },
  { short: "SB", text: "Short build-up: price down, open interest up" },
  { short: "LU", text: "Long unwinding: price and open interest are down" },
  { short: "SC", text: "Short covering: price up, open interest down" },
]);

/** Where the open interest of the previous close comes from; by `OiSource` in domain/analytics/derived_rows.py. */
export const OI_SOURCES = Object.freeze(["", "our record of the close", "the broker's option chain"]);

/**
 * Analytics of one option; null means unknown, never zero.
 * @typedef {object} OptionAnalytics
 * @property {number} instrumentId
 * @property {number} reason     An index of IV_REASONS.
 * @property {number} buildUp    An index of BUILD_UPS.
 * @property {number | null} iv  Percent.
 * @property {number | null} delta
 * @property {number | null} gamma
 * @property {number | null} theta  Rupees per trading day.
 * @property {number | null} vega   Rupees per percentage point.
 * @property {number | null} intrinsic
 * @property {number | null} timeValue
 * @property {number | null} oiChange  Units since the previous close.
 * @property {number} oiChangeSource  An index of OI_SOURCES.
 */

/**
 * Analytics of one series; null means unknown.
 * @typedef {object} SeriesAnalytics
 * @property {number} seriesId
 * @property {number} strikesCounted
 * @property {number} strikesListed
 * @property {number | null} forward
 * @property {number | null} atmStrike
 * @property {number | null} atmIv
 * @property {number | null} straddle
 * @property {number | null} expectedMove  Percent.
 * @property {number | null} pcrOi
 * @property {number | null} pcrVolume
 * @property {number | null} maxPain
 * @property {number | null} ceOi
 * @property {number | null} peOi
 * @property {number | null} ceOiChange
 * @property {number | null} peOiChange
 * @property {number | null} resistance
 * @property {number | null} support
 * @property {number | null} skew
 * @property {number | null} rate  Percent per year.
 * @property {number | null} chainAtMs  When the broker's chain was received, which has the strikes that do not stream.
 */

/**
 * @typedef {object} AnalyticsFrame
 * @property {"changes" | "snapshot"} kind
 * @property {number} serverTimeMs
 * @property {OptionAnalytics[]} options
 * @property {SeriesAnalytics[]} series
 */

/** @param {ArrayBuffer} buffer */
export function isAnalytics(buffer) {
  return buffer.byteLength > 0 && new DataView(buffer).getUint8(0) === ANALYTICS_VERSION;
}

/**
 * Return the frame in `buffer`. Throws RangeError if the version, the kind or the length is wrong.
 * @param {ArrayBuffer} buffer
 * @returns {AnalyticsFrame}
 */
export function decodeAnalytics(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < HEADER_BYTES || view.getUint8(0) !== ANALYTICS_VERSION || view.getUint8(1) > 1) {
    throw new RangeError("not a frame of analytics");
  }
  const options = view.getUint16(2, true);
  const series = view.getUint16(4, true);
  const seriesAt = HEADER_BYTES + options * OPTION_BYTES;
  if (view.byteLength !== seriesAt + series * SERIES_BYTES) {
    throw new RangeError(`${view.byteLength} bytes do not hold ${options} options and ${series} series`);
  }
  return {
    kind: view.getUint8(1) === 1 ? "snapshot" : "changes",
    serverTimeMs: view.getFloat64(8, true),
    options: Array.from({ length: options }, (_, index) => decodeOption(view, HEADER_BYTES + index * OPTION_BYTES)),
    series: Array.from({ length: series }, (_, index) => decodeSeries(view, seriesAt + index * SERIES_BYTES)),
  };
}

/** @param {DataView} view @param {number} at @returns {OptionAnalytics} */
function decodeOption(view, at) {
  /** @param {number} offset */
  const number = (offset) => known(view.getFloat32(at + offset, true));
  return {
    instrumentId: view.getUint32(at, true),
    reason: view.getUint8(at + 4),
    buildUp: view.getUint8(at + 5),
    oiChangeSource: view.getUint8(at + 6),
    iv: number(8),
    delta: number(12),
    gamma: number(16),
    theta: number(20),
    vega: number(24),
    intrinsic: number(28),
    timeValue: number(32),
    oiChange: known(view.getFloat64(at + 36, true)),
  };
}

/** @param {DataView} view @param {number} at @returns {SeriesAnalytics} */
function decodeSeries(view, at) {
  /** @param {number} place */
  const number = (place) => known(view.getFloat64(at + 8 + 8 * place, true));
  return {
    seriesId: view.getUint32(at, true),
    strikesCounted: view.getUint16(at + 4, true),
    strikesListed: view.getUint16(at + 6, true),
    forward: number(0),
    atmStrike: number(1),
    atmIv: number(2),
    straddle: number(3),
    expectedMove: number(4),
    pcrOi: number(5),
    pcrVolume: number(6),
    maxPain: number(7),
    ceOi: number(8),
    peOi: number(9),
    ceOiChange: number(10),
    peOiChange: number(11),
    resistance: number(12),
    support: number(13),
    skew: number(14),
    rate: number(15),
    chainAtMs: Number(view.getBigUint64(at + 144, true)) || null,
  };
}

/** @param {number} value */
function known(value) {
  return Number.isNaN(value) ? null : value;
}

export class AnalyticsCache {
  /** @type {Map<number, OptionAnalytics>} */
  #options = new Map();
  /** @type {Map<number, SeriesAnalytics>} */
  #series = new Map();
  /** @type {Set<number>} */
  #changed = new Set();
  #isChanged = false;
  /** Of the moment in which the screen stood still. @type {{options: ReadonlyMap<number, OptionAnalytics>, series: ReadonlyMap<number, SeriesAnalytics>} | null} */
  #frozen = null;
  /** Of the newest frame, epoch in ms by the server's clock. */
  serverTimeMs = 0;

  /** @param {AnalyticsFrame} frame */
  apply(frame) {
    this.#isChanged = true;
    this.serverTimeMs = frame.serverTimeMs;
    if (frame.kind === "snapshot") {
      this.clear();
    }
    for (const one of frame.options) {
      this.#options.set(one.instrumentId, one);
      this.#changed.add(one.instrumentId);
    }
    for (const one of frame.series) {
      this.#series.set(one.seriesId, one);
    }
  }

  /** Forget everything: a new socket, or another chain. */
  clear() {
    this.#isChanged = true;
    for (const instrumentId of this.#options.keys()) {
      this.#changed.add(instrumentId);
    }
    this.#options.clear();
    this.#series.clear();
  }

  /** Answer with the present analytics from now on: the screen stands still. Frames are applied all the same. */
  freeze() {
    this.#frozen = { options: new Map(this.#options), series: new Map(this.#series) };
  }

  /** Answer with the newest analytics again. */
  thaw() {
    this.#frozen = null;
    this.#isChanged = true;
    this.#options.forEach((_, instrumentId) => this.#changed.add(instrumentId));
  }

  /** @param {number} instrumentId */
  findOption(instrumentId) {
    return this.#frozen?.options.get(instrumentId) ?? this.#options.get(instrumentId) ?? null;
  }

  /** @param {number} seriesId */
  findSeries(seriesId) {
    return this.#frozen?.series.get(seriesId) ?? this.#series.get(seriesId) ?? null;
  }

  /** Return the options that changed since the last call, and forget them; null if no series changed either. */
  takeChanged() {
    const changed = this.#isChanged ? this.#changed : null;
    this.#changed = new Set();
    this.#isChanged = false;
    return changed;
  }
}
