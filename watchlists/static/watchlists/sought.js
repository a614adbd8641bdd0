// The strike, or the option, that an address or the search seeks in a chain. Once the chain is there, it is scrolled to,
// focused and ringed; the ring stays until the focus leaves its row or another chain is shown. Paint only.

import { isSought } from "./underlying.js";

/** @typedef {import("./grid_focus.js").GridFocus} GridFocus */
/** @typedef {import("./grid_focus.js").GridRow} GridRow */
/** @typedef {import("./hits.js").Opening} Opening */
/** @typedef {import("./hits.js").Place} Place */
/** Which chain it is. @typedef {{symbol: string, exchange: string, expiry: string}} Chain */

export class SoughtPlace {
  #focus;
  #scrollTo;
  /** Until its chain is shown. @type {Opening | null} */
  #awaited = null;
  /** What has the ring. @type {{place: Place, row: HTMLElement} | null} */
  #ringed = null;

  /**
   * @param {HTMLElement} container  Of the rows.
   * @param {GridFocus} focus
   * @param {(row: HTMLElement) => void} scrollTo
   */
  constructor(container, focus, scrollTo) {
    this.#focus = focus;
    this.#scrollTo = scrollTo;
    // A window in the background keeps its focused element, and so its ring; a click beside everything focuses the page.
    container.addEventListener("focusout", () => queueMicrotask(() => this.#noteFocus()));
    document.addEventListener("focusin", () => this.#noteFocus());
  }

  /** @param {Opening} opening  Without a place, nothing is sought. */
  seek(opening) {
    this.#awaited = opening.place === null ? null : opening;
    this.#unring();
  }

  /** The strike that is sought in this chain and not yet shown; null without one. @param {Chain} chain */
  missingIn(chain) {
    const awaited = this.#awaited;
    return awaited !== null && isSought(awaited.request, chain) ? (awaited.place?.strike ?? null) : null;
  }

  /** Seek it no more. */
  giveUp() {
    this.#awaited = null;
  }

  /**
   * Show the sought place, if the rows have it; in new rows of the same chain, ring again what was ringed.
   * @param {Chain} chain
   * @param {readonly GridRow[]} rows
   * @param {boolean} isSameChain
   */
  showIn(chain, rows, isSameChain) {
    const strike = this.missingIn(chain);
    const found = strike === null ? undefined : rows.find((one) => one.strike === strike);
    if (found !== undefined && this.#awaited?.place) {
      const { place } = this.#awaited;
      this.#awaited = null;
      this.#scrollTo(found.row);
      this.#takeFocus(found.row, place);
      this.#ring(found.row, place);
    } else if (this.#ringed !== null) {
      const { place, row } = this.#ringed;
      const again = isSameChain ? rows.find((one) => one.strike === place.strike) : undefined;
      if (again?.row !== row) {
        this.#unring();
      }
      if (again !== undefined) {
        this.#ring(again.row, place);
      }
    }
  }

  /** @param {HTMLElement} row @param {Place} place */
  #takeFocus(row, place) {
    // The trader may type the next query already.
    if (document.activeElement?.matches("input, textarea, select, dialog *")) {
      return;
    }
    const cells = [cellOf(row, place.side), cellOf(row, null)];
    // The columns on the screen may lack the price.
    const cell = cells.find((one) => one !== null && one.getClientRects().length > 0);
    if (cell) {
      this.#focus.focus(cell);
    }
  }

  /** @param {HTMLElement} row @param {Place} place */
  #ring(row, place) {
    this.#unring();
    this.#ringed = { place, row };
    row.classList.add("sought");
    cellOf(row, place.side)?.classList.add("sought-option");
  }

  #unring() {
    this.#ringed?.row.classList.remove("sought");
    this.#ringed?.row.querySelector(".sought-option")?.classList.remove("sought-option");
    this.#ringed = null;
  }

  #noteFocus() {
    const ringed = this.#ringed;
    // Rows that were replaced keep their ring until `showIn` has the new ones.
    if (ringed !== null && ringed.row.isConnected && !ringed.row.contains(document.activeElement)) {
      this.#unring();
    }
  }
}

/**
 * Return the price of an option in its row; without a side, the strike.
 * @param {HTMLElement} row
 * @param {Place["side"]} side
 * @returns {HTMLElement | null}
 */
function cellOf(row, side) {
  return row.querySelector(side === null ? ".strike" : `.${side}.ltp`);
}
