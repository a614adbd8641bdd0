// The button in the status line that stops the screen and says so. Paint only; the words are in pause.js.

import { Cell, setAttribute } from "./cells.js";
import { byId } from "./dom.js";
import { describePause } from "./pause.js";

export class PauseButton {
  #button = byId("line-pause");
  #text = new Cell(byId("line-pause-text"));

  /** @param {() => void} onToggle */
  constructor(onToggle) {
    this.#button.addEventListener("click", onToggle);
  }

  /** @param {number | null} ageMs  Of the pause; null while the screen is live. */
  paint(ageMs) {
    const { text, title } = describePause(ageMs);
    this.#text.write(text);
    setAttribute(this.#button, "title", title);
    setAttribute(this.#button, "data-tone", ageMs === null ? "" : "warn");
    // For the styles, and for the charts, which draw by a clock of their own.
    setAttribute(document.body, "data-screen", ageMs === null ? "live" : "paused");
  }
}
