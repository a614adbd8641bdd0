// The address of the shown instrument: /instrument/12 before the # of the open chain, so that a reload, a shared link,
// Back and Forward restore both. Pure, except for the functions that write it.

const PATH = /^\/instrument\/(\d{1,10})$/;
/** Of the terminal without an instrument. */
const TERMINAL_PATH = "/";

/** @param {string} path  The id of the instrument that it names; null for another page. */
export function instrumentOf(path) {
  const [, id] = PATH.exec(path) ?? [];
  return id === undefined ? null : Number(id);
}

/** Return whether the address of this page can name an instrument: that of a chain alone names the chain. @param {string} path */
export function canName(path) {
  return path === TERMINAL_PATH || instrumentOf(path) !== null;
}

/** @param {number} instrumentId  One that is opened makes an entry in the history, another one after it none. */
export function writeInstrument(instrumentId) {
  const { pathname, hash } = window.location;
  const shown = instrumentOf(pathname);
  if (!canName(pathname) || shown === instrumentId) {
    return;
  }
  const address = `/instrument/${instrumentId}${hash}`;
  if (shown === null) {
    window.history.pushState({ isDetail: true }, "", address);
  } else {
    window.history.replaceState(window.history.state, "", address);
  }
}

/** Remove the instrument from the address: by Back, where the last entry of the history is its own. */
export function clearInstrument() {
  const { pathname, hash } = window.location;
  if (instrumentOf(pathname) === null) {
    return;
  }
  if (window.history.state?.isDetail === true) {
    window.history.back();
  } else {
    window.history.replaceState(null, "", `${TERMINAL_PATH}${hash}`);
  }
}
