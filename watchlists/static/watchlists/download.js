// The menu that downloads or copies the chain on the screen. Paint, with the browser's clipboard and downloads.

import { fileNameOf, tableOf, toCsv, toTabbedText } from "./chain_table.js";
import { announce } from "./chip.js";
import { byId, make } from "./dom.js";
import { closeFromOutside } from "./menus.js";

/** @typedef {import("../marketdata/analytics.js").AnalyticsCache} AnalyticsCache */
/** @typedef {import("../marketdata/quotes.js").QuoteCache} QuoteCache */
/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./chain_table.js").Shown} Shown */
/** @typedef {import("./notices.js").Notices} Notices */

/**
 * Make the buttons of the menu work.
 * @param {{readonly chain: Chain | null, readonly shown: Shown}} panel  What is on the screen.
 * @param {QuoteCache} quotes
 * @param {AnalyticsCache} analytics
 * @param {Notices} notices
 */
export function offerDownload(panel, quotes, analytics, notices) {
  const menu = /** @type {HTMLDetailsElement} */ (byId("export"));
  const readLeg = (/** @type {number} */ id) => {
    const quote = quotes.find(id);
    return { quote, state: quotes.stateOf(quote), analytics: analytics.findOption(id) };
  };
  const act = (/** @type {(chain: Chain) => void} */ use) => () => {
    menu.open = false;
    byId("export-summary").focus();
    if (panel.chain !== null) {
      use(panel.chain);
    }
  };
  byId("export-csv").addEventListener(
    "click",
    act((chain) => download(fileNameOf(chain, Date.now()), toCsv(tableOf(chain, readLeg, panel.shown)))),
  );
  byId("export-copy").addEventListener(
    "click",
    act((chain) => void copy(toTabbedText(tableOf(chain, readLeg, panel.shown)), chain, notices)),
  );
  closeFromOutside(menu, byId("export-summary"));
}

/** @param {string} name @param {string} text */
function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = make("a", { href: address, download: name });
  link.click();
  // The browser has taken the content over when the click returns.
  URL.revokeObjectURL(address);
}

/** @param {string} text @param {Chain} chain @param {Notices} notices */
async function copy(text, chain, notices) {
  try {
    // Undefined on a page without HTTPS: the call throws TypeError.
    await navigator.clipboard.writeText(text);
    announce(`Copied the chain of ${chain.symbol}.`);
  } catch {
    notices.show("This browser does not let the page copy. Download the CSV instead.");
  }
}
