// The search box: asks the API as one types, shows hits, offers what can be added of a hit. Paint, with the one
// request that it needs; what adding means is decided by the page.

import * as format from "../marketdata/format.js";
import * as api from "./api.js";
import { make } from "./dom.js";

/**
 * One hit as the API answers it.
 * @typedef {object} Hit
 * @property {number} instrument_id
 * @property {string} token
 * @property {string} symbol           The underlying's.
 * @property {string} exchange
 * @property {string} instrument_type  In the broker's words: INDEX, EQUITY, FUTSTK, OPTIDX, …
 * @property {string} display_name
 * @property {string | null} expiry
 * @property {string | null} strike
 * @property {string | null} option_type
 */

/** @typedef {{expiry: string, days_left: number, kind: string}} Expiry */

/**
 * What a trader wants on the list, as POST watchlist/add takes it.
 * @typedef {{symbol: string, exchange: string, instrument_type: string, expiry?: string}} Wish
 */

const DEBOUNCE_MS = 100;
const LIMIT = 12;

/** @type {Record<string, string>} */
const KINDS = { INDEX: "Index", EQUITY: "Equity", FUT: "Future", OPT: "Option" };

/** @param {Hit} hit */
function kindOf(hit) {
  return KINDS[hit.instrument_type] ?? KINDS[hit.instrument_type.slice(0, 3)] ?? hit.instrument_type;
}

/**
 * The kind of entry that a chain on this hit's underlying is.
 * @param {Hit} hit
 */
function chainKindOf(hit) {
  if (hit.exchange === "MCX") {
    return "COMMODITY_OPTION";
  }
  return ["INDEX", "FUTIDX", "OPTIDX"].includes(hit.instrument_type) ? "INDEX_OPTION" : "STOCK_OPTION";
}

export class SearchBox {
  #input;
  #panel;
  #onAdd;
  /** @type {Hit[]} */
  #hits = [];
  #active = -1;
  /** @type {Hit | null} */
  #chosen = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #request = new AbortController();

