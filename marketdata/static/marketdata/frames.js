// Decodes the binary frames of the browser's wire. Definition and Python twin: marketdata/streaming/frames.py; both are
// tested with the bytes of tests/data/browser_frames.json. Pure: no state, no DOM.

export const WIRE_VERSION = 3;
const MEASUREMENTS_AT = 24;
const MEASUREMENTS_BYTES = 16;
/** The account has five connections: MAX_CONNECTIONS in marketdata/dhan/requests.py. */
const CONNECTIONS = 5;
export const HEADER_BYTES = MEASUREMENTS_AT + CONNECTIONS * MEASUREMENTS_BYTES;
export const ROW_BYTES = 52;
// The numbers above and this one: marketdata/streaming/frames.py.
const NEVER_HEARD = 0xffffffff;

/** Flags of a row: its known fields. A field without its flag is unknown; its bytes have no meaning. */
export const Shown = Object.freeze({ LTP: 1, VOLUME: 2, OI: 4, PREVIOUS_CLOSE: 8, BID: 16, ASK: 32, SEEDED: 64, SUSPECT: 128 });

/**
 * Newest known state of one instrument; null means unknown, never zero.
 * @typedef {object} Quote
 * @property {number} instrumentId
 * @property {number} connection  The broker connection that streams it; 0 if none does.
 * @property {number} segment    The exchange segment as the broker numbers it.
 * @property {boolean} isSuspect  The latest price was rejected as invalid; this is the previous one.
 * @property {boolean} isSeeded   From a snapshot of the broker's REST API; no packet has arrived since.
 * @property {number | null} ltp
 * @property {number | null} previousClose
 * @property {number | null} bid
 * @property {number | null} ask
 * @property {number | null} bidQuantity
 * @property {number | null} askQuantity
 * @property {number | null} volume
 * @property {number | null} oi
 * @property {number | null} ltt          Last traded time: seconds of the IST wall clock, counted as if it were UTC.
 * @property {number | null} receivedAtMs Server time at which the newest packet arrived.
 */

/**
 * What the feed worker measured on one connection.
 * @typedef {object} Measurements
 * @property {number | null} packetAgeMs  Time since the last packet; null if there was none.
 * @property {number} received            Packets of the last ten seconds.
 * @property {number} due                 Packets due in ten seconds; 0 while none are due.
 * @property {number | null} tradeLagMs   Median time from a trade to its packet; null where too few trade.
 */

/**
 * @typedef {object} Frame
 * @property {"changes" | "snapshot"} kind
 * @property {number} sequence
 * @property {number} epoch
 * @property {number} serverTimeMs
 * @property {number | null} feedAgeMs  Age of the newest frame of the feed; null if there was none.
 * @property {Measurements[]} measurements        Of each connection, in the order of their numbers.
 * @property {Quote[]} quotes
 */

/**
 * Return the frame in `buffer`. Throws RangeError if the version, the kind or the length is wrong.
 * @param {ArrayBuffer} buffer
 * @returns {Frame}
 */
export function decodeFrame(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < HEADER_BYTES || view.getUint8(0) !== WIRE_VERSION || view.getUint8(1) > 1) {
    throw new RangeError("not a frame of a known version and kind");
  }
  const count = view.getUint16(2, true);
  // The length is checked once here, so that no row is read beyond the end of the buffer.
  if (view.byteLength !== HEADER_BYTES + count * ROW_BYTES) {
    throw new RangeError(`${view.byteLength} bytes do not hold ${count} rows`);
  }
  const serverTimeMs = view.getFloat64(8, true);
  const quotes = [];
  // All numbers are little-endian, as the broker sends them.
  for (let index = 0; index < count; index += 1) {
    quotes.push(decodeRow(view, HEADER_BYTES + index * ROW_BYTES, serverTimeMs));
  }
  return {
    kind: view.getUint8(1) === 1 ? "snapshot" : "changes",
    sequence: view.getUint32(4, true),
    epoch: view.getUint32(16, true),
    serverTimeMs,
    feedAgeMs: millisecondsAt(view, 20),
    measurements: Array.from({ length: CONNECTIONS }, (_, index) => decodeMeasurements(view, MEASUREMENTS_AT + index * MEASUREMENTS_BYTES)),
    quotes,
  };
}

/** @param {DataView} view @param {number} at @returns {Measurements} */
function decodeMeasurements(view, at) {
  return {
    packetAgeMs: millisecondsAt(view, at),
    received: view.getUint32(at + 4, true),
    due: view.getUint32(at + 8, true),
    tradeLagMs: millisecondsAt(view, at + 12),
  };
}

/** @param {DataView} view @param {number} at */
function millisecondsAt(view, at) {
  const value = view.getUint32(at, true);
  return value === NEVER_HEARD ? null : value;
}

/**
 * @param {DataView} view
 * @param {number} at
 * @param {number} serverTimeMs
 * @returns {Quote}
 */
function decodeRow(view, at, serverTimeMs) {
  const known = view.getUint16(at + 4, true);
  const age = millisecondsAt(view, at + 48);
  /** @param {number} flag @param {number} offset */
  const price = (flag, offset) => (known & flag ? view.getFloat32(at + offset, true) : null);
  /** @param {number} flag @param {number} offset */
  const count = (flag, offset) => (known & flag ? view.getUint32(at + offset, true) : null);
  // Of 64 bits, as two words: a BigInt per row would cost more, and a number is exact up to 2**53.
  const volume = view.getUint32(at + 32, true) + view.getUint32(at + 36, true) * 2 ** 32;
  return {
    instrumentId: view.getUint32(at, true),
    connection: view.getUint8(at + 6),
    segment: view.getUint8(at + 7),
    isSuspect: (known & Shown.SUSPECT) !== 0,
    isSeeded: (known & Shown.SEEDED) !== 0,
    ltp: price(Shown.LTP, 8),
    previousClose: price(Shown.PREVIOUS_CLOSE, 12),
    bid: price(Shown.BID, 16),
    ask: price(Shown.ASK, 20),
    bidQuantity: count(Shown.BID, 24),
    askQuantity: count(Shown.ASK, 28),
    volume: known & Shown.VOLUME ? volume : null,
    oi: count(Shown.OI, 40),
    ltt: count(Shown.LTP, 44),
    // The wire has ages, which fit in 32 bits. Server time, not the browser's clock: the two may differ by minutes.
    receivedAtMs: age === null ? null : serverTimeMs - age,
  };
}
