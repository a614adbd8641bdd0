// The search box: queries the API during typing and shows the hits. Enter goes to a hit itself, Shift-Enter adds it to
// the shown list, → lists all that it can add. Without a query it shows the recent items. Paint, with its one request;
// the page opens and adds.

import * as api from "./api.js";
import { make, makeButton } from "./dom.js";
import { buildHits } from "./hit_list.js";
import { additionOf, openingOf } from "./hits.js";
import { isShortcut } from "./keys.js";
import { buildOffers, messageOf, showAddError } from "./offers.js";
import { isChain, nameOf } from "./watchlist.js";

// Where the other parts of the page find them.

/** @typedef {import("./hits.js").AddRequest} AddRequest */
/** @typedef {import("./hits.js").Hit} Hit */
/** @typedef {import("./hits.js").Opening} Opening */
/** @typedef {import("./recent.js").RecentItems} RecentItems */
/** @typedef {import("./watchlist.js").Entry} Entry */

/** @typedef {{expiry: string, days_left: number, kind: string, over: boolean}} Expiry  One of GET option-chain/…/expiries. */

/**
 * What the page does with a hit.
 * @typedef {object} SearchActions
 * @property {(opening: Opening) => void} onOpen
 * @property {() => void} onReach  The field is about to have the focus: a narrow screen may hide it.
 * @property {(instrumentId: number, hit: Hit) => void} onDetail  Show what an item without a chain is.
 * @property {(request: AddRequest, how: {isOpening: boolean}) => Promise<Entry>} onAdd  `isOpening`: an added chain is
 *   opened. Rejects with an error for the trader.
 * @property {(error: unknown, request: AddRequest) => void} onRefused  Show that error: the panel shows something else.
 */

/**
 * What the search knows of the page.
 * @typedef {object} SearchContext
 * @property {string} today  The market's date, ISO.
 * @property {RecentItems} recent
 * @property {() => number} readNow  Milliseconds since 1970 by the server's clock.
 */

/**
 * Chosen: below the gap between two keys of a fast typist (60 ms), so that it adds little to the wait for the hits;
 * keys that come at once (a paste, a dictation) make one request.
 */
const DEBOUNCE_MS = 30;
/** Chosen: the prices of the hits are asked for again when the trader comes back to them later. */
const SHOWN_FOR_MS = 5_000;
/** Chosen: as many hits as the panel shows without scrolling. */
const LIMIT = 12;

export class SearchBox {
  #input;
  #panel;
  #context;
  #actions;
  /** @type {readonly Hit[]} */
  #hits = [];
  /** The query that the panel answers; null while it is closed or shows offers. @type {string | null} */
  #shownQuery = null;
  /** The query of the request under way. @type {string | null} */
  #askedQuery = null;
  /** When the panel was filled, by performance.now(). */
  #shownAt = -Infinity;
  #active = -1;
  /** Enter, pressed before the hits of what is typed are there: it means the first of them. @type {{isAdding: boolean} | null} */
  #earlyEnter = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #abortController = new AbortController();

