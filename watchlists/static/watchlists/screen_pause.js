// The pause of the screen on the page: its button in the status line, its styles, and the window of the chain that came
// meanwhile. Paint only; the words are in pause.js.

import { Cell, endMarks, setAttribute } from "./cells.js";
import { byId } from "./dom.js";
import { describePause, Pause, withPause } from "./pause.js";
import { isSameChain } from "./underlying.js";

/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./health.js").Health} Health */

export class ScreenPause {
  #pause = new Pause();
  #button = byId("line-pause");
  #text = new Cell(byId("line-pause-text"));
  /** The newest window of the chain on the screen, which it does not show yet. @type {Chain | null} */
  #heldChain = null;
  #onChange;

  /** @param {(heldChain: Chain | null) => void} onChange  The screen stands still, or goes on with this window. */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#button.addEventListener("click", () => this.toggle());
  }

  get isOn() {
    return this.#pause.isOn;
  }

  toggle() {
    if (this.isOn) {
      this.end();
    } else {
      this.#pause.begin(performance.now());
      endMarks(Infinity);
      this.#onChange(null);
    }
  }

  /** Let the screen go on. */
  end() {
    if (this.isOn) {
      this.#pause.end();
      const held = this.#heldChain;
      this.#heldChain = null;
      this.#onChange(held);
    }
  }

  /**
   * Keep a new window of the chain on the screen until the screen goes on; it would move the rows. Return whether it is
   * kept. Another chain, which the trader has opened, ends the pause.
   * @param {Chain} chain
   * @param {Chain | null} shown
   */
  keeps(chain, shown) {
    if (this.isOn && isSameChain(shown, chain)) {
      this.#heldChain = chain;
      return true;
    }
    this.#heldChain = null;
    this.end();
    return false;
  }

  /**
   * Paint the button; return what the chip says.
   * @param {Health} health
   * @param {number} serverNowMs  Epoch in ms.
   * @param {number} now          By performance.now().
   */
  paint(health, serverNowMs, now) {
    const ageMs = this.#pause.ageMs(now);
    const { text, title } = describePause(ageMs);
    this.#text.write(text);
    setAttribute(this.#button, "title", title);
    setAttribute(this.#button, "data-tone", ageMs === null ? "" : "warn");
    // For the styles, and for the charts, which draw by a clock of their own.
    setAttribute(document.body, "data-screen", ageMs === null ? "live" : "paused");
    return withPause(health, ageMs, serverNowMs);
  }
}
