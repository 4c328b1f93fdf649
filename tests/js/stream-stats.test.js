import assert from "node:assert/strict";
import { test } from "node:test";

import { StreamStats } from "../../gateway/console/static/stream-stats.js";

const AT_1S = { framesDecoded: 25, bytesReceived: 100_000, codec: "H264", frameWidth: 640, frameHeight: 360 };
const AT_2S = { ...AT_1S, framesDecoded: 50, bytesReceived: 225_000 };

test("one reading has no rates", () => {
  const stats = new StreamStats();

  stats.update(AT_1S, 1_000);

  assert.equal(stats.shown.fps, 0);
  assert.equal(stats.shown.kbps, 0);
});

test("rates are of the time between two readings", () => {
  const stats = new StreamStats();
  stats.update(AT_1S, 1_000);

  stats.update(AT_2S, 3_000);

  assert.equal(stats.shown.fps, 12.5);
  assert.equal(stats.shown.kbps, 500);
});

test("a reading that follows too soon changes no rate", () => {
  const stats = new StreamStats();
  stats.update(AT_1S, 1_000);
  stats.update(AT_2S, 2_000);

  stats.update({ ...AT_2S, framesDecoded: 51 }, 2_100);

  assert.equal(stats.shown.fps, 25);
});

test("a reading that follows too soon counts in the totals", () => {
  const stats = new StreamStats();
  stats.update(AT_1S, 1_000);

  stats.update({ ...AT_1S, framesDecoded: 27 }, 1_100);

  assert.equal(stats.totals().frames_decoded, 27);
});

test("codec and size are those of the last reading, however soon it follows", () => {
  const stats = new StreamStats();
  stats.update({}, 990);

  stats.update(AT_1S, 1_000);

  assert.equal(stats.shown.codec, "H264");
  assert.deepEqual([stats.shown.width, stats.shown.height], [640, 360]);
});

test("pictures that have been decoded since the last reading are told", () => {
  const stats = new StreamStats();

  assert.equal(stats.update(AT_1S, 1_000), true);
  assert.equal(stats.update(AT_1S, 2_000), false);
  assert.equal(stats.update(AT_2S, 3_000), true);
});

test("totals go on over sessions", () => {
  const stats = new StreamStats();
  stats.update({ ...AT_1S, packetsLost: 3, freezeCount: 1, totalFreezesDuration: 0.5, framesDropped: 2 }, 1_000);
  stats.endSession();

  stats.update({ ...AT_1S, packetsLost: 4 }, 5_000);

  assert.deepEqual(stats.totals(), {
    frames_decoded: 50, frames_dropped: 2, packets_lost: 7, freeze_count: 1, freezes_duration_s: 0.5,
  });
});

test("a new session's first reading is not measured against the old session", () => {
  const stats = new StreamStats();
  stats.update(AT_2S, 1_000);
  stats.endSession();

  stats.update(AT_1S, 2_000);

  assert.equal(stats.shown.fps, 0);
});

test("a session that has ended twice counts once", () => {
  const stats = new StreamStats();
  stats.update(AT_1S, 1_000);

  stats.endSession();
  stats.endSession();

  assert.equal(stats.totals().frames_decoded, 25);
});

test("a reading has an age", () => {
  const stats = new StreamStats();
  stats.update(AT_1S, 1_000);

  assert.equal(stats.ageMs(1_900), 900);
});

test("without a reading the next one is due", () => {
  assert.equal(new StreamStats().ageMs(0), Infinity);
});

test("a browser that counts nothing is counted as nought", () => {
  const stats = new StreamStats();

  stats.update({}, 1_000);

  assert.equal(stats.totals().frames_decoded, 0);
  assert.equal(stats.shown.codec, null);
});
