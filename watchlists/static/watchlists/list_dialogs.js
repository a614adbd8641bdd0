// The questions about a list: its name, and whether to delete it with its entries. Paint only.

import { make, makeButton } from "./dom.js";

/** Required by the API. */
const MAX_NAME = 40;

/**
 * Ask for the name of a list; resolve with null where the trader cancels.
 * @param {string} title
 * @param {string} button
 * @param {string} [value]  The present name.
 * @returns {Promise<string | null>}
 */
export async function askName(title, button, value = "") {
  const input = make("input", { class: "dialog-input", required: "", maxlength: String(MAX_NAME), "aria-label": "Name of the list", value });
  const isGiven = await ask(title, [input], button);
  const name = input.value.trim();
  return isGiven && name !== "" && name !== value ? name : null;
}

/**
 * Ask for consent.
 * @param {string} title
 * @param {string} text
 * @param {string} button
 */
export function askConsent(title, text, button) {
  return ask(title, [make("p", { class: "sentence", text })], button);
}

/**
 * Show a modal dialog; resolve with whether the trader pressed `button`. The browser gives the focus back.
 * @param {string} title
 * @param {Node[]} body
 * @param {string} button
 * @returns {Promise<boolean>}
 */
function ask(title, body, button) {
  const heading = make("h2", { id: "dialog-title", text: title });
  const cancel = makeButton({ class: "button", text: "Cancel" }, () => dialog.close());
  const buttons = make("div", { class: "dialog-buttons" }, [
    cancel,
    make("button", { class: "button primary", type: "submit", value: "yes", text: button }),
  ]);
  const form = make("form", { method: "dialog" }, [heading, ...body, buttons]);
  const dialog = make("dialog", { class: "dialog", "aria-labelledby": "dialog-title" }, [form]);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
    form.querySelector("input")?.select();
  });
}
