// The watchlist entries that a hit of the search allows: its share, and the chains and futures of its underlying, by
// expiry. Paint only; the page performs the addition.

import * as format from "../marketdata/format.js";
import * as api from "./api.js";
import { make, makeButton } from "./dom.js";
import { requestOf, titleOf } from "./hits.js";

/** @typedef {import("./hits.js").AddRequest} AddRequest */
/** @typedef {import("./hits.js").Hit} Hit */
/** @typedef {import("./hits.js").Offer} Offer */

/** Adds an entry. @typedef {{add: (request: AddRequest) => Promise<void>, errorRegion: HTMLElement}} Addition  `add` rejects with an error for the trader. */

/** @type {Record<string, string>} */
const NOUNS = { EQUITY: "share", FUTURE: "future", OPTION: "option", INDEX: "index" };

/**
 * Return the offers of a hit with a button for each.
 * @param {Hit} hit
 * @param {string} today  The market's date, ISO.
 * @param {(request: AddRequest) => Promise<void>} add  Rejects with an error for the trader.
 */
export function buildOffers(hit, today, add) {
  const errorRegion = make("p", { class: "sentence error", role: "alert" });
  const choices = make("div", { class: "choices" }, [
    make("p", { class: "choices-title" }, [
      make("strong", { text: titleOf(hit) }),
      make("span", { class: "badge", text: hit.exchange }),
    ]),
    ...hit.offers.map((offer) => buildOffer(hit, offer, today, { add, errorRegion })),
    errorRegion,
  ]);
  if (hit.offers.length === 0) {
    choices.append(make("p", { class: "sentence", text: `${titleOf(hit)} cannot be added to a watchlist.` }));
  }
  return choices;
}

/** @param {Hit} hit @param {Offer} offer @param {string} today @param {Addition} addition */
function buildOffer(hit, offer, today, addition) {
  const kind = offer.instrument_type;
  const label = `Add ${hit.symbol} ${NOUNS[kind] ?? "option chain"}`;
  if (offer.expiries.length === 0) {
    return buildAdd(label, requestOf(hit, offer), addition);
  }
  const group = make("div", { class: "chips", role: "group", "aria-label": `${label}, by expiry` });
  for (const [index, { expiry }] of offer.expiries.entries()) {
    const chip = buildAdd("", requestOf(hit, offer, expiry), addition);
    chip.className = index === 0 && kind.endsWith("_OPTION") ? "chip preferred" : "chip";
    const daysLeft = Math.round((Date.parse(expiry) - Date.parse(today)) / 86_400_000);
    const days = make("span", { class: "days", text: format.formatDaysLeft(daysLeft) });
    chip.replaceChildren(format.formatExpiry(expiry), days);
    group.append(chip);
  }
  return make("div", {}, [make("p", { class: "choices-label", text: label }), group]);
}

/** @param {string} label @param {AddRequest} request @param {Addition} addition */
function buildAdd(label, request, addition) {
  const button = makeButton({ class: "button", text: label }, async () => {
    // A second click would add the same entry again and be rejected as a duplicate.
    button.disabled = true;
    button.classList.add("busy");
    try {
      await addition.add(request);
    } catch (error) {
      showAddError(error, request, addition);
    } finally {
      button.disabled = false;
      button.classList.remove("busy");
    }
  });
  return button;
}

/**
 * Write the error of a rejected addition, with a button for the narrower chain that the server offers.
 * @param {unknown} error
 * @param {AddRequest} request
 * @param {Addition} addition
 */
export function showAddError(error, request, addition) {
  addition.errorRegion.textContent = `${messageOf(error)} `;
  const offer = offerOf(error, request);
  if (offer !== null) {
    addition.errorRegion.append(buildAdd(offer.label, offer.request, addition));
  }
}

/**
 * Return the narrower chain that a rejected request may be replaced by, where the server offers one; else null.
 * @param {unknown} error
 * @param {AddRequest} request
 * @returns {{label: string, request: AddRequest} | null}
 */
export function offerOf(error, request) {
  if (!(error instanceof api.ApiError) || error.offerStrikes === null) {
    return null;
  }
  const strikes = error.offerStrikes;
  return { label: `Add ±${Math.floor(strikes / 2)} strikes`, request: { ...request, strikes } };
}

/**
 * Return the text of an error for the trader.
 * @param {unknown} error
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
