// The menu that chooses and orders columns, and saves them as a layout. Paint only: the page makes the changes.

import { COLUMNS, LABELS, TITLES } from "./columns.js";
import { byId, byIdAs, make, makeButton } from "./dom.js";
import { describeName, moveColumn, toggleColumn } from "./layouts.js";
import { closeFromOutside } from "./menus.js";
import { messageOf } from "./offers.js";

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./layouts.js").LayoutModel} LayoutModel */

/**
 * Promises resolve when the server has made the change, and reject with its error.
 * @typedef {object} MenuActions
 * @property {() => readonly Column[]} readColumns  Those on the screen, of the calls from the left.
 * @property {(columns: readonly Column[]) => void} onEdit
 * @property {(name: string, columns: readonly Column[]) => Promise<void>} onCreate
 * @property {(name: string, columns: readonly Column[]) => Promise<void>} onSave
 * @property {(layout: string, name: string) => Promise<void>} onRename
 * @property {(layout: string) => Promise<void>} onDelete
 */

export class ColumnMenu {
  #menu = byIdAs("column-menu", "details");
  #list = byId("column-list");
  #name = byIdAs("layout-name", "input");
  #error = byId("layout-error");
  #model;
  #most;
  #actions;
  /** Those that are ticked, in their order. @type {readonly Column[]} */
  #columns = [];
  /** @type {Column | null} */
  #dragged = null;

  /** @param {LayoutModel} model @param {number} most @param {MenuActions} actions */
  constructor(model, most, actions) {
    this.#model = model;
    this.#most = most;
    this.#actions = actions;
    closeFromOutside(this.#menu, byId("column-menu-summary"));
    this.#menu.addEventListener("toggle", () => this.#open());
    this.#list.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#list.addEventListener("focusin", ({ target }) => {
      for (const box of this.#list.querySelectorAll("input")) {
        box.tabIndex = box === target ? 0 : -1;
      }
    });
    this.#takeDrags();
    byIdAs("layout-form", "form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#create();
    });
    byId("layout-save").addEventListener("click", () => void this.#run(() => this.#actions.onSave(this.#layout, this.#columns)));
    byId("layout-rename").addEventListener("click", () => void this.#rename());
    byId("layout-delete").addEventListener("click", () => void this.#run(() => this.#actions.onDelete(this.#layout)));
  }

  /** The name of the chosen layout; empty for a preset. */
  get #layout() {
    return this.#model.choice.layout ?? "";
  }

  #open() {
    if (this.#menu.open) {
      this.#error.textContent = "";
      this.#name.value = "";
      this.refresh();
      this.#list.querySelector("input")?.focus();
    }
  }

  /** Show what the model has now, if the menu is open. */
  refresh() {
    if (!this.#menu.open) {
      return;
    }
    this.#columns = this.#actions.readColumns();
    const focused = document.activeElement?.closest("[data-column]")?.getAttribute("data-column");
    const rest = COLUMNS.filter((one) => !this.#columns.includes(one));
    this.#list.replaceChildren(...[...this.#columns, ...rest].map((one) => this.#build(one)));
    const stop = this.#list.querySelector(focused ? `[data-column="${focused}"] input` : "input");
    if (stop instanceof HTMLElement) {
      stop.tabIndex = 0;
      if (focused) {
        stop.focus();
      }
    }
    const layout = this.#layout;
    byId("column-menu-title").textContent = layout === "" ? "Columns" : `Columns of ${layout}`;
    byId("column-menu-state").textContent = this.#model.isChanged ? "not saved" : "";
    byIdAs("layout-save", "button").disabled = !this.#model.isChanged;
    for (const id of ["layout-save", "layout-rename", "layout-delete"]) {
      byId(id).hidden = layout === "";
    }
  }

  /** @param {Column} column */
  #build(column) {
    const isShown = this.#columns.includes(column);
    // The list is one stop of the Tab key; the arrow keys move in it.
    const box = make("input", { type: "checkbox", tabindex: "-1", "aria-describedby": "column-hint" });
    box.checked = isShown;
    box.addEventListener("change", () => this.#edit(toggleColumn(this.#columns, column)));
    const label = make("label", { title: TITLES[column] ?? "" }, [box, LABELS[column]]);
    const step = (/** @type {-1 | 1} */ by, /** @type {string} */ text, /** @type {string} */ word) =>
      makeButton({ class: "icon-button", tabindex: "-1", "aria-label": `Move ${LABELS[column]} ${word}`, title: `Alt ${text}`, text }, () => this.#move(column, by));
    const moves = isShown ? [step(-1, "↑", "outward"), step(1, "↓", "inward")] : [];
    return make("li", { "data-column": column, draggable: String(isShown), class: isShown ? "shown" : "" }, [label, ...moves]);
  }

  /** @param {readonly Column[]} columns */
  #edit(columns) {
    this.#error.textContent = "";
    this.#actions.onEdit(columns);
    this.refresh();
  }

  /** @param {Column} column @param {number} step */
  #move(column, step) {
    this.#edit(moveColumn(this.#columns, column, step));
    this.#list.querySelector(`[data-column="${column}"]`)?.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const item = event.target instanceof Element ? event.target.closest("[data-column]") : null;
    if (step === undefined || item === null) {
      return;
    }
    event.preventDefault();
    if (event.altKey) {
      this.#move(columnOf(item), step);
    } else {
      (step < 0 ? item.previousElementSibling : item.nextElementSibling)?.querySelector("input")?.focus();
    }
  }

  #takeDrags() {
    this.#list.addEventListener("dragstart", (event) => {
      const item = event.target instanceof Element ? event.target.closest("[data-column]") : null;
      this.#dragged = item && columnOf(item);
      // Firefox drags nothing without data.
      event.dataTransfer?.setData("text/plain", this.#dragged ?? "");
    });
    this.#list.addEventListener("dragover", (event) => {
      if (this.#dragged !== null) {
        event.preventDefault(); // Without it the browser refuses the drop.
      }
    });
    this.#list.addEventListener("drop", (event) => {
      const item = event.target instanceof Element ? event.target.closest("[data-column]") : null;
      if (this.#dragged !== null && item !== null) {
        event.preventDefault();
        // Onto one that is not shown: to the end of those that are.
        const to = this.#columns.indexOf(columnOf(item));
        const place = to < 0 ? this.#columns.length - 1 : to;
        this.#move(this.#dragged, place - this.#columns.indexOf(this.#dragged));
      }
    });
    this.#list.addEventListener("dragend", () => {
      this.#dragged = null;
    });
  }

  async #create() {
    const name = this.#name.value.trim();
    const fault = describeName(name, this.#model.layouts, this.#most);
    if (fault === "") {
      await this.#run(() => this.#actions.onCreate(name, this.#columns));
    } else {
      this.#error.textContent = fault;
      this.#name.focus();
    }
  }

  async #rename() {
    const name = this.#name.value.trim();
    if (name === "") {
      this.#error.textContent = "Type the new name.";
      this.#name.focus();
    } else {
      await this.#run(() => this.#actions.onRename(this.#layout, name));
    }
  }

  /** @param {() => Promise<void>} change */
  async #run(change) {
    this.#error.textContent = "";
    try {
      await change();
      this.#name.value = "";
    } catch (error) {
      this.#error.textContent = messageOf(error);
    }
    this.refresh();
  }
}

/** @param {Element} item */
function columnOf(item) {
  return /** @type {Column} */ (item.getAttribute("data-column"));
}
