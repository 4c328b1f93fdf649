import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff } from "../../gateway/console/static/backoff.js";

const middle = () => 0.5;

test("each pause is twice the one before, up to the ceiling", () => {
  const backoff = new Backoff(500, 5_000, 0.5, middle);

  const pauses = Array.from({ length: 6 }, () => backoff.nextMs());

  assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
});

test("a pause is shortened by the jitter at most", () => {
  assert.equal(new Backoff(1_000, 9_000, 0.25, () => 0).nextMs(), 750);
});

test("a pause is lengthened by the jitter at most", () => {
  assert.equal(new Backoff(1_000, 9_000, 0.25, () => 1).nextMs(), 1_250);
});

test("after a reset the first pause comes again", () => {
  const backoff = new Backoff(500, 5_000, 0.5, middle);
  backoff.nextMs();

  backoff.reset();

  assert.equal(backoff.nextMs(), 500);
});

test("a pause of the caller's counts as one more attempt", () => {
  const backoff = new Backoff(500, 5_000, 0.5, middle);

  assert.equal(backoff.nextMs(15_000), 15_000);
  assert.equal(backoff.nextMs(), 1_000);
});
