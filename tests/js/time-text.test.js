import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { NOW_MS } from "./support/browser.js";
import { setLanguage } from "../../gateway/console/static/i18n.js";
import { setServerTime } from "../../gateway/console/static/server-clock.js";
import { ageText, countdownText, dateTimeText, durationText, sinceText, timeText } from "../../gateway/console/static/time-text.js";

const DAY_MS = 86_400_000;

beforeEach(() => setServerTime(NOW_MS));
afterEach(() => setLanguage("vi"));

test("times are Viet Nam's", () => {
  assert.equal(dateTimeText(NOW_MS), "15/07/2026 10:20:30");
});

test("midnight is written 00", () => {
  assert.equal(timeText(Date.UTC(2026, 6, 14, 17, 0, 0)), "00:00:00");
});

test("a time of today needs no day", () => {
  assert.equal(timeText(NOW_MS - 1_000), "10:20:29");
});

test("a time of another day says which", () => {
  assert.equal(timeText(NOW_MS - DAY_MS), "10:20:30 14/07");
});

test("an hour before midnight in Viet Nam is yesterday, whatever the day is in Greenwich", () => {
  assert.equal(timeText(Date.UTC(2026, 6, 14, 16, 0, 0)), "23:00:00 14/07");
});

test("a time that is not known is dashes", () => {
  assert.equal(timeText(null), "--:--:--");
});

/** @type {[seconds: number, text: string][]} */
const DURATIONS = [
  [0, "0 s"], [59, "59 s"], [60, "1 min"], [3_599, "59 min"], [3_600, "1 h"],
  [172_799, "47 h"], [172_800, "2 days"], [864_000, "10 days"],
];
for (const [seconds, text] of DURATIONS) {
  test(`${seconds} s are written ${text}`, () => {
    setLanguage("en");

    assert.equal(durationText(seconds), text);
  });
}

test("what has happened within two seconds has just happened", () => {
  assert.equal(ageText(NOW_MS - 1_400), "vừa xong");
});

test("an age is written with its unit", () => {
  assert.equal(ageText(NOW_MS - 90_000), "cách đây 1 phút");
});

test("ages are the server's, on a screen whose clock is wrong", () => {
  setServerTime(NOW_MS + 3_600_000);

  assert.equal(ageText(NOW_MS), "cách đây 1 giờ");
});

test("what is in the future by a clock's error has just happened", () => {
  assert.equal(ageText(NOW_MS + 5_000), "vừa xong");
});

test("since when has time and age", () => {
  assert.equal(sinceText(NOW_MS - 60_000), "từ 10:19:30 (cách đây 1 phút)");
});

test("since when is not said if it is not known", () => {
  assert.equal(sinceText(null), "");
});

test("a second that has begun counts as a whole one", () => {
  assert.equal(countdownText(4_100, "again", "againNow"), "thử lại sau 5 giây");
});

test("nothing left is now", () => {
  assert.equal(countdownText(0, "again", "againNow"), "đang thử lại");
});
