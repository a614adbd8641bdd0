// The button of the top bar that changes the theme. It saves the choice for the trader, so that other browsers have it.

import { csrfToken } from "./api.js";
import { byId } from "./dom.js";

/** In the order of the clicks, with the words of the settings page. @type {Record<string, string>} */
export const THEMES = { auto: "as the system", dark: "dark", light: "light", contrast: "high contrast" };
const root = document.documentElement;
const button = byId("theme");

/** @param {string} theme */
function nextTheme(theme) {
  const names = Object.keys(THEMES);
  return names[(names.indexOf(theme) + 1) % names.length] ?? "auto";
}

/** @param {string} [remark] */
function label(remark = "") {
  button.title = `Theme: ${THEMES[root.dataset["theme"] ?? "auto"]}${remark}`;
  button.setAttribute("aria-label", button.title);
}

/** @param {string} theme */
async function save(theme) {
  try {
    const answer = await fetch(button.dataset["address"] ?? "", {
      method: "POST",
      credentials: "same-origin",
      headers: { "X-CSRFToken": csrfToken() },
      body: new URLSearchParams({ theme }),
      // Also if the trader leaves the page now.
      keepalive: true,
    });
    // A session that has ended leads to the login page.
    return answer.ok && !answer.redirected;
  } catch {
    return false; // The server cannot be reached; the connection chip says so.
  }
}

/** @param {string} theme  One of THEMES. */
export async function chooseTheme(theme) {
  root.dataset["theme"] = theme;
  label();
  if (!(await save(theme)) && root.dataset["theme"] === theme) {
    label(" (not saved: it lasts until you leave this page)");
  }
}

button.addEventListener("click", () => void chooseTheme(nextTheme(root.dataset["theme"] ?? "auto")));
label();
