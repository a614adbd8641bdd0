// The hits of a search as options of a listbox. Paint only.

import { make } from "./dom.js";
import { detailOf, kindOf, priceTextsOf, titleOf } from "./hits.js";

/** @typedef {import("./hits.js").Hit} Hit */

/**
 * What the pointer does with a hit.
 * @typedef {object} HitActions
 * @property {(hit: Hit, isAdding: boolean) => void} onChoose
 * @property {(hit: Hit) => void} onMore  Show all entries that it allows.
 */

/**
 * Return the listbox; its options are `hit-0`, `hit-1`, ….
 * @param {readonly Hit[]} hits
 * @param {number} nowMs  By the server's clock.
 * @param {HitActions} actions
 */
export function buildHits(hits, nowMs, actions) {
  const list = make("ul", { role: "listbox", id: "search-hits", class: "hits", "aria-label": "Instruments" });
  list.append(...hits.map((hit, index) => buildHit(hit, index, nowMs, actions)));
  // The focus stays in the field: a click must not take it to the page, whose other parts close the panel.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  return list;
}

/** @param {Hit} hit @param {number} index @param {number} nowMs @param {HitActions} actions */
function buildHit(hit, index, nowMs, { onChoose, onMore }) {
  const price = priceTextsOf(hit, nowMs);
  const item = make("li", { role: "option", id: `hit-${index}`, class: "hit", "aria-selected": "false" }, [
    make("span", { class: "hit-name", text: titleOf(hit) }),
    make("span", { class: "hit-detail" }, [
      // Where the badge has no room.
      make("span", { class: "hit-exchange", "aria-hidden": "true", text: `${hit.exchange} · ` }),
      detailOf(hit),
    ]),
    make("span", { class: price.age === "" ? "hit-price" : "hit-price old", title: price.title, text: price.text }),
    make("span", { class: "hit-facts" }, [
      make("span", { class: `hit-moneyness ${hit.moneyness ?? ""}`, text: hit.moneyness?.toUpperCase() ?? "" }),
      make("span", { class: "hit-age", title: price.title, text: price.age }),
    ]),
    make("span", { class: "badge", text: hit.exchange }),
    make("span", { class: "badge kind", text: kindOf(hit) }),
    ...(hit.offers.length > 0
      ? [
          buildAction("+", "Add to the list (Shift Enter)", () => onChoose(hit, true)),
          buildAction("⋯", "All that can be added (→)", () => onMore(hit)),
        ]
      : []),
  ]);
  item.addEventListener("click", (event) => onChoose(hit, event.shiftKey));
  return item;
}

/**
 * Make a button for the pointer alone: an option of a listbox has no controls of its own, and the keyboard has keys.
 * @param {string} text
 * @param {string} title
 * @param {() => void} onClick
 */
function buildAction(text, title, onClick) {
  const action = make("span", { class: "hit-action", "aria-hidden": "true", title, text });
  action.addEventListener("click", (event) => {
    event.stopPropagation();
    onClick();
  });
  return action;
}
