// What this browser remembers of the page: texts by key. A trader may block the storage of a site, and it may be full; the
// page works without it.

/** Return the storage of this browser; null where it is blocked. */
export function browserStorage() {
  try {
    return window.localStorage;
  } catch {
    // Reading the property throws where the trader blocks site data.
    return null;
  }
}

/** Return the text that was remembered; null without one. @param {string} key */
export function recall(key) {
  return browserStorage()?.getItem(key) ?? null;
}

/** Remember a text where that is possible; else the next page begins without it. @param {string} key @param {string} text */
export function remember(key, text) {
  try {
    browserStorage()?.setItem(key, text);
  } catch {
    // The storage is full.
  }
}
