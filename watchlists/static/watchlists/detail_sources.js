// What the trader means by d, Enter or a click: the option of a cell of the chain, or the instrument of a row of the
// list. Reads the DOM only.

/** @param {Element | null} node  The option of the cell that it is in; null elsewhere, as in the column of the strike. */
export function optionAt(node) {
  const cell = node?.closest(".strike-row > *");
  const row = cell?.parentElement;
  if (!(cell instanceof HTMLElement) || !(row instanceof HTMLElement)) {
    return null;
  }
  const id = cell.classList.contains("call") ? row.dataset["callId"] : cell.classList.contains("put") ? row.dataset["putId"] : undefined;
  return id === undefined ? null : Number(id);
}

/** @param {Element | null} node  The entry of the row that it is in; null elsewhere. */
export function entryAt(node) {
  const row = node?.closest("[data-entry]");
  return row instanceof HTMLElement ? Number(row.dataset["entry"]) : null;
}

/**
 * Call `onOpen` with the option of a cell that is clicked, or that has the focus when Enter is pressed.
 * @param {HTMLElement} grid
 * @param {(instrumentId: number) => void} onOpen
 */
export function openFromGrid(grid, onOpen) {
  grid.addEventListener("click", (event) => {
    const id = event.target instanceof Element ? optionAt(event.target) : null;
    // A selection of text stays: the trader may be about to copy it.
    if (id !== null && document.getSelection()?.isCollapsed !== false) {
      onOpen(id);
    }
  });
  grid.addEventListener("keydown", (event) => {
    const id = event.key === "Enter" ? optionAt(document.activeElement) : null;
    if (id !== null) {
      event.preventDefault();
      onOpen(id);
    }
  });
}
