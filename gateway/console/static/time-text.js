// How times, ages and durations are written. Times of day are Viet Nam's, wherever the screen is.

import { translate } from "./i18n.js";
import { serverNowMs } from "./server-clock.js";

/** @import { TextKey } from "./i18n.js" */

const ZONE = "Asia/Ho_Chi_Minh";
const TIME = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, day: "2-digit", month: "2-digit", year: "numeric" });
const SHORT_DAY = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, day: "2-digit", month: "2-digit" });

/**
 * Returns day and time.
 * @param {number} ms Unix time in milliseconds.
 */
export function dateTimeText(ms) {
  return `${DAY.format(ms)} ${TIME.format(ms)}`;
}

/**
 * Returns the time of day, followed by the day if that is not today.
 * @param {number | null} ms Unix time in milliseconds; null: not known.
 */
export function timeText(ms) {
  if (ms === null) return "--:--:--";
  const time = TIME.format(ms);
  return DAY.format(ms) === DAY.format(serverNowMs()) ? time : `${time} ${SHORT_DAY.format(ms)}`;
}

/**
 * Returns how long ago it was, by the server's clock.
 * @param {number} ms Unix time in milliseconds.
 */
export function ageText(ms) {
  const ageS = Math.max(0, Math.round((serverNowMs() - ms) / 1000));
  return ageS < 2 ? translate("justNow") : translate("ago", { span: durationText(ageS) });
}

/**
 * Returns time and age in one phrase, "since 10:20:30 (5 min ago)"; empty if it is not known.
 * @param {number | null} ms Unix time in milliseconds; null: not known.
 */
export function sinceText(ms) {
  return ms === null ? "" : translate("since", { time: timeText(ms), ago: ageText(ms) });
}

/** @param {number} seconds Whole, at least 0; written in one unit, rounded down. */
export function durationText(seconds) {
  if (seconds < 60) return translate("seconds", { n: seconds });
  if (seconds < 3600) return translate("minutes", { n: Math.floor(seconds / 60) });
  if (seconds < 172_800) return translate("hours", { n: Math.floor(seconds / 3600) });
  return translate("days", { n: Math.floor(seconds / 86_400) });
}

/**
 * Returns when the next attempt is: "next try in 5 s", or that it is made now.
 * @param {number} leftMs Until then; 0 or less: now.
 * @param {TextKey} later With {span}.
 * @param {TextKey} now
 */
export function countdownText(leftMs, later, now) {
  const leftS = Math.ceil(leftMs / 1000);
  return leftS > 0 ? translate(later, { span: durationText(leftS) }) : translate(now);
}
