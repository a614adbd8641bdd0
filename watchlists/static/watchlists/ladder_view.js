// Where the ladder is scrolled to: at the line of the spot while it follows, else where the trader left it. Paint only;
// the rules are in follow.js.

import { anchorOf, Follow, nextHeld, strikeAbove } from "./follow.js";

/** @typedef {{row: HTMLElement, strike: number}} ViewRow */
/** A row and its distance from the top of the view, in px. @typedef {{strike: number, top: number}} Place */

export class LadderView {
  #container;
  #onChange;
  #follow = new Follow();
  /** @type {readonly ViewRow[]} */
  #rows = [];
  /** The strike at the money, which returning shows. @type {HTMLElement | null} */
  #atmRow = null;
  #spot = NaN;
  /** Heights of view and rows when the page scrolled last, in px. */
  #extent = "";
  /** The strike under the line of the spot, and where it stays; null without a spot among the strikes. @type {Place | null} */
  #held = null;

  /**
   * @param {HTMLElement} container  The scrolling element.
   * @param {(isFollowing: boolean) => void} onChange
   */
  constructor(container, onChange) {
    this.#container = container;
    this.#onChange = onChange;
    container.addEventListener("scroll", () => this.#takeScroll(), { passive: true });
    // The charts below, or the window: the line goes back to the middle.
    new ResizeObserver(() => this.#takeSize()).observe(container);
  }

  get isFollowing() {
    return this.#follow.isOn;
  }

  /** Forget the rows, whose chain is gone. */
  clear() {
    this.#rows = [];
    this.#atmRow = null;
    this.#held = null;
  }

  /** Show the strike at the money in the middle, and follow the spot from now on. */
  returnToAtm() {
    this.#follow.resume();
    if (this.#atmRow !== null) {
      this.#center(this.#atmRow);
    }
    this.#hold();
    this.#onChange(true);
  }

  /** Show a row in the middle. Following would take the view away from another row than the one at the money. @param {HTMLElement} row */
  show(row) {
    if (row === this.#atmRow) {
      this.returnToAtm();
    } else {
      this.pause();
      this.#center(row);
    }
  }

  pause() {
    this.#follow.pause();
    this.#onChange(false);
  }

  /** Return what is visible, before the rows change. @returns {Place[]} */
  notePlaces() {
    this.#takeScroll();
    if (this.#follow.isOn && this.#held !== null) {
      return [this.#held];
    }
    const { scrollTop, clientHeight } = this.#container;
    const places = this.#rows.map(({ row, strike }) => ({ strike, top: row.offsetTop - scrollTop, bottom: row.offsetTop + row.offsetHeight - scrollTop }));
    return places.filter((one) => one.bottom > this.#headHeight() && one.top < clientHeight);
  }

  /**
   * Take the rows that the ladder has now, and keep what was visible in its place.
   * @param {readonly ViewRow[]} rows
   * @param {readonly Place[]} places  Of notePlaces; none for another chain.
   */
  setRows(rows, places) {
    this.#rows = rows;
    const anchor = anchorOf(places, rows.map((one) => one.strike));
    if (anchor !== null) {
      this.#moveTo(anchor);
    } else {
      // Other rows are no scroll of the trader, either.
      this.#noteOwn();
    }
  }

  /**
   * Take the spot; while the view follows, the rows move so that the line stays.
   * @param {number} spot
   * @param {HTMLElement | null} atmRow
   */
  follow(spot, atmRow) {
    this.#spot = spot;
    this.#atmRow = atmRow;
    if (!this.#follow.isOn) {
      return;
    }
    if (this.#held === null) {
      // The rows are others, or the spot was outside of them.
      this.#hold();
      return;
    }
    const next = nextHeld(this.#rows.map((one) => one.strike), this.#held.strike, spot);
    if (next !== null && next !== this.#held.strike) {
      this.#takeScroll();
      if (this.#follow.isOn) {
        this.#held = { strike: next, top: this.#held.top };
        this.#moveTo(this.#held);
      }
    }
  }

  /** Hold the line where it is. */
  #hold() {
    const strike = strikeAbove(this.#rows.map((one) => one.strike), this.#spot);
    const found = this.#rows.find((one) => one.strike === strike);
    this.#held = found === undefined ? null : { strike: found.strike, top: found.row.offsetTop - this.#container.scrollTop };
  }

  /** @param {Place} place */
  #moveTo({ strike, top }) {
    const found = this.#rows.find((one) => one.strike === strike);
    if (found !== undefined) {
      // Layout is read here, inside of a paint, only when the line passes a strike or the window changes.
      this.#scroll(found.row.offsetTop - top);
    }
  }

  /** @param {HTMLElement} row */
  #center(row) {
    this.#centerRow(row);
    this.centerSideways();
  }

  /** @param {HTMLElement} row */
  #centerRow(row) {
    // Below the sticky head.
    const head = this.#headHeight();
    this.#scroll(row.offsetTop - head - (this.#container.clientHeight - head - row.offsetHeight) / 2);
  }

  /** Show the strike column in the middle, where the columns do not all fit. */
  centerSideways() {
    this.#container.scrollLeft = (this.#container.scrollWidth - this.#container.clientWidth) / 2;
  }

  #headHeight() {
    return this.#container.querySelector(".ladder-head")?.clientHeight ?? 0;
  }

  /** @param {number} top */
  #scroll(top) {
    this.#container.scrollTop = top;
    this.#noteOwn();
  }

  #noteOwn() {
    // Read back: the browser keeps to the ends of the ladder.
    this.#follow.noteOwn(this.#container.scrollTop);
    this.#extent = this.#readExtent();
  }

  #readExtent() {
    return `${this.#container.clientHeight} ${this.#container.scrollHeight}`;
  }

  #takeScroll() {
    // A hidden ladder is at 0, and one without rows is nowhere.
    if (this.#rows.length === 0 || this.#container.clientHeight === 0 || !this.#follow.isOn) {
      return;
    }
    if (this.#extent !== this.#readExtent()) {
      // A view of another height: the browser has moved the rows to stay within them.
      this.#noteOwn();
    } else if (this.#follow.noteTop(this.#container.scrollTop)) {
      this.#onChange(false);
    }
  }

  #takeSize() {
    if (this.#container.clientHeight === 0 || !this.#follow.isOn || this.#atmRow === null) {
      return;
    }
    this.#centerRow(this.#atmRow);
    // What the trader is at stays in view, where a drawer or the charts have taken room.
    document.activeElement?.closest(".strike-row > *")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#noteOwn();
    this.#hold();
  }
}
