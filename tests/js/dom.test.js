import assert from "node:assert/strict";
import { test } from "node:test";

import "./support/browser.js";
import { createElement, elementById, placeInOrder, setData, setText, setTextOrHide } from "../../gateway/console/static/dom.js";

/** @param {string[]} ids */
function listOf(...ids) {
  const list = createElement("ul", "", null);
  return { list, items: ids.map((id) => createElement("li", "", list, { id })) };
}

/** @param {Element} list */
function idsOf(list) {
  return Array.from(list.children, ({ id }) => id);
}

test("an element has its class, attributes and parent", () => {
  const parent = createElement("p", "", null);

  const element = createElement("span", "dot", parent, { "aria-hidden": "true" });

  assert.equal(parent.innerHTML, '<span aria-hidden="true" class="dot"></span>');
  assert.equal(element.parentElement, parent);
});

test("an element of index.html is found", () => {
  assert.equal(elementById("wall", HTMLElement).tagName, "MAIN");
});

test("an element that index.html lacks is an error that names it", () => {
  assert.throws(() => elementById("missing", HTMLElement), /#missing/);
});

test("a text that is the same is not written again", () => {
  const element = createElement("p", "", null);
  setText(element, "same");
  const written = element.firstChild;

  setText(element, "same");

  assert.equal(element.firstChild, written);
});

test("an element without text is hidden", () => {
  const element = createElement("p", "", null);

  setTextOrHide(element, "");

  assert.equal(element.hidden, true);
});

test("an element with text is shown again", () => {
  const element = createElement("p", "", null);
  setTextOrHide(element, "");

  setTextOrHide(element, "text");

  assert.equal(element.hidden, false);
});

test("data are written as an attribute", () => {
  const element = createElement("p", "", null);

  setData(element, "st", "off");

  assert.equal(element.getAttribute("data-st"), "off");
});

test("children are put into a new order", () => {
  const { list, items: [a, b, c] } = listOf("a", "b", "c");

  placeInOrder(list, /** @type {Element[]} */ ([c, a, b]));

  assert.deepEqual(idsOf(list), ["c", "a", "b"]);
});

test("a new child goes to its place", () => {
  const { list, items: [a, b] } = listOf("a", "b");
  const added = createElement("li", "", null, { id: "new" });

  placeInOrder(list, /** @type {Element[]} */ ([a, added, b]));

  assert.deepEqual(idsOf(list), ["a", "new", "b"]);
});

test("what is not to be ordered stays behind the rest", () => {
  const { list, items: [note, a] } = listOf("note", "a");

  placeInOrder(list, /** @type {Element[]} */ ([a]));

  assert.deepEqual(idsOf(list), ["a", "note"]);
  assert.equal(note?.parentElement, list);
});
