// The tabs over the watchlist, one for each list of the trader. Paint only; the page makes the changes.

import { make, makeButton } from "./dom.js";
import { DRAGGED_ENTRY } from "./reorder.js";
import { recall, remember } from "./storage.js";

/** @typedef {{name: string, entries: number}} ListSummary  Of GET watchlist/me. */

/**
 * @typedef {object} TabActions
 * @property {(name: string) => void} onChoose
 * @property {(entryId: number, name: string) => void} onDrop  An entry was dropped on the tab of a list.
 */

/** The list that this browser showed last. */
const STORED = "terminal.list";

export class ListTabs {
  #bar;
  #panel;
  #actions;
  /** @type {ListSummary[]} */
  #lists = [];
  #current = recall(STORED) ?? "";

  /**
   * @param {HTMLElement} bar    A tablist.
   * @param {HTMLElement} panel  The panel of all tabs.
   * @param {TabActions} actions
   */
  constructor(bar, panel, actions) {
    this.#bar = bar;
    this.#panel = panel;
    this.#actions = actions;
    bar.addEventListener("keydown", (event) => this.#step(event));
  }

  /** The name of the shown list. */
  get current() {
    return this.#current;
  }

  get lists() {
    return this.#lists;
  }

  /** @param {ListSummary[]} lists  At least one. */
  show(lists) {
    const place = this.#lists.findIndex((one) => one.name === this.#current);
    const isFocused = this.#bar.contains(document.activeElement);
    this.#lists = lists;
    if (!lists.some((one) => one.name === this.#current)) {
      // Renamed or deleted in another tab: the list in its place.
      this.#current = (lists[Math.max(place, 0)] ?? lists.at(-1))?.name ?? "";
    }
    this.#bar.replaceChildren(...lists.map((one, index) => this.#build(one, index)));
    this.#mark();
    if (isFocused) {
      this.focus();
    }
  }

  /** Show the list with this name; `show` need not know it yet. @param {string} name */
  choose(name) {
    this.#current = name;
    remember(STORED, name);
    this.#mark();
    this.#actions.onChoose(name);
  }

  /** @param {number} index  From 0; nothing happens where there is no such list. */
  chooseAt(index) {
    const list = this.#lists[index];
    if (list !== undefined) {
      this.choose(list.name);
    }
  }

  focus() {
    const tab = this.#bar.querySelector("[aria-selected=true]");
    if (tab instanceof HTMLElement) {
      tab.focus();
    }
  }

  /** @param {ListSummary} list @param {number} index */
  #build({ name, entries }, index) {
    const noun = entries === 1 ? "entry" : "entries";
    const attributes = { class: "list-tab", role: "tab", "data-list": name, title: `${name}: ${entries} ${noun} (${index + 1})` };
    const tab = makeButton(attributes, () => this.choose(name), [
      make("span", { class: "list-key", "aria-hidden": "true", text: String(index + 1) }),
      make("span", { class: "list-name", text: name }),
    ]);
    tab.setAttribute("aria-controls", this.#panel.id);
    this.#takeDrops(tab, name);
    return tab;
  }

  /** @param {HTMLElement} tab @param {string} name */
  #takeDrops(tab, name) {
    /** @param {DragEvent} event */
    const isEntry = (event) => event.dataTransfer?.types.includes(DRAGGED_ENTRY) ?? false;
    tab.addEventListener("dragover", (event) => {
      if (isEntry(event) && name !== this.#current) {
        event.preventDefault(); // Without it the browser refuses the drop.
        tab.classList.add("drop-on");
      }
    });
    tab.addEventListener("dragleave", () => tab.classList.remove("drop-on"));
    tab.addEventListener("drop", (event) => {
      event.preventDefault();
      tab.classList.remove("drop-on");
      this.#actions.onDrop(Number(event.dataTransfer?.getData(DRAGGED_ENTRY)), name);
    });
  }

  #mark() {
    for (const tab of this.#bar.querySelectorAll("[role=tab]")) {
      const isCurrent = tab instanceof HTMLElement && tab.dataset["list"] === this.#current;
      tab.setAttribute("aria-selected", String(isCurrent));
      // The tab pattern: one tab is a stop of the Tab key, the arrow keys move between them.
      tab.setAttribute("tabindex", isCurrent ? "0" : "-1");
      if (isCurrent) {
        this.#panel.ariaLabel = `List ${this.#current}`;
        tab.scrollIntoView({ block: "nearest", inline: "nearest" });
      }
    }
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step !== undefined && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const at = this.#lists.findIndex((one) => one.name === this.#current);
      this.chooseAt((at + step + this.#lists.length) % this.#lists.length);
      this.focus();
    }
  }
}