  /**
   * @param {HTMLInputElement} input
   * @param {HTMLElement} panel
   * @param {SearchContext} context
   * @param {SearchActions} actions
   */
  constructor(input, panel, context, actions) {
    this.#input = input;
    this.#panel = panel;
    this.#context = context;
    this.#actions = actions;
    input.addEventListener("input", () => this.#searchSoon());
    input.addEventListener("focus", () => this.#searchSoon());
    input.addEventListener("keydown", (event) => this.#handleKey(event));
    panel.addEventListener("keydown", (event) => this.#leaveByKey(event));
    // Both: a click may hit an element that takes no focus, and Tab moves the focus without a click.
    for (const kind of ["pointerdown", "focusin"]) {
      document.addEventListener(kind, (event) => this.#closeOnOutsideEvent(event));
    }
    document.addEventListener("keydown", (event) => this.#handleSlash(event));
  }

  close() {
    this.#cancelSearch();
    this.#hits = [];
    this.#shownQuery = null;
    this.#panel.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
  }

  #cancelSearch() {
    clearTimeout(this.#timer);
    this.#abortController.abort();
    this.#askedQuery = null;
    this.#earlyEnter = null;
  }

  // --- keys and clicks

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
      this.reach();
    }
  }

  /** Focus the field with its text selected. */
  reach() {
    this.#actions.onReach();
    this.#input.focus();
    this.#input.select();
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    // An input method composes a word: its Enter and its arrows choose among its proposals.
    if (event.isComposing) {
      return;
    }
    if (event.key === "Escape") {
      this.close();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#enter(event.shiftKey);
    } else if (this.#hits.length === 0) {
      return;
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.#setActive(this.#active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "ArrowRight" && this.#isCaretAtEnd) {
      event.preventDefault();
      this.#showOffers(this.#activeHit);
    }
  }

  get #isCaretAtEnd() {
    const { selectionStart, selectionEnd, value } = this.#input;
    return selectionStart === value.length && selectionEnd === value.length;
  }

  get #activeHit() {
    return this.#hits[Math.max(0, this.#active)];
  }

  /** Escape among the offers leads back to the field. @param {KeyboardEvent} event */
  #leaveByKey(event) {
    if (event.key === "Escape") {
      this.close();
      this.#input.focus();
    }
  }

  /** @param {boolean} isAdding */
  #enter(isAdding) {
    const query = this.#input.value.trim();
    if (query === this.#shownQuery) {
      this.#go(this.#activeHit, isAdding);
    } else if (query !== "") {
      // What the panel shows answers an earlier keystroke, not what the trader reads in the field.
      if (query !== this.#askedQuery) {
        void this.#search(query);
      }
      this.#earlyEnter = { isAdding };
    }
  }

  // --- what Enter does

