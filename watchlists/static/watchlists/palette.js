// The palette: a window with a field and the commands that match it (ARIA: a combobox with a listbox). Paint only.

import { filterCommands } from "./commands.js";
import { byId, byIdAs, make } from "./dom.js";

/** @typedef {import("./commands.js").Command} Command */

export class Palette {
  #dialog = byIdAs("palette", "dialog");
  #input = byIdAs("palette-input", "input");
  #list = byId("palette-list");
  #listCommands;
  /** @type {Command[]} */
  #all = [];
  /** @type {Command[]} */
  #shown = [];
  #active = 0;

  /** @param {() => Command[]} listCommands  What can be done now; asked when the palette opens. */
  constructor(listCommands) {
    this.#listCommands = listCommands;
    this.#input.addEventListener("input", () => this.#show());
    this.#input.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    // Also while the trader types, and with single letters switched off: it is no single letter.
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
        event.preventDefault();
        this.toggle();
      }
    });
  }

  toggle() {
    if (this.#dialog.open) {
      this.#dialog.close();
      return;
    }
    if (document.querySelector("dialog[open]") !== null) {
      return;
    }
    this.#all = this.#listCommands();
    this.#input.value = "";
    this.#dialog.showModal();
    this.#show();
  }

  #show() {
    this.#shown = filterCommands(this.#all, this.#input.value);
    const options = this.#shown.map((command, index) => this.#buildOption(command, index));
    this.#list.replaceChildren(...options);
    byId("palette-empty").hidden = options.length > 0;
    this.#input.setAttribute("aria-expanded", String(options.length > 0));
    this.#setActive(0);
  }

  /** @param {Command} command @param {number} index */
  #buildOption(command, index) {
    const { name, group, hint = "" } = command;
    const option = make("li", { role: "option", id: `command-${index}`, class: "command", "aria-selected": "false" }, [
      make("span", { class: "command-name", text: name }),
      make("span", { class: "command-group", text: group }),
      ...(hint === "" ? [] : [make("kbd", { "aria-hidden": "true", text: hint })]),
    ]);
    option.addEventListener("click", () => this.#run(command));
    return option;
  }

  /** @param {number} index */
  #setActive(index) {
    const options = this.#list.children;
    this.#active = options.length === 0 ? 0 : (index + options.length) % options.length;
    for (const [at, option] of [...options].entries()) {
      option.setAttribute("aria-selected", String(at === this.#active));
    }
    const active = options[this.#active];
    if (active === undefined) {
      this.#input.removeAttribute("aria-activedescendant");
    } else {
      this.#input.setAttribute("aria-activedescendant", active.id);
      active.scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      this.#setActive(this.#active + step);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const command = this.#shown[this.#active];
      if (command !== undefined) {
        this.#run(command);
      }
    }
  }

  /** @param {Command} command */
  #run(command) {
    // Closed first: closing returns the focus to where it was, and the command may move it.
    this.#dialog.close();
    command.run();
  }
}
