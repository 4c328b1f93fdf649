// What a tile says: its badge and figures, and, while there is no picture, why and what comes next.

import { explainReason, isReasonKnown, isTextKey, translate } from "./i18n.js";
import { serverNowMs } from "./server-clock.js";
import { ageText, countdownText, timeText } from "./time-text.js";

/** @import { CameraView, Level } from "../messages.d.ts" */
/** @import { Explanation, TextKey } from "./i18n.js" */
/** @import { Ending, SetupStep } from "./session.js" */
/** @import { Site } from "./site-store.js" */

/** @typedef {"connecting" | "live" | "lost" | "waiting" | "refused"} TileState */

/**
 * @typedef {object} TileStatus
 * @property {TileState} state
 * @property {boolean} inSession Whether a session is being set up or runs.
 * @property {SetupStep} step What is awaited.
 * @property {boolean} overdue Whether the session has been connected for long enough to show a picture.
 * @property {number | null} lastFrameMs When the last picture was shown, by the server's clock; null: none yet.
 * @property {number | null} endedMs When the last session ended, by the server's clock; null: none has.
 * @property {Ending | null} refusal Why the gateway does not let us watch.
 * @property {number | null} retryInMs Until the page asks again; null: not planned.
 */

/** @type {Partial<Record<TileState, TextKey>>} */
const BADGE = { live: "live", connecting: "connecting", refused: "badgeRefused", waiting: "badgeWaiting" };
/** @type {Partial<Record<Level, TextKey>>} */
const LEVEL = { sub: "levelSub", transcoded: "levelTranscoded", reduced: "levelReduced", keyframes: "levelKeyframes" };
const SAID_IN_TITLE = new Set(["OK", "IDLE", "CONNECTING", "STALLED"]);
const NO_ANSWER = new Set([408, 480]);
/** They say more than their reason, which speaks of a camera that does not answer, is not there, or sends the wrong codec. */
const BY_CODE = new Set([404, 408, 488]);
/** @type {Explanation} */
const NOTHING = { fact: "", todo: "" };

/**
 * @param {TileState} state
 * @param {Site | undefined} site
 */
export function badgeText(state, site) {
  return translate(BADGE[state] ?? (site?.st === "off" ? "siteOff" : "camOff"));
}

/** @param {{fps: number, kbps: number, codec: string | null, width: number, height: number}} figures */
export function figuresText({ codec, width, height, fps, kbps }) {
  if (!codec) return "";
  const rate = kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mb/s` : `${Math.round(kbps)} kb/s`;
  return `${codec} · ${width}×${height} · ${Math.round(fps)} fps · ${rate}`;
}

/**
 * Returns what is shown in place of the main stream; empty if that is.
 * @param {Level} level
 */
export function levelText(level) {
  const key = LEVEL[level];
  return key === undefined ? "" : translate(key);
}

/**
 * Returns why less than the main stream is shown, and what to do about it; empty if it is not.
 * @param {Level} level
 * @param {string | null} why
 */
export function explainLevel(level, why) {
  if (LEVEL[level] === undefined || why === null) return "";
  const { fact, todo } = explainReason(why);
  return [fact, todo].filter(Boolean).join(". ");
}

/**
 * Returns why there is no picture: a title, the cause and what to do about it.
 * @param {TileStatus} status
 * @param {Site | undefined} site
 * @param {CameraView | undefined} camera
 * @returns {Explanation & {title: string}}
 */
export function explainNoPicture(status, site, camera) {
  if (status.refusal?.why === "webrtc") return { title: translate("refused"), fact: translate("noWebrtc"), todo: translate("noWebrtcTodo") };
  if (status.refusal) return explainRefusal(status.refusal, site);
  const cause = camera && camera.st !== "on" ? explainUnlessInTitle(camera.reason) : NOTHING;
  if (status.lastFrameMs !== null) {
    const stalledTodo = camera?.reason === "STALLED" ? explainReason("STALLED").todo : "";
    return { title: lostTitle(status, site), fact: cause.fact, todo: cause.todo || stalledTodo };
  }
  if (status.inSession) {
    return { title: translate(status.overdue ? "never" : "connecting"), fact: cause.fact || translate(status.step), todo: cause.todo };
  }
  return { title: offlineTitle(site) ?? translate("refused"), ...cause };
}

/**
 * Returns when the page or the gateway tries again, or how old the last picture is.
 * @param {TileStatus} status
 * @param {CameraView | undefined} camera
 */
export function nextAttemptText(status, camera) {
  if (status.retryInMs !== null) return countdownText(status.retryInMs, "retryIn", "retryNow");
  if (status.inSession && camera?.again_ms && camera.st !== "on") {
    const attempts = camera.attempts ? `${translate("attempts", { n: camera.attempts })} · ` : "";
    return attempts + countdownText(camera.again_ms - serverNowMs(), "again", "againNow");
  }
  return status.state === "lost" && status.lastFrameMs !== null ? ageText(status.lastFrameMs) : "";
}

/**
 * @param {Ending} refusal
 * @param {Site | undefined} site
 */
function explainRefusal({ code, reason }, site) {
  const offline = offlineTitle(site);
  if (offline !== null && code !== undefined && NO_ANSWER.has(code)) {
    return { title: offline, ...explainReason("UPLINK_DOWN") };
  }
  const cause = explainUnlessInTitle(reason ?? null);
  const known = reason !== undefined && isReasonKnown(reason) && !SAID_IN_TITLE.has(reason);
  const byReason = known && (code === undefined || !BY_CODE.has(code));
  const byCode = translateIfKnown(`code${code}`);
  return {
    title: translate("refused"),
    fact: byReason ? cause.fact : byCode || cause.fact,
    todo: cause.todo || translateIfKnown(`code${code}todo`),
  };
}

/**
 * @param {TileStatus} status
 * @param {Site | undefined} site
 */
function lostTitle({ inSession, lastFrameMs, endedMs }, site) {
  const offline = offlineTitle(site);
  if (offline !== null) return offline;
  if (inSession) return translate("lost", { time: timeText(lastFrameMs) });
  return translate(endedMs === null ? "lost" : "ended", { time: timeText(endedMs) });
}

/** @param {Site | undefined} site */
function offlineTitle(site) {
  return site?.st === "off" ? translate("offline", { time: timeText(site.since_ms) }) : null;
}

/** @param {string | null} reason */
function explainUnlessInTitle(reason) {
  return reason !== null && SAID_IN_TITLE.has(reason) ? NOTHING : explainReason(reason);
}

/** @param {string} key */
function translateIfKnown(key) {
  return isTextKey(key) ? translate(key) : "";
}
