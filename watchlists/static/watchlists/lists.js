// The named lists of the trader: which one is shown, and their creation, new name and deletion by the API.

import * as api from "./api.js";
import { announce } from "./chip.js";
import { byId } from "./dom.js";
import { openMenu } from "./entry_menu.js";
import { askConsent, askName } from "./list_dialogs.js";
import { ListTabs } from "./list_tabs.js";
import { messageOf } from "./offers.js";

/** @typedef {import("./list_tabs.js").ListSummary} ListSummary */
/** @typedef {import("./list_tabs.js").TabActions} TabActions */
/** @typedef {import("./notices.js").Notices} Notices */
/** @typedef {import("./reload.js").ReloadCoalescer} ReloadCoalescer */

export class Lists {
  #reloads;
  #notices;
  #tabs;

  /**
   * @param {ReloadCoalescer} reloads  Of the watchlist, whose answer has the lists.
   * @param {Notices} notices
   * @param {TabActions} actions
   */
  constructor(reloads, notices, actions) {
    this.#reloads = reloads;
    this.#notices = notices;
    this.#tabs = new ListTabs(byId("list-tabs"), byId("list-panel"), actions);
    byId("list-new").addEventListener("click", () => void this.#create());
    const menu = byId("list-menu");
    menu.addEventListener("click", () => this.#openMenu(menu));
  }

  /** The name of the shown list. */
  get current() {
    return this.#tabs.current;
  }

  get names() {
    return this.#tabs.lists.map((one) => one.name);
  }

  /** @param {ListSummary[]} lists */
  show(lists) {
    this.#tabs.show(lists);
  }

  /** @param {number} index  From 0. */
  chooseAt(index) {
    this.#tabs.chooseAt(index);
  }

  /** @param {HTMLElement} button */
  #openMenu(button) {
    const name = this.current;
    openMenu(button, `List ${name}`, [
      { label: `Rename ${name}`, onChoose: () => void this.#rename(name) },
      { label: `Delete ${name}`, onChoose: () => void this.#delete(name) },
    ]);
  }

  async #create() {
    const name = await askName("New list", "Create");
    if (name !== null && (await this.#change("watchlist/lists", { name }))) {
      this.#tabs.choose(name);
      announce(`Created the list ${name}.`);
    }
  }

  /** @param {string} list */
  async #rename(list) {
    const name = await askName(`Rename ${list}`, "Rename", list);
    if (name !== null && (await this.#change("watchlist/lists/rename", { list, name }))) {
      this.#tabs.choose(name);
      announce(`Renamed ${list} to ${name}.`);
    }
  }

  /** @param {string} list */
  async #delete(list) {
    const { entries = 0 } = this.#tabs.lists.find((one) => one.name === list) ?? {};
    const noun = entries === 1 ? "entry" : "entries";
    const text = `${entries} ${noun} on ${list} will be removed with it. This cannot be undone.`;
    if (entries > 0 && !(await askConsent(`Delete ${list}?`, text, `Delete list and ${noun}`))) {
      return;
    }
    if (await this.#change("watchlist/lists/delete", { list, with_entries: entries > 0 })) {
      announce(`Deleted the list ${list}.`);
      this.#tabs.focus();
    }
  }

  /**
   * Change the lists; return whether the server did.
   * @param {string} path
   * @param {object} body
   */
  async #change(path, body) {
    try {
      await this.#reloads.after(() => api.post(path, body));
      return true;
    } catch (error) {
      this.#notices.show(messageOf(error));
      return false;
    }
  }
}
