// Records when cells were painted, in a page of bench_tick_to_cell: [instrument, volume, Unix milliseconds] in
// `window.painted`, and the times of frames that painted any text in `window.paints`. A message that is posted in an
// animation frame, or in a microtask of it, arrives after that frame.

/** @typedef {[number, number, number]} Painted */

const page = /** @type {{painted: Painted[], paints: number[]} & Window} */ (/** @type {unknown} */ (window));

/** @returns {(changes: [number, number][]) => void} A function to call in the frame that writes these changes. */
function makeRecorder() {
  /** @type {[number, number][]} */
  let written = [];
  let isPosted = false;
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    const now = Date.now();
    page.paints.push(now);
    for (const [instrument, volume] of written) {
      page.painted.push([instrument, volume, now]);
    }
    written = [];
    isPosted = false;
  };
  return (changes) => {
    written.push(...changes);
    if (!isPosted) {
      isPosted = true;
      channel.port2.postMessage(null);
    }
  };
}

/**
 * Record the ladder of the terminal. The tooltip of a cell has the whole volume.
 * @param {[string, number | null, number | null][]} strikes  As in the message of the chain: strike, call, put.
 */
function recordLadder(strikes) {
  page.painted = [];
  page.paints = [];
  const record = makeRecorder();
  /** @type {Map<Node, number>} */
  const instruments = new Map();
  document.querySelectorAll(".strike-row").forEach((row, index) => {
    const [, call = null, put = null] = strikes[index] ?? [];
    for (const [side, instrument] of /** @type {[string, number | null][]} */ ([["call", call], ["put", put]])) {
      const cell = row.querySelector(`.${side}.volume`);
      if (cell !== null && instrument !== null) {
        instruments.set(cell, instrument);
      }
    }
  });
  const observer = new MutationObserver((mutations) => {
    /** @type {[number, number][]} */
    const changes = [];
    for (const { target, type } of mutations) {
      const instrument = instruments.get(target);
      if (type === "attributes" && instrument !== undefined) {
        changes.push([instrument, Number(/** @type {HTMLElement} */ (target).title.replace(/\D/g, ""))]);
      }
    }
    record(changes);
  });
  const ladder = /** @type {Element} */ (document.querySelector(".ladder"));
  observer.observe(ladder, { subtree: true, characterData: true, attributes: true, attributeFilter: ["title"] });
}

/**
 * The alternative: read the chain by REST at a rate, and write the cells of a plain table.
 * @param {{path: string, everyMs: number}} options
 */
function pollChain({ path, everyMs }) {
  page.painted = [];
  page.paints = [];
  const record = makeRecorder();
  /** @type {Map<number, {cells: HTMLElement[], volume: number}>} */
  const rows = new Map();
  const body = document.createElement("tbody");
  const table = document.createElement("table");
  table.append(body);
  document.body.replaceChildren(table);

  /** @param {any} leg */
  const rowOf = (leg) => {
    let row = rows.get(leg.instrument_id);
    if (row === undefined) {
      const line = document.createElement("tr");
      const cells = Array.from({ length: 5 }, () => document.createElement("td"));
      line.append(...cells);
      body.append(line);
      row = { cells, volume: -1 };
      rows.set(leg.instrument_id, row);
    }
    return row;
  };

  const poll = async () => {
    const answer = await (await fetch(path)).json();
    requestAnimationFrame(() => {
      /** @type {[number, number][]} */
      const changes = [];
      for (const leg of answer.strikes.flatMap((/** @type {any} */ one) => [one.ce, one.pe])) {
        if (leg === null || leg.volume === null || leg.volume === rowOf(leg).volume) {
          continue;
        }
        const row = rowOf(leg);
        row.volume = leg.volume;
        [leg.ltp, leg.bid, leg.ask, leg.oi, leg.volume].forEach((value, at) => {
          /** @type {HTMLElement} */ (row.cells[at]).textContent = String(value);
        });
        changes.push([leg.instrument_id, leg.volume]);
      }
      record(changes);
    });
  };
  const pollAgain = async () => {
    const began = performance.now();
    await poll();
    setTimeout(() => void pollAgain(), Math.max(0, everyMs - (performance.now() - began)));
  };
  void pollAgain();
}

Object.assign(window, { recordLadder, pollChain });
