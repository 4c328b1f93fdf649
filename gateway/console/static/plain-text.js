// Text of strangers made fit to be shown: gateways, cameras and documents choose names, places and
// causes. The same as gateway/runtime/plain_text.py: bidirectional controls, which let a line say
// another thing than it does, and all else that is not seen stand as their escapes.

const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/u;
const EACH_UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** @type {Readonly<Record<string, string>>} */
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Returns `text` with each control, format, surrogate and line separator as its escape.
 * @param {string} text
 */
export function plainText(text) {
  return UNSEEN.test(text) ? text.replace(EACH_UNSEEN, escaped) : text;
}

/** @param {string} char One code point; beyond 16 bits it is escaped as its two surrogates. */
function escaped(char) {
  return SHORT[char] ?? char.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}
