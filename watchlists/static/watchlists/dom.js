// Finds and makes DOM nodes. Paint only.

/**
 * Make an element. Children that are strings become text nodes, so that no text is parsed as HTML.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {{class?: string, text?: string, title?: string, type?: string} & Record<string, string>} [attributes]
 * @param {(Node | string)[]} [children]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, children = []) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") {
      node.textContent = value;
    } else {
      node.setAttribute(name, value);
    }
  }
  node.append(...children);
  return node;
}

/**
 * Make a button.
 * @param {Record<string, string>} attributes
 * @param {() => void} onClick
 * @param {(Node | string)[]} [children]
 */
export function makeButton(attributes, onClick, children) {
  const button = make("button", { type: "button", ...attributes }, children);
  button.addEventListener("click", onClick);
  return button;
}

/**
 * Return the element with this id, which the template contains. Throws Error if it does not.
 * @param {string} id
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (node === null) {
    throw new Error(`the page has no #${id}`);
  }
  return node;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {string} id
 * @param {T} _tag
 * @returns {HTMLElementTagNameMap[T]}
 */
export function byIdAs(id, _tag) {
  return /** @type {HTMLElementTagNameMap[T]} */ (byId(id));
}
