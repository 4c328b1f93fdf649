import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import "./support/browser.js";
import {
  currentLanguage, explainReason, isTextKey, setLanguage, setReasonTexts, translate, translateDocument,
} from "../../gateway/console/static/i18n.js";
import { TRANSLATIONS } from "../../gateway/console/static/translations.js";

const TIMEOUT = { vi: "Camera không trả lời", en: "The camera does not answer", vi_todo: "Kiểm tra nguồn", en_todo: "Check its power" };

afterEach(() => setLanguage("vi"));

test("the page begins in Vietnamese", () => {
  assert.equal(currentLanguage(), "vi");
});

test("a chosen language is that of the texts", () => {
  setLanguage("en");

  assert.equal(translate("all"), "All");
});

test("a chosen language is remembered", () => {
  setLanguage("en");

  assert.equal(localStorage.getItem("camera-gateway.language"), "en");
});

test("a remembered language is that of the next visit", async () => {
  localStorage.setItem("camera-gateway.language", "en");

  const nextVisit = await import(/** @type {string} */ ("../../gateway/console/static/i18n.js?next-visit"));

  assert.equal(nextVisit.currentLanguage(), "en");
});

test("a chosen language is told to screen readers", () => {
  setLanguage("en");

  assert.equal(document.documentElement.lang, "en");
});

test("values are put into a text", () => {
  assert.equal(translate("close", { name: "Cổng" }), "Đóng Cổng");
});

test("a value that is nought is put in as well", () => {
  assert.equal(translate("attempts", { n: 0 }), "đã thử 0 lần");
});

test("a name without a value stays as it is", () => {
  assert.equal(translate("close"), "Đóng {name}");
});

test("what every object has is no text", () => {
  assert.equal(isTextKey("toString"), false);
});

test("a reason is explained in the language of the page", () => {
  setReasonTexts({ TIMEOUT });
  setLanguage("en");

  assert.deepEqual(explainReason("TIMEOUT"), { fact: TIMEOUT.en, todo: TIMEOUT.en_todo });
});

test("a reason the server has no text for stands for itself", () => {
  assert.deepEqual(explainReason("NEW_IN_2030"), { fact: "NEW_IN_2030", todo: "" });
});

test("no reason needs no words", () => {
  assert.deepEqual(explainReason(null), { fact: "", todo: "" });
});

test("every mark in index.html has a text", () => {
  const marks = ["data-i18n", "data-i18n-label", "data-i18n-title", "data-i18n-placeholder"];
  const keys = marks.flatMap((mark) => [...document.querySelectorAll(`[${mark}]`)].map((node) => node.getAttribute(mark) ?? ""));

  assert.ok(keys.length > 10);
  assert.deepEqual(keys.filter((key) => !isTextKey(key)), []);
});

test("the marked parts of index.html are filled", () => {
  translateDocument();

  assert.equal(document.querySelector("h1")?.textContent, TRANSLATIONS.vi.title);
});

test("labels of index.html are filled", () => {
  translateDocument();

  assert.equal(document.getElementById("layouts")?.getAttribute("aria-label"), "Bố cục");
});

test("both languages have the same texts", () => {
  assert.deepEqual(Object.keys(TRANSLATIONS.en).sort(), Object.keys(TRANSLATIONS.vi).sort());
});

test("both languages put in the same values", () => {
  const values = (/** @type {string} */ text) => (text.match(/\{\w+\}/g) ?? []).sort().join(" ");
  const english = /** @type {Record<string, string>} */ (TRANSLATIONS.en);
  const different = Object.entries(TRANSLATIONS.vi).filter(([key, text]) => values(text) !== values(english[key] ?? ""));

  assert.deepEqual(different, []);
});

test("Vietnamese is composed, so that it compares and searches", () => {
  const decomposed = Object.values(TRANSLATIONS.vi).filter((text) => text !== text.normalize("NFC"));

  assert.deepEqual(decomposed, []);
});
