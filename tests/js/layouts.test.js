// Columns and layouts: which the chain shows, and how they are chosen, ordered and kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./modules.js";

const { COLUMNS, fromWire, LABELS, mirror, PRESET_COLUMNS, toWire } = await import("../../watchlists/static/watchlists/columns.js");
const { describeName, fromStored, LayoutModel, moveColumn, readLayouts, toggleColumn, toStored, USUAL_CHOICE } = await import(
  "../../watchlists/static/watchlists/layouts.js"
);

/** @typedef {import("../../watchlists/static/watchlists/columns.js").Column} Column */

const SCALP = { name: "Scalp", columns: /** @type {Column[]} */ (["volume", "bid", "ltp", "ask"]) };
const THETA = { name: "Theta", columns: /** @type {Column[]} */ (["theta", "ltp"]) };

test("puts mirror the calls, and a bid is left of its ask on both sides", () => {
  assert.deepEqual(mirror(["oi", "bid", "ltp", "ask"]), ["bid", "ltp", "ask", "oi"]);
  assert.deepEqual(mirror(["bid", "oi", "ask", "iv"]), ["iv", "bid", "oi", "ask"]);
  assert.deepEqual(mirror(["ltp", "bid"]), ["bid", "ltp"]);
  assert.deepEqual(mirror(PRESET_COLUMNS), ["bid", "ltp", "ask", "change", "vega", "theta", "delta", "iv", "volume", "oi", "oi-change"]);
});

test("every column has a label, and the API's name has an underscore", () => {
  assert.deepEqual(Object.keys(LABELS).sort(), [...COLUMNS].sort());
  assert.deepEqual(toWire(["oi-change", "ltp"]), ["oi_change", "ltp"]);
  assert.deepEqual(fromWire(["time_value", "rho", "ltp"]), ["time-value", "ltp"]);
});

test("a layout without a column that this page knows is left out", () => {
  assert.deepEqual(readLayouts([{ name: "Old", columns: ["rho"] }, { name: "Scalp", columns: ["ltp"] }]), [{ name: "Scalp", columns: ["ltp"] }]);
});

test("a preset has no columns of its own, a layout has, and one that is gone is the usual preset", () => {
  assert.equal(new LayoutModel([SCALP], { preset: "greeks" }).columns, null);
  assert.deepEqual(new LayoutModel([SCALP], { layout: "Scalp" }).columns, SCALP.columns);
  assert.deepEqual(new LayoutModel([SCALP], { layout: "Gone" }).choice, USUAL_CHOICE);
});

test("an edit is on the screen and not saved, until another choice or the saved columns again", () => {
  const model = new LayoutModel([SCALP], { layout: "Scalp" });

  model.edit(["ltp"]);
  assert.deepEqual([model.columns, model.isChanged], [["ltp"], true]);
  model.edit(SCALP.columns);
  assert.equal(model.isChanged, false);

  model.edit(["ltp"]);
  model.choose({ preset: "trade" });
  assert.deepEqual([model.columns, model.isChanged], [null, false]);
});

test("a layout that another tab renames stays chosen, and of one that it deletes the columns stay, not saved", () => {
  const model = new LayoutModel([SCALP, THETA], { layout: "Scalp" });

  model.take([{ ...SCALP, name: "Fast" }, THETA], { from: "Scalp", to: "Fast" });
  assert.deepEqual([model.choice, model.isChanged], [{ layout: "Fast" }, false]);

  model.take([THETA]);
  assert.deepEqual([model.choice, model.columns, model.isChanged], [USUAL_CHOICE, SCALP.columns, true]);
});

test("columns that another tab saved for the chosen layout are shown; edits that are not saved stay", () => {
  const model = new LayoutModel([SCALP], { layout: "Scalp" });

  model.take([{ name: "Scalp", columns: ["oi"] }]);
  assert.deepEqual([model.columns, model.isChanged], [["oi"], false]);

  model.edit(["ltp"]);
  model.take([{ name: "Scalp", columns: ["iv"] }]);
  assert.deepEqual([model.columns, model.isChanged], [["ltp"], true]);
  model.take([{ name: "Scalp", columns: ["ltp"] }]);
  assert.equal(model.isChanged, false);
});

test("a column that is shown comes behind its neighbor in the usual order, and the last one stays", () => {
  assert.deepEqual(toggleColumn(["ltp", "oi"], "ask"), ["ltp", "ask", "oi"]);
  assert.deepEqual(toggleColumn(["ltp"], "oi-change"), ["oi-change", "ltp"]);
  assert.deepEqual(toggleColumn(["oi", "ltp"], "oi"), ["ltp"]);
  assert.deepEqual(toggleColumn(["ltp"], "ltp"), ["ltp"]);
});

test("a column moves as far as there are places", () => {
  assert.deepEqual(moveColumn(["oi", "iv", "ltp"], "iv", -1), ["iv", "oi", "ltp"]);
  assert.deepEqual(moveColumn(["oi", "iv", "ltp"], "oi", 2), ["iv", "ltp", "oi"]);
  assert.deepEqual(moveColumn(["oi", "iv", "ltp"], "oi", -1), ["oi", "iv", "ltp"]);
  assert.deepEqual(moveColumn(["oi"], "ltp", 1), ["oi"]);
});

test("a choice is stored as one text", () => {
  for (const choice of [{ preset: "greeks" }, { layout: "layout: odd" }]) {
    assert.deepEqual(fromStored(toStored(/** @type {any} */ (choice))), choice);
  }
  assert.deepEqual(fromStored(null), USUAL_CHOICE);
});

test("a name that cannot be saved has a sentence", () => {
  assert.equal(describeName("", [], 6), "Type a name for the layout.");
  assert.equal(describeName("Scalp", [SCALP], 6), "You have a layout Scalp already.");
  assert.equal(describeName("Third", [SCALP, THETA], 2), "You have 2 layouts, and no more are possible. Delete one first.");
  assert.equal(describeName("Second", [SCALP], 2), "");
});
