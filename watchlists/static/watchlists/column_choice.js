// The buttons of presets and layouts, what they show, and the changes of layouts by the API. Other tabs of the browser
// take the layouts over at once; other browsers, when they load the page.

import * as api from "./api.js";
import { announce } from "./chip.js";
import { ColumnMenu } from "./column_menu.js";
import { toWire } from "./columns.js";
import { byId, make } from "./dom.js";
import { fromStored, LayoutModel, readLayouts, toStored } from "./layouts.js";
import { recall, remember } from "./storage.js";

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./layouts.js").Choice} Choice */
/** @typedef {import("./layouts.js").WireLayout} WireLayout */
/** @typedef {{layouts: readonly WireLayout[], renamed: {from: string, to: string} | null}} LayoutsMessage */

/** The choice of this browser. */
const STORED = "terminal.columns";

export class ColumnChoice {
  #ladder = byId("ladder");
  #bar = byId("column-choice");
  #panel;
  #model;
  #menu;
  #channel = new BroadcastChannel("terminal.layouts");

  /**
   * @param {{setColumns: (columns: readonly Column[] | null) => void, readonly visibleColumns: readonly Column[]}} panel
   * @param {readonly WireLayout[]} layouts  Of the trader.
   * @param {number} most                    How many the trader may have.
   */
  constructor(panel, layouts, most) {
    this.#panel = panel;
    this.#model = new LayoutModel(readLayouts(layouts), fromStored(recall(STORED)));
    this.#menu = new ColumnMenu(this.#model, most, {
      readColumns: () => this.#panel.visibleColumns,
      onEdit: (columns) => this.#edit(columns),
      onCreate: (name, columns) => this.#change("layouts", { name, columns: toWire(columns) }, `Saved the layout ${name}.`, { layout: name }),
      onSave: (name, columns) => this.#change("layouts/change", { name, columns: toWire(columns) }, `Saved the layout ${name}.`, { layout: name }),
      onRename: (layout, name) => this.#change("layouts/rename", { layout, name }, `Renamed ${layout} to ${name}.`),
      onDelete: (layout) => this.#change("layouts/delete", { layout }, `Deleted the layout ${layout}. Its columns stay until you choose others.`),
    });
    this.#bar.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      if (button !== null) {
        this.#choose(choiceOf(button));
      }
    });
    // A preset of a wide screen ends with it.
    window.addEventListener("resize", () => this.#show());
    this.#channel.addEventListener("message", ({ data }) => this.#take(data));
    this.#buildButtons();
    this.#show();
  }

  /** Choose the next preset or layout that the bar shows. */
  next() {
    const buttons = this.#buttons().filter((one) => one.getClientRects().length > 0);
    const at = buttons.findIndex((one) => this.#isChosen(one));
    const next = buttons[(at + 1) % buttons.length];
    if (next !== undefined) {
      this.#choose(choiceOf(next));
    }
  }

  /** @param {Choice} choice */
  #choose(choice) {
    this.#model.choose(choice);
    this.#store();
    this.#show();
    this.#menu.refresh();
  }

  #store() {
    remember(STORED, toStored(this.#model.choice));
  }

  /** @param {readonly Column[]} columns */
  #edit(columns) {
    this.#model.edit(columns);
    this.#show();
  }

  #show() {
    const { columns } = this.#model;
    const { preset = "" } = this.#model.choice;
    const button = this.#bar.querySelector(`button[data-columns="${CSS.escape(preset)}"]`);
    if (columns === null && (button === null || getComputedStyle(button).display === "none")) {
      // A preset of a wider screen, or of another version of the page.
      this.#model.choose(fromStored(null));
    }
    this.#ladder.dataset["columns"] = columns === null ? this.#model.choice.preset ?? "" : "layout";
    this.#panel.setColumns(columns);
    for (const one of this.#buttons()) {
      const isChosen = this.#isChosen(one);
      one.ariaPressed = String(isChosen && (columns === null) === (this.#model.choice.preset !== undefined));
      one.classList.toggle("changed", isChosen && this.#model.isChanged);
    }
  }

  /** @param {HTMLButtonElement} button */
  #isChosen(button) {
    return toStored(choiceOf(button)) === toStored(this.#model.choice);
  }

  #buttons() {
    return [...this.#bar.querySelectorAll("button")];
  }

  #buildButtons() {
    const buttons = this.#model.layouts.map(({ name }) =>
      make("button", { type: "button", class: "chip layout", "data-columns": "layout", "data-layout": name, title: `Your layout ${name}`, text: name }),
    );
    byId("layouts").replaceChildren(...buttons);
  }

  /** @param {LayoutsMessage} message */
  #take({ layouts, renamed }) {
    const before = toStored(this.#model.choice);
    this.#model.take(readLayouts(layouts), renamed);
    // All tabs share the stored choice: one that keeps its columns must not replace the choice of another.
    if (toStored(this.#model.choice) !== before) {
      this.#store();
    }
    this.#buildButtons();
    this.#show();
    this.#menu.refresh();
  }

  /**
   * Change the layouts by the API. Rejects with the server's sentence for the trader.
   * @param {string} path
   * @param {Record<string, unknown>} body
   * @param {string} done       What to announce.
   * @param {Choice} [choice]   What to show then.
   */
  async #change(path, body, done, choice) {
    /** @type {{layouts: WireLayout[]}} */
    const { layouts } = await api.post(path, body);
    const renamed = path === "layouts/rename" ? { from: String(body["layout"]), to: String(body["name"]) } : null;
    /** @type {LayoutsMessage} */
    const message = { layouts, renamed };
    this.#channel.postMessage(message);
    this.#take(message);
    if (choice !== undefined) {
      this.#choose(choice);
    }
    announce(done);
  }
}

/** @param {HTMLButtonElement} button @returns {Choice} */
function choiceOf(button) {
  const { layout, columns = "" } = button.dataset;
  return layout === undefined ? { preset: columns } : { layout };
}
