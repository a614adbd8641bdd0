// Details of single instruments: decodes their binary frames, depth and the day so far, and keeps the newest of each.
// Definition and Python twin: marketdata/streaming/details.py; both are tested with the bytes of
// tests/data/detail_frames.json. Pure: no DOM.

/** The first byte of a frame of details; those of quotes count from 1. */
export const DETAILS_VERSION = 131;
const HEADER_BYTES = 16;
const ROW_BYTES = 144;
const LEVELS = 5;
const LEVELS_AT = 44;
const LEVEL_BYTES = 20;
const Known = Object.freeze({ DAY: 1, OI_RANGE: 2, DEPTH: 4 });

/** One side of one level; null where it has no order. @typedef {{price: number, quantity: number, orders: number} | null} Level */

/**
 * Details of one instrument; null means unknown, never zero. Prices are float32 rupees as received.
 * @typedef {object} Details
 * @property {number} instrumentId
 * @property {{bids: Level[], asks: Level[]} | null} depth  Five levels of each side, best first.
 * @property {Day | null} day
 * @property {{high: number, low: number} | null} oiRange  Of the day.
 */

/**
 * @typedef {object} Day
 * @property {number | null} ltq          Null before the first trade.
 * @property {number | null} averagePrice
 * @property {number} totalBuyQuantity
 * @property {number} totalSellQuantity
 * @property {number | null} open
 * @property {number | null} high
 * @property {number | null} low
 */

/** @param {ArrayBuffer} buffer */
export function isDetails(buffer) {
  return buffer.byteLength > 0 && new DataView(buffer).getUint8(0) === DETAILS_VERSION;
}

/**
 * Return the rows of the frame in `buffer`. Throws RangeError if the version or the length is wrong.
 * @param {ArrayBuffer} buffer
 * @returns {Details[]}
 */
export function decodeDetails(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < HEADER_BYTES || view.getUint8(0) !== DETAILS_VERSION) {
    throw new RangeError("not a frame of details");
  }
  const count = view.getUint16(2, true);
  if (view.byteLength !== HEADER_BYTES + count * ROW_BYTES) {
    throw new RangeError(`${view.byteLength} bytes do not hold ${count} rows`);
  }
  return Array.from({ length: count }, (_, index) => decodeRow(view, HEADER_BYTES + index * ROW_BYTES));
}

/** @param {DataView} view @param {number} at @returns {Details} */
function decodeRow(view, at) {
  const known = view.getUint16(at + 4, true);
  return {
    instrumentId: view.getUint32(at, true),
    depth: known & Known.DEPTH ? decodeDepth(view, at + LEVELS_AT) : null,
    day: known & Known.DAY ? decodeDay(view, at) : null,
    oiRange: known & Known.OI_RANGE ? { high: view.getUint32(at + 20, true), low: view.getUint32(at + 24, true) } : null,
  };
}

/** @param {DataView} view @param {number} at @returns {Day} */
function decodeDay(view, at) {
  // Nothing trades at zero, and no trade has a quantity of zero: before the first trade of a day the broker sends these.
  const positive = (/** @type {number} */ value) => (value > 0 ? value : null);
  return {
    ltq: positive(view.getUint16(at + 6, true)),
    averagePrice: positive(view.getFloat32(at + 8, true)),
    totalBuyQuantity: view.getUint32(at + 12, true),
    totalSellQuantity: view.getUint32(at + 16, true),
    open: positive(view.getFloat32(at + 28, true)),
    high: positive(view.getFloat32(at + 32, true)),
    low: positive(view.getFloat32(at + 36, true)),
  };
}

/** @param {DataView} view @param {number} at */
function decodeDepth(view, at) {
  const levels = Array.from({ length: LEVELS }, (_, index) => at + index * LEVEL_BYTES);
  return {
    bids: levels.map((one) => levelOf(view.getFloat32(one + 12, true), view.getUint32(one, true), view.getUint16(one + 8, true))),
    asks: levels.map((one) => levelOf(view.getFloat32(one + 16, true), view.getUint32(one + 4, true), view.getUint16(one + 10, true))),
  };
}

/** @param {number} price @param {number} quantity @param {number} orders @returns {Level} */
function levelOf(price, quantity, orders) {
  return price > 0 ? { price, quantity, orders } : null;
}

export class DetailsCache {
  /** @type {Map<number, Details>} */
  #details = new Map();
  #isChanged = false;

  /** @param {Details[]} rows */
  apply(rows) {
    for (const one of rows) {
      this.#details.set(one.instrumentId, one);
    }
    this.#isChanged = true;
  }

  /** Forget everything: another instrument is shown. */
  clear() {
    this.#details.clear();
    this.#isChanged = true;
  }

  /** @param {number} instrumentId */
  find(instrumentId) {
    return this.#details.get(instrumentId) ?? null;
  }

  /** Return whether anything changed since the last call. */
  takeChanged() {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged;
  }
}
