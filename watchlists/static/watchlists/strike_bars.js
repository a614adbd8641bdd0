// Two bars a strike, the call left and the put right, from zero up or down: a series of the chart library. Paint only.

/** One strike; null draws no bar. @typedef {{time: number, call: number | null, put: number | null, isAtm: boolean}} StrikeBar */
/** @typedef {{call: string, put: string, atm: string}} BarColors */
/**
 * A strike as the library hands it to a series; x in pixels of the page.
 * @typedef {{x: number, originalData: StrikeBar}} PlacedBar
 */

/** Chosen: a gap of a fifth between strikes, so that the two bars of one read as a pair. */
const PAIR_SHARE = 0.8;
/** Chosen: on a narrow screen with many strikes, wide enough to see. */
const MIN_PAIR_PIXELS = 2;

export class StrikeBars {
  /** @type {PlacedBar[]} */
  #bars = [];
  #spacing = 0;
  /** @type {BarColors} */
  #colors;

  /** @param {BarColors} colors */
  constructor(colors) {
    this.#colors = colors;
  }

  defaultOptions() {
    // Values of one strike stand for nothing at the edge of the chart.
    return { lastValueVisible: false, priceLineVisible: false, ...this.#colors };
  }

  /** @param {StrikeBar} bar  The last value is the one of the crosshair; zero keeps the base of the bars visible. */
  priceValueBuilder({ call, put }) {
    return [0, Math.min(call ?? 0, put ?? 0), Math.max(call ?? 0, put ?? 0)];
  }

  /** @param {StrikeBar} bar */
  isWhitespace({ call, put }) {
    return (call ?? null) === null && (put ?? null) === null;
  }

  /** @param {{bars: PlacedBar[], barSpacing: number}} data @param {BarColors} options */
  update({ bars, barSpacing }, options) {
    this.#bars = bars;
    this.#spacing = barSpacing;
    this.#colors = options;
  }

  renderer() {
    return {
      /** @param {any} target @param {(price: number) => number | null} toY */
      draw: (target, toY) => {
        target.useBitmapCoordinateSpace((/** @type {any} */ space) => this.#draw(space, toY));
      },
    };
  }

  /**
   * @param {{context: CanvasRenderingContext2D, horizontalPixelRatio: number, verticalPixelRatio: number, bitmapSize: {height: number}}} space
   * @param {(price: number) => number | null} toY
   */
  #draw({ context, horizontalPixelRatio: across, verticalPixelRatio: down, bitmapSize }, toY) {
    const base = toY(0);
    if (base === null) {
      return;
    }
    const width = Math.max(1, Math.floor((Math.max(this.#spacing * PAIR_SHARE, MIN_PAIR_PIXELS) * across) / 2));
    for (const { x, originalData } of this.#bars) {
      const center = Math.round(x * across);
      if (originalData.isAtm) {
        context.fillStyle = this.#colors.atm;
        context.fillRect(center, 0, Math.max(1, Math.floor(across)), bitmapSize.height);
      }
      /** @type {[number | null, number, string][]} */
      const pair = [
        [originalData.call, center - width, this.#colors.call],
        [originalData.put, center, this.#colors.put],
      ];
      for (const [value, left, color] of pair) {
        const y = value === null || value === 0 ? null : toY(value);
        if (y !== null) {
          const top = Math.round(Math.min(y, base) * down);
          context.fillStyle = color;
          // What is not zero is visible, however small.
          context.fillRect(left, top, width, Math.max(1, Math.round(Math.abs(base - y) * down)));
        }
      }
    }
  }
}
