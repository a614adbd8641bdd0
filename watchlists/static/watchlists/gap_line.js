// A line over the minutes of a day that stops where values are missing: a series of the chart library, whose own line
// would run through. Paint only.

/** One minute; without a value the line stops. The library keeps `time` for itself. @typedef {{time: number, at: number, value?: number}} LinePoint */
/** A minute as the library hands it to a series; x in pixels of the page. @typedef {{x: number, originalData: LinePoint}} PlacedPoint */

/** Chosen: as the line of the smile. */
const LINE_PIXELS = 2;
/** Chosen: a minute between two gaps, or the first of a day, is a dot that can be seen. */
const DOT_PIXELS = 2;

export class GapLine {
  /** @type {PlacedPoint[]} */
  #points = [];
  #color;
  #step;

  /** @param {string} color @param {number} step  Between two neighbors, in the unit of `at`. */
  constructor(color, step) {
    this.#color = color;
    this.#step = step;
  }

  defaultOptions() {
    return { lastValueVisible: false, priceLineVisible: false, color: this.#color };
  }

  /** @param {LinePoint} point */
  priceValueBuilder({ value = 0 }) {
    return [value];
  }

  /** @param {LinePoint} point */
  isWhitespace({ value }) {
    return value === undefined;
  }

  /** @param {{bars: PlacedPoint[]}} data @param {{color: string}} options */
  update({ bars }, { color }) {
    this.#points = bars.filter(({ originalData }) => originalData.value !== undefined);
    this.#color = color;
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
   * @param {{context: CanvasRenderingContext2D, horizontalPixelRatio: number, verticalPixelRatio: number}} space
   * @param {(price: number) => number | null} toY
   */
  #draw({ context, horizontalPixelRatio: across, verticalPixelRatio: down }, toY) {
    context.strokeStyle = context.fillStyle = this.#color;
    context.lineWidth = LINE_PIXELS * down;
    context.lineJoin = "round";
    for (const run of runsOf(this.#points, this.#step)) {
      const places = run.map(({ x, originalData }) => [x * across, (toY(originalData.value ?? 0) ?? 0) * down]);
      context.beginPath();
      if (places.length === 1) {
        const [x = 0, y = 0] = places[0] ?? [];
        context.arc(x, y, DOT_PIXELS * down, 0, 2 * Math.PI);
        context.fill();
        continue;
      }
      for (const [x = 0, y = 0] of places) {
        // The first one of a path is a move.
        context.lineTo(x, y);
      }
      context.stroke();
    }
  }
}

/**
 * Return the points in runs of neighbors.
 * @template {{originalData: {at: number}}} Point
 * @param {readonly Point[]} points
 * @param {number} step
 * @returns {Point[][]}
 */
export function runsOf(points, step) {
  /** @type {Point[][]} */
  const runs = [];
  for (const point of points) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run !== undefined && last !== undefined && point.originalData.at - last.originalData.at <= step) {
      run.push(point);
    } else {
      runs.push([point]);
    }
  }
  return runs;
}
