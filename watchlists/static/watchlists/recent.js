// The items that a trader opened or added last from the search. The browser keeps them, for each user of it: they save
// typing, and nobody else needs them. State only; the storage is given.

/** @typedef {import("./hits.js").Hit} Hit */
/** @typedef {import("./hits.js").Offer} Offer */

/** Required: they fit in the panel without scrolling. */
export const MOST_RECENT = 8;

export class RecentItems {
  #storage;
  #key;
  #today;

  /**
   * @param {Pick<Storage, "getItem" | "setItem"> | null} storage  Null where the browser blocks it: nothing is kept.
   * @param {string} username  Two people may use one browser.
   * @param {string} today  The market's date, ISO.
   */
  constructor(storage, username, today) {
    this.#storage = storage;
    this.#key = `terminal.recent.${username}`;
    this.#today = today;
  }

  /** Return the items, the newest first, without expired contracts and expiries. @returns {Hit[]} */
  list() {
    const items = parseItems(this.#storage?.getItem(this.#key) ?? null);
    const listed = items.filter(({ expiry }) => expiry === null || expiry >= this.#today);
    return listed.slice(0, MOST_RECENT).map((one) => ({ ...one, offers: this.#currentOffers(one.offers) }));
  }

  /** @param {Hit} hit */
  add(hit) {
    // Without its price, which is old when the item is shown again.
    const { ltp: _ltp, ltp_at: _at, moneyness: _moneyness, ...kept } = hit;
    const others = this.list().filter((one) => one.instrument_id !== hit.instrument_id);
    try {
      this.#storage?.setItem(this.#key, JSON.stringify([kept, ...others].slice(0, MOST_RECENT)));
    } catch {
      // The storage of this site is full: the items stay as they are.
    }
  }

  /**
   * An offer whose stored expiries are all over stays, without one: then the server takes the nearest.
   * @param {Offer[]} offers
   */
  #currentOffers(offers) {
    return offers.map((one) => ({ ...one, expiries: one.expiries.filter(({ expiry }) => expiry >= this.#today) }));
  }
}

/**
 * Return the items of a stored text; those of another form than this version writes are left out.
 * @param {string | null} text
 * @returns {Hit[]}
 */
function parseItems(text) {
  try {
    const items = JSON.parse(text ?? "[]");
    return Array.isArray(items) ? items.filter(isHit) : [];
  } catch {
    // Another program or another version of the page wrote it; the next item replaces it.
    return [];
  }
}

/** @param {any} one */
function isHit(one) {
  const texts = [one?.token, one?.symbol, one?.exchange, one?.instrument_type, one?.display_name];
  return (
    texts.every(isText) &&
    [one.expiry, one.option_type].every((text) => text === null || isText(text)) &&
    [one.instrument_id, one.lot_size].every(Number.isFinite) &&
    (one.strike === null || Number.isFinite(one.strike)) &&
    (one.expiry === null || isDate(one.expiry)) &&
    Array.isArray(one.offers) &&
    one.offers.every(isOffer)
  );
}

/** @param {any} one */
function isOffer(one) {
  return isText(one?.instrument_type) && Array.isArray(one.expiries) && one.expiries.every((/** @type {any} */ at) => isDate(at?.expiry));
}

/** @param {unknown} value */
function isText(value) {
  return typeof value === "string";
}

/** @param {unknown} value  Whether a text is an ISO date; formatting another one throws an error. */
function isDate(value) {
  return typeof value === "string" && /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value));
}