  /**
   * @param {HTMLInputElement} input
   * @param {HTMLElement} panel
   * @param {(wish: Wish) => Promise<void>} onAdd  Rejects with the reason in words.
   */
  constructor(input, panel, onAdd) {
    this.#input = input;
    this.#panel = panel;
    this.#onAdd = onAdd;
    input.addEventListener("input", () => this.#searchSoon());
    input.addEventListener("focus", () => this.#searchSoon());
    input.addEventListener("keydown", (event) => this.#obeyKey(event));
    for (const kind of ["pointerdown", "focusin"]) {
      document.addEventListener(kind, (event) => this.#closeUnlessInside(event));
    }
    document.addEventListener("keydown", (event) => this.#obeySlash(event));
  }

  close() {
    clearTimeout(this.#timer);
    this.#request.abort();
    this.#chosen = null;
    this.#panel.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
  }

  /** @param {Event} event */
  #closeUnlessInside(event) {
    const isInside = event.target instanceof Node && (this.#panel.contains(event.target) || event.target === this.#input);
    if (!isInside) {
      this.close();
    }
  }

  /** @param {KeyboardEvent} event */
  #obeySlash(event) {
    const isTyping = event.target instanceof HTMLElement && event.target.closest("input, textarea, select") !== null;
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.#input.focus();
      this.#input.select();
    }
  }

  /** @param {KeyboardEvent} event */
  #obeyKey(event) {
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
    this.#request.abort();
    const request = new AbortController();
    this.#request = request;
    try {
      const answer = await api.read("instruments/search", { q: query, limit: LIMIT }, request.signal);
      this.#showHits(answer.results, query);
    } catch (error) {
      // A request that a newer keystroke called off is no news.
      if (!request.signal.aborted) {
        this.#showSentence(sentenceOf(error), "error");
      }
    }
  }

  /**
   * @param {Hit[]} hits
   * @param {string} query
   */
  #showHits(hits, query) {
    this.#hits = hits;
    this.#active = -1;
    if (hits.length === 0) {
      this.#showSentence(`Nothing listed matches “${query}”. Try a symbol, like “rel” or “nifty 25000 ce”.`, "empty");
      return;
    }
    const list = make("ul", { role: "listbox", id: "search-hits", class: "hits", "aria-label": "Instruments" });
    for (const [index, hit] of hits.entries()) {
      const item = make("li", { role: "option", id: `hit-${index}`, class: "hit", "aria-selected": "false" }, [
        make("span", { class: "hit-name", text: titleOf(hit) }),
        make("span", { class: "hit-detail", text: hit.display_name }),
        make("span", { class: "badge", text: hit.exchange }),
        make("span", { class: "badge kind", text: kindOf(hit) }),
      ]);
      item.addEventListener("click", () => this.#choose(hit));
      list.append(item);
    }
    this.#open(list);
    this.#setActive(0);
  }

  /**
   * @param {string} sentence
   * @param {"error" | "empty" | "busy"} tone
   */
  #showSentence(sentence, tone) {
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
    this.#input.setAttribute("aria-activedescendant", `hit-${this.#active}`);
  }

  /**
   * Offer what can be added of a hit: the thing itself, and the chains of its underlying by expiry.
   * @param {Hit} hit
   */
  async #choose(hit) {
    this.#chosen = hit;
    this.#showSentence(`Looking up the expiries of ${hit.symbol} …`, "busy");
    /** @type {Expiry[]} */
    let expiries = [];
    try {
      const answer = await api.read(`option-chain/${encodeURIComponent(hit.symbol)}/expiries`, { exchange: hit.exchange });
      expiries = answer.expiries;
    } catch (error) {
      // An underlying without options has no expiries; anything else is said.
      if (!(error instanceof api.ApiError) || error.status !== 404) {
        this.#showSentence(sentenceOf(error), "error");
        return;
      }
    }
    if (this.#chosen === hit) {
      this.#showChoices(hit, expiries);
    }
  }

  /**
   * @param {Hit} hit
   * @param {Expiry[]} expiries
   */
  #showChoices(hit, expiries) {
    const choices = make("div", { class: "choices" }, [
      make("p", { class: "choices-title" }, [
        make("strong", { text: hit.symbol }),
        make("span", { class: "badge", text: hit.exchange }),
      ]),
    ]);
    const own = this.#ownChoice(hit);
    if (own !== null) {
      choices.append(own);
    }
    if (expiries.length > 0) {
      choices.append(this.#chainChoices(hit, expiries));
    }
    if (own === null && expiries.length === 0) {
      choices.append(make("p", { class: "sentence empty", text: `No listed options for ${hit.symbol}.` }));
    }
    choices.append(make("p", { class: "sentence error", role: "alert" }));
    this.#open(choices);
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

  /** @param {Hit} hit */
  #ownChoice(hit) {
    const { symbol, exchange } = hit;
    if (hit.instrument_type === "EQUITY") {
      return this.#addButton("Add the share", { symbol, exchange, instrument_type: "EQUITY" });
    }
    if (hit.instrument_type.startsWith("FUT") && hit.expiry !== null) {
      const wish = { symbol, exchange, instrument_type: "FUTURE", expiry: hit.expiry };
      return this.#addButton(`Add the future of ${format.formatExpiry(hit.expiry)}`, wish);
    }
    return null;
  }

  /**
   * @param {Hit} hit
   * @param {Expiry[]} expiries
   */
  #chainChoices(hit, expiries) {
    const group = make("div", { class: "chips", role: "group", "aria-label": `Option chains of ${hit.symbol} by expiry` });
    for (const { expiry, days_left: daysLeft } of expiries) {
      const wish = { symbol: hit.symbol, exchange: hit.exchange, instrument_type: chainKindOf(hit), expiry };
      const chip = this.#addButton("", wish);
      chip.className = expiry === (hit.expiry ?? expiries[0]?.expiry) ? "chip preferred" : "chip";
      chip.replaceChildren(
        format.formatExpiry(expiry),
        make("span", { class: "days", text: format.formatDaysLeft(daysLeft) }),
      );
      group.append(chip);
    }
    return make("div", {}, [make("p", { class: "choices-label", text: "Add the option chain of" }), group]);
  }

  /**
   * @param {string} label
   * @param {Wish} wish
   */
  #addButton(label, wish) {
    const button = make("button", { type: "button", class: "button", text: label });
    button.addEventListener("click", () => this.#add(button, wish));
    return button;
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {Wish} wish
   */
  async #add(button, wish) {
    const complaint = this.#panel.querySelector(".choices > .error");
    button.disabled = true;
    button.classList.add("busy");
    try {
      await this.#onAdd(wish);
      this.#input.value = "";
      this.close();
      this.#input.blur();
    } catch (error) {
      if (complaint !== null) {
        complaint.textContent = sentenceOf(error);
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

/** @param {unknown} error */
export function sentenceOf(error) {
  return error instanceof Error ? error.message : String(error);
}
