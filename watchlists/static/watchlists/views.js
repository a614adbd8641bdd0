// The views of a narrow screen: list, chain and detail, one at a time, with tabs at the foot. On a wide screen all are
// beside each other, and the tabs are hidden. Paint only.

import { byId } from "./dom.js";

/** @typedef {"list" | "chain" | "detail"} View */

export class Views {
  #workspace = byId("workspace");
  #tabs = /** @type {HTMLElement[]} */ ([...byId("views").children]);
  #onDetail;
  /** Where closing the detail leads. @type {View} */
  #before = "chain";

  /** @param {() => void} onDetail  The trader has chosen the detail, of whatever instrument. */
  constructor(onDetail) {
    this.#onDetail = onDetail;
    for (const tab of this.#tabs) {
      tab.addEventListener("click", () => this.#choose(viewOf(tab)));
      tab.addEventListener("keydown", (event) => this.#step(event));
    }
  }

  /** @param {View} view */
  #choose(view) {
    this.show(view);
    if (view === "detail") {
      this.#onDetail();
    }
  }

  /** Show the detail, or what was shown before it. @param {boolean} isShown */
  showDetail(isShown) {
    const isAtDetail = this.#workspace.dataset["view"] === "detail";
    if (isShown !== isAtDetail) {
      this.show(isShown ? "detail" : this.#before);
    }
  }

  /** @param {View} view */
  show(view) {
    const before = /** @type {View} */ (this.#workspace.dataset["view"]);
    if (before !== "detail") {
      this.#before = before;
    }
    this.#workspace.dataset["view"] = view;
    for (const tab of this.#tabs) {
      const isCurrent = viewOf(tab) === view;
      tab.setAttribute("aria-selected", String(isCurrent));
      tab.tabIndex = isCurrent ? 0 : -1;
    }
  }

  /** The tab pattern: the arrow keys move between the tabs. @param {KeyboardEvent} event */
  #step(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const shown = this.#tabs.filter((one) => !one.hidden);
    const at = shown.findIndex((one) => one === event.currentTarget);
    const next = step === undefined ? undefined : shown.at((at + step) % shown.length);
    if (next !== undefined) {
      event.preventDefault();
      this.#choose(viewOf(next));
      next.focus();
    }
  }
}

/** @param {HTMLElement} tab */
function viewOf(tab) {
  return /** @type {View} */ (tab.dataset["view"]);
}
