// The overlay of `?`, which lists the keys of the page. Paint only: keys.js has the table.

import { byId, byIdAs, make } from "./dom.js";
import { listShortcuts } from "./keys.js";

/** @typedef {import("./keys.js").KeyActions} KeyActions */

/**
 * Build the overlay from the table and the actions of the page; return the function that shows it.
 * @param {KeyActions} actions
 */
export function offerHelp(actions) {
  const dialog = byIdAs("help", "dialog");
  const lines = listShortcuts(actions);
  const groups = [...new Set(lines.map((one) => one.group))].map((group) => {
    const rows = lines.filter((one) => one.group === group).flatMap(({ shown, does }) => [
      make("dt", {}, shown.split("  ").map((key) => make("kbd", { text: key }))),
      make("dd", { text: does }),
    ]);
    return make("section", {}, [make("h3", { text: group }), make("dl", {}, rows)]);
  });
  byId("help-keys").replaceChildren(...groups);
  byId("help-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const show = () => {
    byId("help-off").hidden = document.documentElement.dataset["keys"] !== "off";
    dialog.showModal();
  };
  for (const button of document.querySelectorAll("[data-opens=help]")) {
    button.addEventListener("click", show);
  }
  return show;
}
