import assert from "node:assert/strict";
import { test } from "node:test";

import "./support/browser.js";
import { createElement, setAttribute, setText, setTextOrHide } from "../../gateway/console/static/dom.js";
import { translate } from "../../gateway/console/static/i18n.js";
import { plainText } from "../../gateway/console/static/plain-text.js";

const STEERING = "\u001b[2J\u009b31m\u202egpj.exe\u2066\u200e\u061c";
const SHOWN = "\\u001b[2J\\u009b31m\\u202egpj.exe\\u2066\\u200e\\u061c";

test("controls and bidirectional formats stand as their escapes", () => {
  assert.equal(plainText(STEERING), SHOWN);
  assert.equal(plainText("a\nb\t\u2028\ufeff\ud800"), "a\\nb\\t\\u2028\\ufeff\\ud800");
  assert.equal(plainText("\u{e0041}"), "\\udb40\\udc41");
});

test("text of any language stays", () => {
  for (const text of ["Quầy 7 – Sở Nội vụ", "Que\u0302\u0300y", "东\u3000京", "a\u00a0b", "مكتب", "🎥"]) {
    assert.equal(plainText(text), text);
  }
});

test("an element shows foreign text escaped, and its direction does not reach its neighbours", () => {
  const element = createElement("span", "", null);

  setText(element, STEERING);
  assert.equal(element.textContent, SHOWN);
  assert.equal(element.getAttribute("dir"), "auto");

  const other = createElement("p", "", null);
  setTextOrHide(other, STEERING);
  assert.equal(other.textContent, SHOWN);
});

test("an attribute shows it escaped", () => {
  const element = createElement("button", "", null, { "aria-label": STEERING });
  assert.equal(element.getAttribute("aria-label"), SHOWN);

  setAttribute(element, "title", STEERING);
  assert.equal(element.getAttribute("title"), SHOWN);
});

test("a name within a sentence is escaped", () => {
  assert.ok(translate("close", { name: STEERING }).includes(SHOWN));
});
