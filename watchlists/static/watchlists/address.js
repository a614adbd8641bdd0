// The address of the open chain in the browser's history: each chain has its own, and Back returns to the one before.

import { byId } from "./dom.js";
import { addressOf } from "./underlying.js";

/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./underlying.js").ChainRequest} ChainRequest */

/** Of the page of one chain. */
const CHAIN_PATH = "/chain/";

/** Return the address of the chain in the location bar: after the #, else that of the page of one chain. */
export function currentAddress() {
  const { hash, pathname } = window.location;
  const address = hash.slice(1) || (pathname.startsWith(CHAIN_PATH) ? pathname.slice(CHAIN_PATH.length) : "");
  return decodeURIComponent(address);
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

/**
 * Make the button work that opens the chain alone in another tab.
 * @param {() => Chain | null} readChain  The chain on the screen.
 */
export function offerOwnTab(readChain) {
  byId("own-tab").addEventListener("click", () => {
    const chain = readChain();
    if (chain !== null) {
      window.open(pathOf(chain), "_blank", "noopener");
    }
  });
}

/**
 * Return the path of the page of one chain: /chain/NIFTY/2026-12-01.
 * @param {{symbol: string, exchange: string, expiry: string}} chain
 */
export function pathOf(chain) {
  return `${CHAIN_PATH}${addressOf(chain).split("/").map(encodeURIComponent).join("/")}`;
}
