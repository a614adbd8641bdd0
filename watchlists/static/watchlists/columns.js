// The columns that one side of the chain can have: names, heads and order. Pure.

/**
 * @typedef {"oi-change" | "oi" | "volume" | "iv" | "delta" | "gamma" | "theta" | "vega" | "intrinsic" | "time-value"
 *   | "change" | "change-percent" | "bid" | "ltp" | "ask"} Column
 */

/**
 * All columns, of the calls from the left. COLUMNS of accounts/domain/layouts.py has the same ones (a test compares them).
 * @type {readonly Column[]}
 */
export const COLUMNS = Object.freeze([
  "oi-change",
  "oi",
  "volume",
  "iv",
  "delta",
  "gamma",
  "theta",
  "vega",
  "intrinsic",
  "time-value",
  "change",
  "change-percent",
  "bid",
  "ltp",
  "ask",
]);

/**
 * The columns that the rows have for the presets; each preset hides some of them (`data-columns`, chain.css).
 * @type {readonly Column[]}
 */
export const PRESET_COLUMNS = Object.freeze([
  "oi-change",
  "oi",
  "volume",
  "iv",
  "delta",
  "theta",
  "vega",
  "change",
  "bid",
  "ltp",
  "ask",
]);

/** @type {Readonly<Record<Column, string>>} */
export const LABELS = Object.freeze({
  "oi-change": "ΔOI",
  oi: "OI",
  volume: "Volume",
  iv: "IV",
  delta: "Delta",
  gamma: "Gamma",
  theta: "Theta",
  vega: "Vega",
  intrinsic: "Intrinsic",
  "time-value": "Time value",
  change: "Chg",
  "change-percent": "Chg%",
  bid: "Bid",
  ltp: "LTP",
  ask: "Ask",
});

/** Explanations of column heads. @type {Readonly<Partial<Record<Column, string>>>} */
export const TITLES = Object.freeze({
  "oi-change": "Open interest less that of the previous close, with the kind of build-up",
  oi: "Open interest",
  iv: "Implied volatility in percent, of the option out of the money at this strike",
  delta: "Change of the value per rupee of the forward",
  gamma: "Change of delta per rupee of the forward",
  theta: "Change of the value in one trading day, in rupees",
  vega: "Change of the value for one percentage point of volatility, in rupees",
  intrinsic: "What the option would be worth at the forward, in rupees",
  "time-value": "Price less the intrinsic value, in rupees",
  change: "Change since the previous close, in rupees",
  "change-percent": "Change since the previous close, in percent",
  ltp: "Last traded price",
});

/**
 * Return the order of the puts: the mirrored one of the calls, except that a bid is left of its ask on both sides.
 * @param {readonly Column[]} columns  Of the calls, from the left.
 * @returns {Column[]}
 */
export function mirror(columns) {
  const mirrored = [...columns].reverse();
  const [bid, ask] = [mirrored.indexOf("bid"), mirrored.indexOf("ask")];
  if (bid >= 0 && ask >= 0) {
    mirrored[bid] = "ask";
    mirrored[ask] = "bid";
  }
  return mirrored;
}

/** @param {string} name @returns {name is Column} */
export function isColumn(name) {
  return name in LABELS;
}

/** @param {readonly string[]} names  Of the API, which writes an underscore. @returns {Column[]} */
export function fromWire(names) {
  return names.map((one) => one.replaceAll("_", "-")).filter(isColumn);
}

/** @param {readonly Column[]} columns */
export function toWire(columns) {
  return columns.map((one) => one.replaceAll("-", "_"));
}
