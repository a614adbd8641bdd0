// Changes the order of the watchlist: Alt-Up and Alt-Down on a row, or dragging it by its grip. The row moves at once; the
// page stores the new order.

/** The kind of data by which another element, such as the tab of a list, takes a dragged entry: its id. */
export const DRAGGED_ENTRY = "application/x-watchlist-entry";

/** @typedef {(entryId: number, beforeId: number | null, place: number) => void} OnMove  `place` counts from 1. */

/** @param {Element | null | undefined} item */
function idOf(item) {
  const id = item instanceof HTMLElement ? item.dataset["entry"] : undefined;
  return id === undefined ? null : Number(id);
}

/**
 * @param {HTMLElement} list  Its children have `data-entry`.
 * @param {OnMove} onMove     The entry was moved before another one of the list, or to its end.
 */
export function makeReorderable(list, onMove) {
  /** An id and not a row: a reading of the list replaces the rows while one is dragged. @type {number | null} */
  let dragged = null;

  /** @param {Element | null} node */
  const rowOf = (node) => node?.closest("[data-entry]") ?? null;
  /** @param {number} id */
  const findRow = (id) => list.querySelector(`[data-entry="${id}"]`);

  /** @param {Element} row @param {Element | null} before */
  const move = (row, before) => {
    const focused = document.activeElement;
    list.insertBefore(row, before);
    // A node that is inserted again loses the focus.
    if (focused instanceof HTMLElement && row.contains(focused)) {
      focused.focus();
    }
    row.scrollIntoView({ block: "nearest" });
    onMove(idOf(row) ?? 0, idOf(before), [...list.children].indexOf(row) + 1);
  };

  /** The row before which a drop would put the dragged one; null for the end. @param {DragEvent} event */
  const findPlace = (event) => {
    const row = event.target instanceof Element ? rowOf(event.target) : null;
    if (row === null) {
      return null;
    }
    const { top, height } = row.getBoundingClientRect();
    return event.clientY < top + height / 2 ? row : row.nextElementSibling;
  };

  const clearMarks = () => list.querySelectorAll(".drop-before, .drop-last").forEach((row) => {
    row.classList.remove("drop-before", "drop-last");
  });

  /** @param {Element} row @param {-1 | 1} step */
  const moveBy = (row, step) => {
    const neighbor = step < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (neighbor !== null) {
      move(row, step < 0 ? neighbor : neighbor.nextElementSibling);
    }
  };

  list.addEventListener("keydown", (event) => {
    const row = event.target instanceof Element ? rowOf(event.target) : null;
    if (event.altKey && row !== null && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      moveBy(row, event.key === "ArrowUp" ? -1 : 1);
    }
  });

  list.addEventListener("dragstart", (event) => {
    const grip = event.target instanceof Element ? event.target.closest(".entry-grip") : null;
    const row = rowOf(grip);
    dragged = idOf(row);
    if (row !== null && event.dataTransfer !== null) {
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData(DRAGGED_ENTRY, String(dragged));
      event.dataTransfer.setDragImage(row, 0, 0);
    }
  });
  list.addEventListener("dragover", (event) => {
    if (dragged === null) {
      return;
    }
    event.preventDefault(); // Without it the browser refuses the drop.
    clearMarks();
    const before = findPlace(event);
    (before ?? list.lastElementChild)?.classList.add(before === null ? "drop-last" : "drop-before");
  });
  list.addEventListener("drop", (event) => {
    const row = dragged === null ? null : findRow(dragged);
    event.preventDefault();
    const before = findPlace(event);
    if (row !== null && before !== row && before !== row.nextElementSibling) {
      move(row, before);
    }
  });
  list.addEventListener("dragend", () => {
    dragged = null;
    clearMarks();
  });

  return {
    /** Move a row by one place: the menu of a row does so without a drag. @param {number} entryId @param {-1 | 1} step */
    moveBy(entryId, step) {
      const row = findRow(entryId);
      if (row !== null) {
        moveBy(row, step);
      }
    },
  };
}
