// The chosen language, and every text looked up in it: the page's own texts and the reasons' texts.

import { plainText } from "./plain-text.js";
import { settings } from "./storage.js";
import { TRANSLATIONS } from "./translations.js";

/** @import { ReasonTexts } from "../messages.d.ts" */
/** @typedef {"vi" | "en"} Language */
/** @typedef {keyof typeof TRANSLATIONS.vi} TextKey */
/** @typedef {{fact: string, todo: string}} Explanation What is wrong, and what to do about it. */

const LANGUAGE_KEY = "camera-gateway.language";

/** @type {Language} */
let language = settings.get(LANGUAGE_KEY) === "en" ? "en" : "vi";
/** @type {ReasonTexts} */
let reasonTexts = {};

/** @returns {Language} */
export function currentLanguage() {
  return language;
}

/** @param {Language} chosen Remembered in this browser. */
export function setLanguage(chosen) {
  language = chosen;
  settings.set(LANGUAGE_KEY, language);
  document.documentElement.lang = language;
}

/** @param {ReasonTexts} texts As served in wording.json. */
export function setReasonTexts(texts) {
  reasonTexts = texts;
}

/**
 * Returns the text for `key`; `{name}` in it becomes `values.name`.
 * @param {TextKey} key
 * @param {Record<string, string | number>} [values]
 */
export function translate(key, values = {}) {
  return TRANSLATIONS[language][key].replace(/\{(\w+)\}/g, (whole, name) => plainText(String(values[name] ?? whole)));
}

/**
 * @param {string} key
 * @returns {key is TextKey}
 */
export function isTextKey(key) {
  return Object.hasOwn(TRANSLATIONS.vi, key);
}

/** @param {string} code */
export function isReasonKnown(code) {
  return Object.hasOwn(reasonTexts, code);
}

/**
 * Returns what a reason code means and what to do about it; a code without text stands for itself.
 * @param {string | null} code
 * @returns {Explanation}
 */
export function explainReason(code) {
  const texts = code === null ? undefined : reasonTexts[code];
  if (!texts) return { fact: code ?? "", todo: "" };
  return { fact: texts[language], todo: texts[`${language}_todo`] };
}

/**
 * Fills every element marked with data-i18n; called again when the language changes.
 * @param {ParentNode} [root]
 */
export function translateDocument(root = document) {
  const translateMarked = (/** @type {string} */ mark, /** @type {(node: Element, text: string) => void} */ fill) => {
    for (const node of root.querySelectorAll(`[${mark}]`)) {
      const key = node.getAttribute(mark) ?? "";
      fill(node, isTextKey(key) ? translate(key) : key);
    }
  };
  translateMarked("data-i18n", (node, text) => { node.textContent = text; });
  for (const [mark, attribute] of [["label", "aria-label"], ["title", "title"], ["placeholder", "placeholder"]]) {
    translateMarked(`data-i18n-${mark}`, (node, text) => node.setAttribute(attribute, text));
  }
  document.documentElement.lang = language;
}
