// Small helpers for elements. Text is set as text, never as markup; Vietnamese first, English beside it.

/**
 * Returns the element of index.html with this id.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function elementById(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`index.html has no ${type.name} #${id}`);
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Element | null} parent Where it is appended, if anywhere.
 * @param {Record<string, string>} [attributes]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function createElement(tag, parent, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}

/**
 * Fills `element` with a text in both languages.
 * @param {Element} element
 * @param {string} vi
 * @param {string} en
 */
export function say(element, vi, en) {
  const key = `${vi}\n${en}`;
  if (element.getAttribute("data-said") === key) return;
  element.setAttribute("data-said", key);
  element.replaceChildren(vi);
  if (en === "") return;
  element.append(" ");
  createElement("span", element, { lang: "en" }).textContent = en;
}

/**
 * Fills `element` with what is wrong and what to do about it, a paragraph each.
 * @param {Element} element
 * @param {import("../messages.d.ts").Wording} wording
 */
export function explain(element, wording) {
  element.replaceChildren();
  say(createElement("p", element), wording.vi, wording.en);
  if (wording.vi_todo) say(createElement("p", element, { class: "todo" }), `→ ${wording.vi_todo}`, wording.en_todo);
}

/**
 * Shows the `wanted` rows in `list`, one element each, and keeps those that are there.
 * @template T
 * @param {Element} list
 * @param {readonly T[]} wanted
 * @param {(row: T) => string} keyOf
 * @param {(row: T) => Element} create
 */
export function placeRows(list, wanted, keyOf, create) {
  const known = new Map([...list.children].map((child) => [child.getAttribute("data-key") ?? "", child]));
  const rows = wanted.map((row) => {
    const key = keyOf(row);
    const element = known.get(key) ?? create(row);
    element.setAttribute("data-key", key);
    return element;
  });
  if (rows.length !== list.children.length || rows.some((row, index) => list.children[index] !== row)) list.replaceChildren(...rows);
}
