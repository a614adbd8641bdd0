// Whether the chain follows the spot: on until the trader scrolls, and on again when the trader returns. Pure.
//
// While it is on, the line of the spot stays where it is on the screen, and the strikes move past it. While it is off,
// nothing moves. Scrolls of the page itself do not count as the trader's: each is noted, and the browser's event about it
// names the noted place.

/** Browsers round a place to their own pixels. */
const ROUNDING_PX = 1;
/**
 * How far, in gaps between strikes, the spot must be beyond a strike before the rows move. Chosen: a price that swings
 * around a strike would move them to and fro.
 */
const BEYOND = 0.25;

export class Follow {
  #isOn = true;
  /** Where the page scrolled to last, in px; null before its first scroll. @type {number | null} */
  #ownTop = null;

  get isOn() {
    return this.#isOn;
  }

  /** @param {number} top  Where the ladder is after a scroll of the page. */
  noteOwn(top) {
    this.#ownTop = top;
  }

  /**
   * Take the present place of the ladder, which a scroll of the trader changes. Return whether this was one.
   * @param {number} top
   */
  noteTop(top) {
    const isTraders = this.#ownTop !== null && Math.abs(top - this.#ownTop) > ROUNDING_PX;
    if (isTraders) {
      this.#isOn = false;
    }
    return isTraders;
  }

  pause() {
    this.#isOn = false;
  }

  resume() {
    this.#isOn = true;
  }
}

/**
 * Return the strike under the line of the spot: the lowest one above it; null where there is none.
 * @param {readonly number[]} strikes  Ascending.
 * @param {number} spot
 */
export function strikeAbove(strikes, spot) {
  return strikes.find((one) => one > spot) ?? null;
}

/**
 * Return the strike under the line that the view holds next: the held one until the spot is clearly beyond a strike.
 * @param {readonly number[]} strikes  Ascending.
 * @param {number | null} held         The strike that was above the spot; null for none.
 * @param {number} spot
 */
export function nextHeld(strikes, held, spot) {
  const at = held === null ? -1 : strikes.indexOf(held);
  const [below, above] = [strikes[at - 1], strikes[at]];
  if (below === undefined || above === undefined) {
    return strikeAbove(strikes, spot);
  }
  const slack = BEYOND * (above - below);
  return spot >= above + slack || spot < below - slack ? strikeAbove(strikes, spot) : held;
}

/**
 * Return the row that stays in its place when the strikes of the window change: the first of the visible ones that the
 * new window has. Null where it has none of them.
 * @template {{strike: number}} T
 * @param {readonly T[]} visible  From the top.
 * @param {readonly number[]} strikes
 */
export function anchorOf(visible, strikes) {
  return visible.find((one) => strikes.includes(one.strike)) ?? null;
}
