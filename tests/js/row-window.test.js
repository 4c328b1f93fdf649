import assert from "node:assert/strict";
import { test } from "node:test";

import { windowOf } from "../../gateway/console/static/row-window.js";

const SITES = 3_321;
const EQUAL = Array(SITES).fill(60);

test("of a whole country a screenful is drawn", () => {
  const { first, end } = windowOf(EQUAL, 0, 600, 300);

  assert.deepEqual([first, end], [0, 15]);
});

test("in the middle some above and below are drawn", () => {
  const { first, end, tops } = windowOf(EQUAL, 60_000, 600, 300);

  assert.deepEqual([first, end], [995, 1_015]);
  assert.equal(tops[1_000], 60_000);
});

test("scrolled beyond the end, the last ones are drawn", () => {
  const { end, tops } = windowOf(EQUAL, 1e9, 600, 300);

  assert.equal(end, SITES);
  assert.equal(tops[SITES], SITES * 60);
});

test("a row that is higher than the screen is drawn while a part of it is seen", () => {
  const { first, end } = windowOf([60, 20_000, 60], 10_000, 600, 300);

  assert.deepEqual([first, end], [1, 2]);
});

test("an empty list has no rows", () => {
  assert.deepEqual(windowOf([], 0, 600, 300), { first: 0, end: 0, tops: [0] });
});
