// The search box: queries the API during typing, shows the hits, and offers the watchlist entries that a hit allows.
// Paint, with its one request; the page performs the add.

import * as format from "../marketdata/format.js";
import * as api from "./api.js";
import { make, makeButton } from "./dom.js";
import { isShortcut } from "./keys.js";

/**
 * One hit as the API answers it.
 * @typedef {object} Hit
 * @property {number} instrument_id
 * @property {string} token
 * @property {string} symbol           Of the underlying.
 * @property {string} exchange
 * @property {string} instrument_type  As the broker names it: INDEX, EQUITY, FUTSTK, OPTIDX, …
 * @property {string} display_name
 * @property {string | null} expiry
 * @property {number | null} strike
 * @property {string | null} option_type
 * @property {Offer[]} offers          The watchlist entries that it allows.
 */

/** @typedef {{instrument_type: string, expiries: {expiry: string, display: string}[]}} Offer */

/** @typedef {{expiry: string, days_left: number, kind: string, over: boolean}} Expiry  One of GET option-chain/…/expiries. */

/**
 * Body of POST watchlist/add.
 * @typedef {{symbol: string, exchange: string, instrument_type: string, expiry?: string, strikes?: number, list?: string}} AddRequest
 */

/** Chosen: feels immediate, and fast typing sends no request for every keystroke. */
const DEBOUNCE_MS = 100;
/** Chosen: as many hits as the panel shows without scrolling. */
const LIMIT = 12;

/** @type {Record<string, string>} */
const NOUNS = { EQUITY: "share", FUTURE: "future" };
/** @type {Record<string, string>} */
const KINDS = { INDEX: "Index", EQUITY: "Equity", FUT: "Future", OPT: "Option" };

export class SearchBox {
  #input;
  #panel;
  #today;
  #onAdd;
  /** @type {Hit[]} */
  #hits = [];
  #active = -1;
  /** @type {Hit | null} */
  #chosen = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #abortController = new AbortController();

