import assert from "node:assert/strict";
import { test } from "node:test";

import "./support/browser.js";
import { Memory } from "../../gateway/console/static/storage.js";

const denied = () => {
  throw Object.assign(new Error("denied"), { name: "SecurityError" });
};

test("what is stored is there again", () => {
  new Memory(() => localStorage).set("k", "v");

  assert.equal(new Memory(() => localStorage).get("k"), "v");
});

test("a browser that does not store is told apart, and remembers until it is closed", () => {
  const memory = new Memory(denied);

  memory.set("k", "v");

  assert.deepEqual([memory.get("k"), memory.get("other"), memory.denied], ["v", null, true]);
});

test("a storage that is full keeps the newest value for this page", () => {
  const memory = new Memory(() => /** @type {any} */ ({ getItem: () => "old", setItem: denied }));

  memory.set("k", "new");

  assert.equal(memory.get("k"), "new");
});
