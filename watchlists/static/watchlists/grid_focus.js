// The focus in the ladder: arrow keys move it by a cell in both directions (ARIA: a grid with roving tabindex). It keeps
// its strike and column when rows or columns change. Paint only.

/** Chosen: about half of what a screen shows, so that the trader keeps the context. */
const PAGE_ROWS = 10;

/** @typedef {{row: HTMLElement, strike: number}} GridRow */

export class GridFocus {
  #container;
  /** @type {readonly GridRow[]} */
  #rows = [];
  /** The names of the cells of a row, in their order. @type {readonly string[]} */
  #keys = [];
  /** The one cell that Tab reaches. @type {HTMLElement | null} */
  #stop = null;
  /** Where the focus is or was last; null until the trader has chosen a cell. @type {{strike: number, key: string} | null} */
  #place = null;
  #hadFocus = false;

  /** @param {HTMLElement} container */
  constructor(container) {
    this.#container = container;
    container.addEventListener("keydown", (event) => this.#handleKey(event));
    container.addEventListener("click", (event) => this.#takeClick(event));
  }

  /** Note whether the focus is in the rows, before they are replaced. */
  noteBefore() {
    this.#hadFocus = this.#container.contains(document.activeElement);
  }

  /**
   * Take new rows; where the focus was in the former ones, it goes to the same strike and column.
   * @param {readonly GridRow[]} rows
   * @param {readonly string[]} keys  The names of the cells of a row, in their order.
   * @param {boolean} isComparable    Whether they are of the same underlying: otherwise the former place means nothing.
   */
  setRows(rows, keys, isComparable) {
    this.#rows = rows;
    this.#keys = keys;
    if (this.#stop !== null) {
      // The row may be one of the new ones, too.
      this.#stop.tabIndex = -1;
      this.#stop = null;
    }
    if (!isComparable) {
      this.#place = null;
    }
    const place = this.#place;
    const nearest = place && nearestRow(rows, place.strike);
    // Where the column is no longer shown, at the strike.
    const cells = place && nearest ? [place.key, "strike"].map((key) => cellAt(nearest.row, keys.indexOf(key))) : [];
    // None is visible where another view hides the whole ladder.
    const cell = cells.find((one) => one !== null && one.getClientRects().length > 0) ?? cells.find((one) => one !== null);
    if (cell) {
      this.#setStop(cell);
      if (this.#hadFocus && cell !== document.activeElement) {
        cell.focus({ preventScroll: true });
      }
    }
    this.#hadFocus = false;
  }

  /** The columns on the screen are others: leave a cell that is hidden now for the strike of its row. */
  leaveHidden() {
    const stop = this.#stop;
    const strike = stop?.parentElement?.querySelector(".strike");
    if (stop === null || stop.getClientRects().length > 0 || !(strike instanceof HTMLElement)) {
      return;
    }
    // A browser takes the focus from a hidden element only when it paints.
    if (stop === document.activeElement) {
      this.focus(strike);
    } else {
      this.#setStop(strike);
    }
  }

  /** @param {HTMLElement} cell  Tab reaches the grid here, until the trader chooses another cell. */
  offer(cell) {
    if (this.#place === null) {
      this.#setStop(cell);
    }
  }

  /** @param {HTMLElement} cell  Focus it, without a scroll. */
  focus(cell) {
    this.#setStop(cell);
    this.#place = this.#placeOf(cell);
    cell.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} cell */
  #setStop(cell) {
    if (this.#stop !== null && this.#stop !== cell) {
      this.#stop.tabIndex = -1;
    }
    this.#stop = cell;
    cell.tabIndex = 0;
  }

  /** @param {HTMLElement} cell */
  #placeOf(cell) {
    const one = this.#rows.find(({ row }) => row === cell.parentElement);
    return one === undefined ? null : { strike: one.strike, key: this.#keys[[...one.row.children].indexOf(cell)] ?? "" };
  }

  /** @param {MouseEvent} event */
  #takeClick(event) {
    const cell = event.target instanceof Element ? event.target.closest(".strike-row > *") : null;
    // A selection of text stays: the trader may be about to copy it.
    if (cell instanceof HTMLElement && document.getSelection()?.isCollapsed !== false) {
      this.focus(cell);
    }
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    const cell = document.activeElement;
    const at = this.#rows.findIndex(({ row }) => row === cell?.parentElement);
    const step = stepOf(event);
    if (at < 0 || step === null || !(cell instanceof HTMLElement)) {
      return;
    }
    event.preventDefault();
    const { row } = this.#rows[clamp(at + step.rows, this.#rows.length)] ?? {};
    const next = row && moveAlong(row, [...(cell.parentElement?.children ?? [])].indexOf(cell), step.columns);
    if (next) {
      this.focus(next);
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
}

/**
 * Return the move of a key in rows and columns; null for other keys.
 * @param {KeyboardEvent} event
 */
function stepOf({ key, ctrlKey, metaKey, altKey }) {
  if (altKey) {
    return null;
  }
  if (ctrlKey || metaKey) {
    const rows = { Home: -Infinity, End: Infinity }[key];
    return rows === undefined ? null : { rows, columns: 0 };
  }
  const rows = { ArrowUp: -1, ArrowDown: 1, PageUp: -PAGE_ROWS, PageDown: PAGE_ROWS }[key] ?? 0;
  const columns = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[key] ?? 0;
  return rows === 0 && columns === 0 ? null : { rows, columns };
}

/** @param {number} index @param {number} length */
function clamp(index, length) {
  return Math.max(0, Math.min(length - 1, index));
}

/**
 * Return the cell of a row that is some visible columns from a column; the preset hides others.
 * @param {HTMLElement} row
 * @param {number} from
 * @param {number} columns
 */
function moveAlong(row, from, columns) {
  const cells = [...row.children].filter((one) => one instanceof HTMLElement && one.getClientRects().length > 0);
  const at = cells.findIndex((one) => one === row.children[from]);
  const cell = cells[clamp(Math.max(0, at) + columns, cells.length)];
  return cell instanceof HTMLElement ? cell : null;
}

/** @param {HTMLElement} row @param {number} column */
function cellAt(row, column) {
  const cell = row.children[column];
  return cell instanceof HTMLElement ? cell : null;
}

/** @param {readonly GridRow[]} rows @param {number} strike */
function nearestRow(rows, strike) {
  /** @type {GridRow | null} */
  let nearest = null;
  for (const one of rows) {
    if (nearest === null || Math.abs(one.strike - strike) < Math.abs(nearest.strike - strike)) {
      nearest = one;
    }
  }
  return nearest;
}
