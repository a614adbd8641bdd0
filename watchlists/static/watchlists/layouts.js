// Which columns the chain shows: a preset, a named layout of the trader, or columns that are not saved. State only.

import { COLUMNS, fromWire } from "./columns.js";

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {{name: string, columns: readonly Column[]}} Layout */
/** @typedef {{name: string, columns: readonly string[]}} WireLayout  One of GET layouts. */
/**
 * A button of the bar: a preset by its `data-columns`, or a layout by its name.
 * @typedef {{preset: string, layout?: undefined} | {layout: string, preset?: undefined}} Choice
 */

/** @type {Choice} */
export const USUAL_CHOICE = Object.freeze({ preset: "trade" });
/** No preset has a name with a colon. */
const LAYOUT_PREFIX = "layout:";

/** @param {readonly WireLayout[]} layouts @returns {Layout[]} */
export function readLayouts(layouts) {
  return layouts.map(({ name, columns }) => ({ name, columns: fromWire(columns) })).filter((one) => one.columns.length > 0);
}

/** @param {Choice} choice  As a text for the storage of the browser. */
export function toStored({ preset, layout }) {
  return layout === undefined ? preset : `${LAYOUT_PREFIX}${layout}`;
}

/** @param {string | null} text @returns {Choice} */
export function fromStored(text) {
  if (!text) {
    return USUAL_CHOICE;
  }
  return text.startsWith(LAYOUT_PREFIX) ? { layout: text.slice(LAYOUT_PREFIX.length) } : { preset: text };
}

export class LayoutModel {
  /** @type {readonly Layout[]} */
  #layouts;
  /** @type {Choice} */
  #choice;
  /** Columns that differ from the choice and are not saved. @type {readonly Column[] | null} */
  #draft = null;

  /** @param {readonly Layout[]} layouts @param {Choice} choice  One that is not there any more is the usual one. */
  constructor(layouts, choice) {
    this.#layouts = layouts;
    this.#choice = USUAL_CHOICE;
    this.choose(choice);
  }

  get layouts() {
    return this.#layouts;
  }

  get choice() {
    return this.#choice;
  }

  /** Whether the columns on the screen are not saved. */
  get isChanged() {
    return this.#draft !== null;
  }

  /** The columns of the calls from the left; null: those of the preset. @returns {readonly Column[] | null} */
  get columns() {
    return this.#draft ?? this.#find(this.#choice.layout)?.columns ?? null;
  }

  /** @param {Choice} choice */
  choose(choice) {
    const isThere = choice.layout === undefined || this.#find(choice.layout) !== undefined;
    this.#choice = isThere ? choice : USUAL_CHOICE;
    this.#draft = null;
  }

  /** @param {readonly Column[]} columns  At least one; they are on the screen at once, and not saved. */
  edit(columns) {
    const saved = this.#find(this.#choice.layout)?.columns;
    this.#draft = saved?.join() === columns.join() ? null : columns;
  }

  /**
   * Take the layouts that the server has now. Nothing on the screen moves: the columns of a layout that was deleted stay,
   * and are not saved.
   * @param {readonly Layout[]} layouts
   * @param {{from: string, to: string} | null} [renamed]
   */
  take(layouts, renamed = null) {
    const shown = this.columns;
    const isEdited = this.isChanged;
    this.#layouts = layouts;
    if (renamed !== null && this.#choice.layout === renamed.from) {
      this.#choice = { layout: renamed.to };
    }
    const { layout } = this.#choice;
    if (layout !== undefined && this.#find(layout) === undefined) {
      this.#choice = USUAL_CHOICE;
      this.#draft = shown;
    } else if (isEdited && shown !== null) {
      this.edit(shown);
    }
  }

  /** @param {string | undefined} name */
  #find(name) {
    return this.#layouts.find((one) => one.name === name);
  }
}

/**
 * Show or hide a column. A shown one comes behind its neighbor in the usual order; the last one cannot be hidden.
 * @param {readonly Column[]} columns
 * @param {Column} column
 * @returns {Column[]}
 */
export function toggleColumn(columns, column) {
  if (columns.includes(column)) {
    return columns.length === 1 ? [...columns] : columns.filter((one) => one !== column);
  }
  const before = COLUMNS.slice(0, COLUMNS.indexOf(column)).findLast((one) => columns.includes(one));
  return columns.toSpliced(before === undefined ? 0 : columns.indexOf(before) + 1, 0, column);
}

/**
 * Move a column by some places, as far as there are places.
 * @param {readonly Column[]} columns
 * @param {Column} column
 * @param {number} step
 * @returns {Column[]}
 */
export function moveColumn(columns, column, step) {
  const at = columns.indexOf(column);
  if (at < 0) {
    return [...columns];
  }
  const to = Math.max(0, Math.min(columns.length - 1, at + step));
  return columns.toSpliced(at, 1).toSpliced(to, 0, column);
}

/**
 * Return what is wrong with the name of a new layout, for the trader; empty if nothing is. The server checks it, too.
 * @param {string} name
 * @param {readonly Layout[]} layouts
 * @param {number} most  How many layouts are possible.
 */
export function describeName(name, layouts, most) {
  if (name === "") {
    return "Type a name for the layout.";
  }
  if (layouts.some((one) => one.name === name)) {
    return `You have a layout ${name} already.`;
  }
  return layouts.length >= most ? `You have ${most} layouts, and no more are possible. Delete one first.` : "";
}
