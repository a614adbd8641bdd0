// Loads the chart library when a chart is shown first: a page whose panel stays closed never pays for it.
// TradingView Lightweight Charts, from the package that docs/decisions/0039-chart-library.md names.

import { byId } from "./dom.js";

/**
 * The part of the library that we use. Its own types come with npm only, and the page needs no Node.
 * @typedef {object} Library
 * @property {(container: HTMLElement, options: object) => Chart} createChart
 * @property {(container: HTMLElement, options: object) => Chart} createOptionsChart  With prices on the lower axis.
 * @property {(series: Series, markers: object[]) => {setMarkers: (markers: object[]) => void}} createSeriesMarkers
 * @property {object} LineSeries
 * @property {object} CandlestickSeries
 *
 * @typedef {object} Chart
 * @property {(definition: object, options?: object, pane?: number) => Series} addSeries
 * @property {(view: object, options?: object, pane?: number) => Series} addCustomSeries
 * @property {() => {setStretchFactor: (factor: number) => void}[]} panes
 * @property {() => {fitContent: () => void}} timeScale
 * @property {(options: object) => void} applyOptions
 * @property {(listener: (at: {time?: number}) => void) => void} subscribeCrosshairMove
 * @property {() => void} remove
 *
 * @typedef {object} Series
 * @property {(points: object[]) => void} setData
 * @property {(point: object) => void} update
 * @property {(options: object) => void} applyOptions
 */

/** @type {Promise<Library> | null} */
let loading = null;

/** Return the library; a failed attempt is repeated by the next call. */
export function loadLibrary() {
  loading ??= load();
  return loading;
}

async function load() {
  const address = byId("charts").dataset["library"] ?? "";
  try {
    // Not a module: it sets a global.
    await import(address);
  } catch (error) {
    loading = null;
    throw error;
  }
  return /** @type {{LightweightCharts: Library}} */ (/** @type {unknown} */ (window)).LightweightCharts;
}
