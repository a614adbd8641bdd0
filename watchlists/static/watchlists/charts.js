// Opens and closes the charts below the chain, and remembers in this browser which one was open. The panel, and the chart
// library with it, are loaded when the trader opens it first.

import { byId, byIdAs } from "./dom.js";
import { announce } from "./chip.js";
import { recall, remember } from "./storage.js";

/** @typedef {import("./chart_panel.js").ChartPanel} ChartPanel */
/** @typedef {import("./chart_panel.js").ChartSource} ChartSource */
/** @typedef {import("./chart_panel.js").ChartState} ChartState */

const KEY = "terminal.charts";

export class Charts {
  #source;
  #state = readState();
  /** @type {Promise<ChartPanel> | null} */
  #panel = null;

  /** @param {ChartSource} source */
  constructor(source) {
    this.#source = source;
    byId("charts-open").addEventListener("click", () => this.toggle());
    byId("charts-close").addEventListener("click", () => {
      this.toggle();
      byId("charts-open").focus();
    });
    this.#apply();
  }

  /** Open the panel if it is closed, close it if it is open. */
  toggle() {
    this.#remember({ isOpen: !this.#state.isOpen });
    this.#apply();
  }

  /** @param {Partial<ChartState>} change */
  #remember(change) {
    this.#state = { ...this.#state, ...change };
    remember(KEY, JSON.stringify(this.#state));
  }

  #apply() {
    const { isOpen } = this.#state;
    byId("charts").hidden = !isOpen;
    byIdAs("charts-open", "button").ariaExpanded = String(isOpen);
    if (!isOpen && this.#panel === null) {
      return;
    }
    this.#panel ??= this.#load();
    this.#panel.then(
      (panel) => (this.#state.isOpen ? panel.open() : panel.close()),
      () => {
        // The server was not reachable: the next key press tries again.
        this.#panel = null;
        this.#state = { ...this.#state, isOpen: false };
        this.#apply();
        announce("The charts could not be loaded. Try again.");
      },
    );
  }

  async #load() {
    const { ChartPanel } = await import("./chart_panel.js");
    return new ChartPanel(this.#source, this.#state, (change) => this.#remember(change));
  }
}

/** @returns {ChartState} */
function readState() {
  const state = { isOpen: false, tab: "oi", isTable: false };
  try {
    const stored = JSON.parse(recall(KEY) ?? "{}");
    return {
      isOpen: stored.isOpen === true,
      tab: typeof stored.tab === "string" ? stored.tab : state.tab,
      isTable: stored.isTable === true,
    };
  } catch {
    // Another version of the page wrote it.
    return state;
  }
}
