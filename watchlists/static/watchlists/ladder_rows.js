// The rows of the ladder in the page: their order, and the widths of the columns of a layout. Paint only.

/** @typedef {import("./columns.js").Column} Column */

/** Chosen: the longest text of each column, in px, at the size of the rows. @type {Partial<Record<Column, number>>} */
const WIDTHS = { "oi-change": 84, oi: 66, volume: 66, gamma: 66, "change-percent": 66, iv: 46, delta: 48 };
/** A price of five digits with its decimals. */
const PRICE_WIDTH = 70;
/** Of the strike with its marks; narrower on phones, where chain.css hides the marks. */
const STRIKE_WIDTH = 92;

/**
 * Make the rows the children of `body`, in this order. Rows that stay are not taken out of the page: they would lose the
 * focus and a selection.
 * @param {Element} body
 * @param {readonly HTMLElement[]} rows
 */
export function placeRows(body, rows) {
  const kept = new Set(rows);
  for (const child of [...body.children]) {
    if (!(child instanceof HTMLElement && kept.has(child))) {
      child.remove();
    }
  }
  let next = body.firstElementChild;
  for (const [index, row] of rows.entries()) {
    row.setAttribute("aria-rowindex", String(index + 3));
    if (row === next) {
      next = next.nextElementSibling;
    } else {
      body.insertBefore(row, next);
    }
  }
}

/**
 * Set the widths of the columns of a layout. Those of the presets are in chain.css.
 * @param {HTMLElement} ladder
 * @param {readonly Column[]} columns  Of the calls, from the left.
 */
export function setTracks(ladder, columns) {
  const widths = columns.map((one) => WIDTHS[one] ?? PRICE_WIDTH);
  const tracks = widths.map((one) => `minmax(${one}px, 1fr)`);
  ladder.style.setProperty("--side", String(columns.length));
  ladder.style.setProperty("--calls", tracks.join(" "));
  // Widths differ little between a bid and its ask, which alone are not mirrored.
  ladder.style.setProperty("--puts", tracks.reverse().join(" "));
  ladder.style.minWidth = `${2 * widths.reduce((total, one) => total + one, 0) + STRIKE_WIDTH}px`;
}
