// Reads the status page again from time to time while it is visible, and replaces its sections. Not while the trader's
// focus or selection is in them: it would be lost.

import { byId } from "./dom.js";

/** The least that the server permits; its own interval is longer. */
const LEAST_MS = 10_000;

async function refresh() {
  const shown = byId("live-status");
  const isInUse = shown.contains(document.activeElement) || document.getSelection()?.isCollapsed === false;
  if (document.hidden || isInUse) {
    return;
  }
  let answer;
  try {
    answer = await fetch(window.location.pathname, { credentials: "same-origin" });
  } catch {
    return; // The server cannot be reached: the page states its time, and the next turn tries again.
  }
  if (answer.redirected) {
    // The session has ended: the page leads to the login.
    window.location.reload();
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live-status");
  // An error page has no sections; the ones on the screen state their time.
  if (answer.ok && fresh !== null) {
    shown.replaceWith(document.adoptNode(fresh));
  }
}

const seconds = Number(byId("live-status").dataset["refresh"]);
setInterval(() => void refresh(), Math.max(LEAST_MS, seconds * 1_000));
