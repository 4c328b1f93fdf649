// Sentences about what this browser cannot do at the moment; each can be put away.

import { createElement, setText } from "./dom.js";
import { translate } from "./i18n.js";

/** @import { TextKey } from "./i18n.js" */

export class Notices {
  /** @type {Map<TextKey, {element: HTMLElement, text: HTMLElement, close: HTMLElement}>} */
  #shown = new Map();

  /** @param {HTMLElement} element Where they stand. */
  constructor(element) {
    this.element = element;
  }

  /** @param {TextKey} key */
  show(key) {
    if (this.#shown.has(key)) return;
    const element = createElement("p", "notice", this.element, { role: "status" });
    const text = createElement("span", "", element);
    const close = createElement("button", "tool", element, { type: "button" });
    close.onclick = () => this.hide(key);
    this.#shown.set(key, { element, text, close });
    this.render();
  }

  /** @param {TextKey} key */
  hide(key) {
    this.#shown.get(key)?.element.remove();
    this.#shown.delete(key);
  }

  render() {
    for (const [key, { text, close }] of this.#shown) {
      setText(text, translate(key));
      setText(close, translate("understood"));
    }
  }
}