  /** @param {Hit | undefined} hit @param {boolean} isAdding */
  #go(hit, isAdding) {
    if (hit === undefined) {
      return;
    }
    if (isAdding) {
      void this.#add(hit);
      return;
    }
    this.#context.recent.add(hit);
    this.#input.value = "";
    this.close();
    const opening = openingOf(hit);
    if (opening === null) {
      this.#actions.onDetail(hit.instrument_id, hit);
    } else {
      this.#input.blur();
      this.#actions.onOpen(opening);
    }
  }

  /** Add the hit itself. The hits stay, so that more can be added. @param {Hit} hit */
  async #add(hit) {
    const request = additionOf(hit);
    const done = this.#panel.querySelector(".search-note");
    const errorRegion = this.#panel.querySelector(".search-error");
    if (request === null || done === null || !(errorRegion instanceof HTMLElement)) {
      this.#showOffers(hit);
      return;
    }
    const add = async (/** @type {AddRequest} */ one) => {
      // The result of an earlier addition.
      errorRegion.replaceChildren();
      done.replaceChildren();
      const entry = await this.#actions.onAdd(one, { isOpening: false });
      this.#context.recent.add(hit);
      done.textContent = `${nameOf(entry)}${isChain(entry) ? " chain" : ""} is on ${entry.list}.`;
      done.classList.add("done");
      // The next word replaces the query, unless the trader types it already.
      if (done.isConnected) {
        this.#input.select();
      }
    };
    try {
      await add(request);
    } catch (error) {
      if (errorRegion.isConnected && !this.#panel.hidden) {
        showAddError(error, request, { add, errorRegion });
      } else {
        this.#actions.onRefused(error, request);
      }
    }
  }

  /** Offer all entries that a hit allows. @param {Hit | undefined} hit */
  #showOffers(hit) {
    if (hit === undefined) {
      return;
    }
    const offers = buildOffers(hit, this.#context.today, async (request) => {
      await this.#actions.onAdd(request, { isOpening: true });
      this.#context.recent.add(hit);
      this.#input.value = "";
      this.close();
      this.#input.blur();
    });
    // The answer to a later keystroke would replace the offers under the pointer.
    this.#cancelSearch();
    this.#open(null, [], offers);
    const preferred = offers.querySelector("button.preferred") ?? offers.querySelector("button");
    if (preferred instanceof HTMLElement) {
      preferred.focus();
    }
  }

  // --- queries and what the panel shows

  #searchSoon() {
    this.#cancelSearch();
    const query = this.#input.value.trim();
    if (query === this.#shownQuery && performance.now() - this.#shownAt < SHOWN_FOR_MS) {
      // A letter that was deleted at once, or the focus that is back from another window.
      return;
    }
    if (query === "") {
      this.#showRecent();
    } else {
      this.#timer = setTimeout(() => void this.#search(query), DEBOUNCE_MS);
    }
  }

  #showRecent() {
    const items = this.#context.recent.list();
    if (items.length === 0) {
      this.close();
    } else {
      this.#showHits("", items, make("p", { class: "hits-title", text: "Recent" }));
    }
  }

  /** @param {string} query */
  async #search(query) {
    this.#cancelSearch();
    const request = new AbortController();
    this.#abortController = request;
    this.#askedQuery = query;
    try {
      const answer = await api.read("instruments/search", { q: query, limit: LIMIT }, request.signal);
      if (!request.signal.aborted) {
        this.#askedQuery = null;
        this.#showAnswer(query, answer);
      }
    } catch (error) {
      // A newer keystroke aborted this request; its own request shows the result.
      if (!request.signal.aborted) {
        this.#cancelSearch();
        // Enter asks again.
        this.#showSentence(null, messageOf(error), "error");
      }
    }
  }

  /** @param {string} query @param {{results: Hit[], did_you_mean: string | null}} answer */
  #showAnswer(query, { results: hits, did_you_mean: meant }) {
    const enter = this.#earlyEnter;
    this.#earlyEnter = null;
    if (hits.length === 0) {
      const sentence = `No instrument matches “${query}”. Try a symbol, such as “rel” or “nifty 25000 ce”.`;
      this.#showSentence(query, sentence, "empty");
      return;
    }
    this.#showHits(query, hits, meant === null ? null : this.#buildQuestion(meant));
    // What is only guessed is neither opened nor added before the trader has read it.
    if (enter !== null && meant === null) {
      this.#go(hits[0], enter.isAdding);
    }
  }

  /** @param {string} meant */
  #buildQuestion(meant) {
    const search = () => {
      this.#input.value = meant;
      this.#input.focus();
      void this.#search(meant);
    };
    return make("p", { class: "hits-title", role: "status" }, [
      "Did you mean ",
      makeButton({ class: "link", text: meant }, search),
      "?",
    ]);
  }

  /** @param {string} query @param {readonly Hit[]} hits @param {HTMLElement | null} heading */
  #showHits(query, hits, heading) {
    const list = buildHits(hits, this.#context.readNow(), {
      onChoose: (hit, isAdding) => this.#go(hit, isAdding),
      onMore: (hit) => this.#showOffers(hit),
    });
    const keys = [["Enter", " opens · "], ["⇧ Enter", " adds · "], ["→", " shows all that can be added"]];
    const note = make("p", { class: "search-note" }, keys.flatMap(([key = "", does = ""]) => [make("kbd", { text: key }), does]));
    const error = make("p", { class: "search-error sentence error", role: "alert" });
    const foot = make("div", { class: "search-foot" }, [note, error]);
    this.#open(query, hits, ...(heading === null ? [] : [heading]), list, foot);
    this.#active = -1;
    this.#setActive(0);
  }

  /** @param {string | null} query @param {string} sentence @param {"error" | "empty"} tone */
  #showSentence(query, sentence, tone) {
    const role = tone === "error" ? "alert" : "status";
    this.#open(query, [], make("p", { class: `sentence ${tone}`, role, text: sentence }));
  }

  /** @param {string | null} query @param {readonly Hit[]} hits @param {HTMLElement[]} content */
  #open(query, hits, ...content) {
    this.#shownQuery = query;
    this.#shownAt = performance.now();
    this.#hits = hits;
    this.#panel.replaceChildren(...content);
    this.#panel.hidden = false;
    this.#input.setAttribute("aria-expanded", "true");
    this.#input.removeAttribute("aria-activedescendant");
  }

  /** @param {number} index */
  #setActive(index) {
    const items = this.#panel.querySelectorAll('[role="option"]');
    items[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = (index + items.length) % items.length;
    const item = items[this.#active];
    item?.setAttribute("aria-selected", "true");
    item?.scrollIntoView({ block: "nearest" });
    // Combobox pattern: the focus stays in the input, and the attribute names the active option to screen readers.
    this.#input.setAttribute("aria-activedescendant", `hit-${this.#active}`);
  }
}
