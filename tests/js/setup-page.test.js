import assert from "node:assert/strict";
import { test } from "node:test";

import "./support/browser.js";
import { createElement, explain, placeRows, say } from "../../gateway/setup/static/dom.js";
import { level } from "../../gateway/setup/static/results.js";

/** @param {boolean[]} oks */
function channelWith(...oks) {
  const tests = oks.map((ok, index) => ({ profile: /** @type {"main" | "sub"} */ (index === 0 ? "main" : "sub"), ok, wording: ok ? null : { vi: "Sai", en: "Wrong", vi_todo: "", en_todo: "" }, fact: "", measured: "", advice: [] }));
  return { key: "nvr1.1", device: "nvr1", number: 1, label: "", signal: /** @type {const} */ ("live"), picture: null, looked: true, trouble: null, chosen: true, name: "Quầy 1", place: "", tests };
}

test("a camera is good, in part or not at all by its streams", () => {
  assert.equal(level(channelWith(true, true)), "good");
  assert.equal(level(channelWith(true, false)), "warn");
  assert.equal(level(channelWith(false, false)), "bad");
});

test("a text stands in both languages, as text", () => {
  const element = createElement("p", null);

  say(element, "<b>Kênh</b>", "Channel");

  assert.equal(element.innerHTML, '&lt;b&gt;Kênh&lt;/b&gt; <span lang="en">Channel</span>');
});

test("what is wrong comes with what to do, if there is anything", () => {
  const element = createElement("div", null);

  explain(element, { vi: "Sai mật khẩu", en: "Wrong password", vi_todo: "Kiểm tra", en_todo: "Check" });
  assert.equal(element.children.length, 2);
  explain(element, { vi: "Sai", en: "Wrong", vi_todo: "", en_todo: "" });
  assert.equal(element.children.length, 1);
});

test("rows that stay are the same elements, so that what was typed stays", () => {
  const list = createElement("ul", null);
  const create = (/** @type {string} */ key) => createElement("li", null, { id: key });
  placeRows(list, ["a", "b"], (key) => key, create);
  const second = list.children[1];

  placeRows(list, ["b", "c"], (key) => key, create);

  assert.equal(list.children[0], second);
  assert.deepEqual([...list.children].map(({ id }) => id), ["b", "c"]);
});
