// The table of the scanner: builds a row once and then writes only the cells that differ. Rows keep their places while
// the pointer or the focus is on the table. Paint only.

import { UNKNOWN } from "../marketdata/format.js";
import { Cell, setAttribute } from "./cells.js";
import { make } from "./dom.js";
import { arrange, chainAddressOf, keyOf, nameOf } from "./scans.js";

/** @typedef {import("./scans.js").Ranking} Ranking */
/** @typedef {import("./scans.js").Row} Row */
/** @typedef {{node: HTMLTableRowElement, link: HTMLAnchorElement, cells: Cell[]}} ScanRow */

export class ScanTable {
  #table;
  #terminal;
  #head = make("thead");
  #body = make("tbody");
  /** @type {Ranking | null} */
  #ranking = null;
  /** @type {Map<string, ScanRow>} */
  #rows = new Map();

  /**
   * @param {HTMLTableElement} table
   * @param {string} terminal  The address of the terminal's page.
   * @param {() => void} onReleased  The order is not held any more.
   */
  constructor(table, terminal, onReleased) {
    this.#table = table;
    this.#terminal = terminal;
    table.append(this.#head, this.#body);
    this.#body.addEventListener("click", (event) => openRow(event));
    this.#body.addEventListener("pointerleave", onReleased);
    this.#body.addEventListener("focusout", onReleased);
  }

  /** Whether the rows keep their places: a row must not leave from under the pointer or the focus. */
  get isHeld() {
    return this.#body.matches(":hover") || this.#body.contains(document.activeElement);
  }

  /** @param {Ranking} ranking */
  begin(ranking) {
    this.#ranking = ranking;
    this.#rows.clear();
    this.#body.replaceChildren();
    const heads = ranking.columns.map(({ label, title = "", secondary }) =>
      make("th", { scope: "col", title, class: secondary ? "secondary" : "", text: label }),
    );
    this.#head.replaceChildren(make("tr", {}, [make("th", { scope: "col", text: ranking.subject }), ...heads]));
  }

  /**
   * Show the rows of a result, or of none: then the rows on the screen stay, and nothing of them is known.
   * @param {Row[]} rows
   * @param {boolean} isLive
   */
  show(rows, isLive) {
    setAttribute(this.#table, "data-state", isLive ? "live" : "stale");
    if (!isLive) {
      for (const row of this.#rows.values()) {
        writeUnknown(row);
      }
      return;
    }
    const byKey = new Map(rows.map((row) => [keyOf(row), row]));
    const order = arrange([...this.#rows.keys()], rows, this.isHeld);
    this.#place(order, byKey);
    for (const [key, row] of this.#rows) {
      const found = byKey.get(key);
      if (found === undefined) {
        writeUnknown(row);
      } else {
        this.#write(row, found);
      }
    }
  }

  /** @param {string[]} order @param {Map<string, Row>} byKey */
  #place(order, byKey) {
    const before = this.#rows;
    if (order.length === before.size && [...before.keys()].every((key, at) => key === order[at])) {
      return;
    }
    this.#rows = new Map(order.map((key) => [key, before.get(key) ?? this.#build(byKey.get(key))]));
    this.#body.replaceChildren(...[...this.#rows.values()].map((row) => row.node));
  }

  /** @param {Row | undefined} row @returns {ScanRow} */
  #build(row) {
    if (row === undefined || this.#ranking === null) {
      throw new Error("a row is built from a result");
    }
    const link = make("a", { text: nameOf(row) });
    const heading = make("th", { scope: "row" }, [link]);
    if (row.exchange !== "NSE") {
      heading.append(" ", make("span", { class: "badge", text: row.exchange }));
    }
    if (row["lot_size"] != null) {
      link.title = `Open the chain at this strike. Lot ${row["lot_size"]}`;
    }
    const cells = this.#ranking.columns.map(({ secondary }) => new Cell(make("td", { class: secondary ? "secondary" : "" })));
    return { node: make("tr", {}, [heading, ...cells.map((cell) => cell.node)]), link, cells };
  }

  /** @param {ScanRow} row @param {Row} found */
  #write(row, found) {
    setAttribute(row.node, "data-ranked", "yes");
    setAttribute(row.link, "href", `${this.#terminal}#${encodeURI(chainAddressOf(found))}`);
    this.#ranking?.columns.forEach((column, at) => {
      const cell = /** @type {Cell} */ (row.cells[at]);
      const { text, direction = "flat", title = "" } = column.figure(found);
      if (cell.write(text)) {
        setAttribute(cell.node, "data-direction", direction);
        setAttribute(cell.node, "title", title);
      }
    });
  }
}

/** @param {ScanRow} row */
function writeUnknown(row) {
  setAttribute(row.node, "data-ranked", "no");
  for (const cell of row.cells) {
    if (cell.write(UNKNOWN)) {
      setAttribute(cell.node, "data-direction", "flat");
      setAttribute(cell.node, "title", "");
    }
  }
}

/** @param {MouseEvent} event  A click beside the link of a row opens it, too; a selection of text does not. */
function openRow(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest("a") === null && (window.getSelection()?.isCollapsed ?? true)) {
    target.closest("tr")?.querySelector("a")?.click();
  }
}
