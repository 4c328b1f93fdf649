// Small helpers for elements. Text and attributes are written only when they change, so that the
// page can be rendered every second without work for the browser or for screen readers. What is
// written is plain text in a direction of its own, whoever chose it.

import { plainText } from "./plain-text.js";

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
 * @param {string} className
 * @param {Element | null} parent Where it is appended, if anywhere.
 * @param {Record<string, string>} [attributes]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function createElement(tag, className, parent, attributes = {}) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, plainText(value));
  parent?.append(element);
  return element;
}

/**
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const plain = plainText(text);
  if (element.textContent === plain) return;
  element.textContent = plain;
  element.setAttribute("dir", "auto");
}

/**
 * Sets the text and hides the element while there is none.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setTextOrHide(element, text) {
  setText(element, text);
  setHidden(element, text === "");
}

/**
 * @param {HTMLElement} element
 * @param {boolean} hidden
 */
export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/**
 * @param {HTMLElement} element
 * @param {string} name Of a data attribute.
 * @param {string} value
 */
export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/**
 * @param {Element} element
 * @param {string} name Of an attribute.
 * @param {string} value
 */
export function setAttribute(element, name, value) {
  const plain = plainText(value);
  if (element.getAttribute(name) !== plain) element.setAttribute(name, plain);
}

/**
 * Puts `children` into `parent` in their order, moving as few as possible.
 * @param {Element} parent
 * @param {Iterable<Element>} children
 */
export function placeInOrder(parent, children) {
  /** @type {Element | null} */
  let previous = null;
  for (const child of children) {
    /** @type {ChildNode | null} */
    const expected = previous ? previous.nextSibling : parent.firstChild;
    if (child !== expected) parent.insertBefore(child, expected);
    previous = child;
  }
}
