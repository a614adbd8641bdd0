// The address of the open chain in the browser's history: each chain has its own, and Back returns to the one before.

import { addressOf } from "./underlying.js";

/** @typedef {import("./underlying.js").ChainRequest} ChainRequest */

/** Return the address in the location bar, without the #. */
export function currentAddress() {
  return decodeURIComponent(window.location.hash.slice(1));
}

/**
 * Write the address of a chain.
 * @param {ChainRequest} request
 * @param {{isNewEntry: boolean}} options  Whether Back returns to the address before.
 */
export function writeAddress(request, { isNewEntry }) {
  const address = addressOf(request);
  if (address === currentAddress()) {
    return;
  }
  if (isNewEntry) {
    window.history.pushState(null, "", `#${address}`);
  } else {
    window.history.replaceState(null, "", `#${address}`);
  }
}