  /**
   * @param {HTMLInputElement} input
   * @param {HTMLElement} panel
   * @param {string} today  The market's date, ISO.
   * @param {(request: AddRequest) => Promise<void>} onAdd  Rejects with an error for the trader.
   */
  constructor(input, panel, today, onAdd) {
    this.#input = input;
    this.#panel = panel;
    this.#today = today;
    this.#onAdd = onAdd;
    input.addEventListener("input", () => this.#searchSoon());
    input.addEventListener("focus", () => this.#searchSoon());
    input.addEventListener("keydown", (event) => this.#handleKey(event));
    // Both: a click may hit an element that takes no focus, and Tab moves the focus without a click.
    for (const kind of ["pointerdown", "focusin"]) {
      document.addEventListener(kind, (event) => this.#closeOnOutsideEvent(event));
    }
    document.addEventListener("keydown", (event) => this.#handleSlash(event));
  }

  close() {
    this.#cancelSearch();
    this.#chosen = null;
    this.#panel.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
  }

  #cancelSearch() {
    clearTimeout(this.#timer);
    this.#abortController.abort();
  }

  /** @param {Event} event */
  #closeOnOutsideEvent(event) {
    const isInside = event.target instanceof Node && (this.#panel.contains(event.target) || event.target === this.#input);
    if (!isInside) {
      this.close();
    }
  }

  /** @param {KeyboardEvent} event */
  #handleSlash(event) {
    if (event.key === "/" && isShortcut(event)) {
      event.preventDefault();
      this.#input.focus();
      this.#input.select();
    }
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (event.key === "Escape") {
      this.close();
    } else if (this.#panel.hidden || this.#chosen !== null) {
      return;
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.#setActive(this.#active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      const hit = this.#hits[Math.max(0, this.#active)];
      if (hit) {
        this.#choose(hit);
      }
    }
  }

  #searchSoon() {
    clearTimeout(this.#timer);
    this.#chosen = null;
    const query = this.#input.value.trim();
    if (query === "") {
      this.close();
      return;
    }
    this.#timer = setTimeout(() => this.#search(query), DEBOUNCE_MS);
  }

  /** @param {string} query */
  async #search(query) {
    this.#abortController.abort();
    const request = new AbortController();
    this.#abortController = request;
    try {
      const answer = await api.read("instruments/search", { q: query, limit: LIMIT }, request.signal);
      this.#showHits(answer.results, query);
    } catch (error) {
      // A newer keystroke aborted this request; its own request shows the result.
      if (!request.signal.aborted) {
        this.#showMessage(messageOf(error), "error");
      }
    }
  }

  /** @param {Hit[]} hits @param {string} query */
  #showHits(hits, query) {
    this.#hits = hits;
    this.#active = -1;
    if (hits.length === 0) {
      this.#showMessage(`No instrument matches “${query}”. Try a symbol, such as “rel” or “nifty 25000 ce”.`, "empty");
      return;
    }
    const list = make("ul", { role: "listbox", id: "search-hits", class: "hits", "aria-label": "Instruments" });
    for (const [index, hit] of hits.entries()) {
      const type = hit.instrument_type;
      const item = make("li", { role: "option", id: `hit-${index}`, class: "hit", "aria-selected": "false" }, [
        make("span", { class: "hit-name", text: titleOf(hit) }),
        make("span", { class: "hit-detail", text: hit.display_name }),
        make("span", { class: "badge", text: hit.exchange }),
        make("span", { class: "badge kind", text: KINDS[type] ?? KINDS[type.slice(0, 3)] ?? type }),
      ]);
      item.addEventListener("click", () => this.#choose(hit));
      list.append(item);
    }
    this.#open(list);
    this.#setActive(0);
  }

  /** @param {string} sentence @param {"error" | "empty" | "busy"} tone */
  #showMessage(sentence, tone) {
    this.#hits = [];
    this.#open(make("p", { class: `sentence ${tone}`, role: tone === "error" ? "alert" : "status", text: sentence }));
  }

  /** @param {HTMLElement} content */
  #open(content) {
    this.#panel.replaceChildren(content);
    this.#panel.hidden = false;
    this.#input.setAttribute("aria-expanded", "true");
  }

  /** @param {number} index */
  #setActive(index) {
    const items = this.#panel.querySelectorAll('[role="option"]');
    if (items.length === 0) {
      return;
    }
    items[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = (index + items.length) % items.length;
    const item = items[this.#active];
    item?.setAttribute("aria-selected", "true");
    item?.scrollIntoView({ block: "nearest" });
    // Combobox pattern: the focus stays in the input, and the attribute names the active option to screen readers.
    this.#input.setAttribute("aria-activedescendant", `hit-${this.#active}`);
  }

  /**
   * Offer the entries that a hit allows: its share, and the chains and futures of its underlying, by expiry.
   * @param {Hit} hit
   */
  #choose(hit) {
    // The answer to a later keystroke would replace the offers under the pointer.
    this.#cancelSearch();
    this.#chosen = hit;
    const choices = make("div", { class: "choices" }, [
      make("p", { class: "choices-title" }, [
        make("strong", { text: titleOf(hit) }),
        make("span", { class: "badge", text: hit.exchange }),
      ]),
      ...hit.offers.map((offer) => this.#offerChoices(hit, offer)),
      make("p", { class: "sentence error", role: "alert" }),
    ]);
    if (hit.offers.length === 0) {
      choices.append(make("p", { class: "sentence", text: `${hit.symbol} cannot be added to a watchlist.` }));
    }
    this.#open(choices);
    // Enter twice adds the nearest chain: the preferred button has the focus.
    const preferred = choices.querySelector("button.preferred") ?? choices.querySelector("button");
    if (preferred instanceof HTMLElement) {
      preferred.focus();
    }
    choices.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.close();
        this.#input.focus();
      }
    });
  }

  /** @param {Hit} hit @param {Offer} offer */
  #offerChoices(hit, offer) {
    const { symbol, exchange } = hit;
    const kind = offer.instrument_type;
    const label = `Add ${symbol} ${NOUNS[kind] ?? "option chain"}`;
    if (offer.expiries.length === 0) {
      // The token "NSE:M&M" names the share itself; `symbol` is that of the underlying.
      return this.#addButton(label, { symbol: hit.token.split(":").pop() ?? symbol, exchange, instrument_type: kind });
    }
    const group = make("div", { class: "chips", role: "group", "aria-label": `${label}, by expiry` });
    for (const [index, { expiry }] of offer.expiries.entries()) {
      const chip = this.#addButton("", { symbol, exchange, instrument_type: kind, expiry });
      chip.className = index === 0 && kind.endsWith("_OPTION") ? "chip preferred" : "chip";
      const daysLeft = Math.round((Date.parse(expiry) - Date.parse(this.#today)) / 86_400_000);
      const days = make("span", { class: "days", text: format.formatDaysLeft(daysLeft) });
      chip.replaceChildren(format.formatExpiry(expiry), days);
      group.append(chip);
    }
    return make("div", {}, [make("p", { class: "choices-label", text: label }), group]);
  }

  /** @param {string} label @param {AddRequest} request */
  #addButton(label, request) {
    const button = makeButton({ class: "button", text: label }, () => this.#add(button, request));
    return button;
  }

  /** @param {HTMLButtonElement} button @param {AddRequest} request */
  async #add(button, request) {
    const errorRegion = this.#panel.querySelector(".choices > .error");
    // A second click would add the same entry again and be rejected as a duplicate.
    button.disabled = true;
    button.classList.add("busy");
    try {
      await this.#onAdd(request);
      this.#input.value = "";
      this.close();
      this.#input.blur();
    } catch (error) {
      if (errorRegion !== null) {
        errorRegion.textContent = `${messageOf(error)} `;
        const offer = offerOf(error, request);
        if (offer !== null) {
          errorRegion.append(this.#addButton(offer.label, offer.request));
        }
      }
    } finally {
      button.disabled = false;
      button.classList.remove("busy");
    }
  }
}

/** @param {Hit} hit */
function titleOf(hit) {
  if (hit.strike !== null && hit.expiry !== null) {
    return `${hit.symbol} ${format.formatExpiry(hit.expiry)} ${format.formatStrike(hit.strike)} ${hit.option_type ?? ""}`;
  }
  return hit.expiry === null ? hit.symbol : `${hit.symbol} ${format.formatExpiry(hit.expiry)} FUT`;
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
