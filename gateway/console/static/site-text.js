// What the list says of sites, cameras and alarms: state, since when, why, what to do.

import { explainReason, translate } from "./i18n.js";
import { serverNowMs } from "./server-clock.js";
import { isInTrouble } from "./site-filter.js";
import { ageText, countdownText, durationText, sinceText } from "./time-text.js";

/** @import { AlarmView, CameraView } from "../messages.d.ts" */
/** @import { Explanation, TextKey } from "./i18n.js" */
/** @import { Counts, Site } from "./site-store.js" */

const SITE_STATE = /** @type {const} */ ({ on: "siteOn", off: "siteOff", unk: "siteUnk" });
const CAMERA_STATE = /** @type {const} */ ({ on: "camOn", deg: "camDeg", off: "camOff", unk: "camUnk" });
const SEVERITY = /** @type {const} */ ({ critical: "sevCritical", major: "sevMajor", minor: "sevMinor", warning: "sevWarning" });

/** @param {Counts} counts */
export function summaryText(counts) {
  if (counts.sites === 0) return "";
  const parts = [translate("summary", counts)];
  if (counts.deg) parts.push(translate("summaryDeg", { n: counts.deg }));
  if (counts.off) parts.push(translate("summaryOff", { n: counts.off }));
  if (counts.unk) parts.push(translate("summaryUnk", { n: counts.unk }));
  return parts.join(", ");
}

/**
 * Returns whether the centre has shut the site out, and reads nothing of it any more.
 * @param {Pick<Site, "invalid">} site
 */
function isRevoked(site) {
  return site.invalid.endsWith(" revoked");
}

/** @param {Site} site */
export function siteStateText(site) {
  const state = translate(SITE_STATE[site.st]);
  const since = site.st === "on" ? "" : sinceText(site.since_ms);
  const { off, deg } = site.st === "on" ? site.counts : { off: 0, deg: 0 };
  const trouble = [off && translate("summaryOff", { n: off }), deg && translate("summaryDeg", { n: deg })].filter(Boolean);
  const cameras = [translate("cameras", { n: site.cams.size }), ...trouble].join(", ");
  const invalid = site.invalid ? translate(isRevoked(site) ? "siteRevoked" : "invalidReport") : "";
  return joinPresent(" · ", [invalid, site.province, joinPresent(" ", [state, since]), cameras]);
}

/**
 * Returns what an operator has to know of the site before its cameras; empty if nothing.
 * @param {Site} site
 */
export function siteTroubleText(site) {
  const why = isRevoked(site) ? translate("siteRevokedTodo") : translate("invalidTodo", { why: site.invalid });
  const invalid = site.invalid ? why : "";
  return joinPresent(" ", [invalid, site.st === "on" ? "" : translate("siteGone")]);
}

/** @param {CameraView} camera */
export function cameraStateText(camera) {
  const parts = [translate(CAMERA_STATE[camera.st])];
  if (isInTrouble(camera) && camera.since_ms) parts.push(sinceText(camera.since_ms));
  else if (camera.seen_ms) parts.push(translate("seen", { ago: ageText(camera.seen_ms) }));
  if (camera.st === "on" && camera.codec) {
    parts.push(joinPresent(" ", [camera.codec.toUpperCase(), camera.size?.replace("x", "×")]));
  }
  if (camera.viewers && camera.st !== "off") parts.push(translate("viewers", { n: camera.viewers }));
  return parts.join(" · ");
}

/**
 * Returns why the camera is as it is; of one that works, what should be changed at it, if anything.
 * @param {CameraView} camera
 * @param {Site} site
 * @returns {Explanation}
 */
export function explainCamera(camera, site) {
  if (camera.reason === null) return { fact: site.st === "on" ? translate("unknownWhy") : "", todo: "" };
  if (camera.reason === "OK" || (camera.reason === "IDLE" && camera.st === "on")) return explainAdvice(camera);
  const { fact, todo } = explainReason(camera.reason);
  const attempts = [];
  if (camera.attempts) attempts.push(translate("attempts", { n: camera.attempts }));
  if (camera.again_ms && camera.st !== "on") {
    attempts.push(countdownText(camera.again_ms - serverNowMs(), "again", "againNow"));
  }
  return { fact: attempts.length ? `${fact} (${attempts.join(", ")})` : fact, todo };
}

/** @param {CameraView} camera */
function explainAdvice(camera) {
  const given = camera.advice.map(explainReason);
  return { fact: joinPresent(". ", given.map(({ fact }) => fact)), todo: joinPresent(" ", given.map(({ todo }) => todo)) };
}

/**
 * @param {AlarmView} alarm
 * @param {Site} site
 */
export function describeAlarm(alarm, site) {
  const { fact, todo } = explainReason(alarm.reason);
  const beside = joinPresent(", ", [clockText(alarm.args.clk_s), alarm.flap ? explainReason("FLAPPING").fact : ""]);
  const cause = beside ? `${fact} (${beside})` : fact;
  const explains = alarm.explains ? translate("explains", { n: alarm.explains }) : "";
  return {
    severity: translate(SEVERITY[alarm.sev]),
    fact: joinPresent(": ", [alarmSubject(alarm, site), cause]),
    since: joinPresent(" · ", [sinceText(alarm.since_ms), explains]),
    todo,
  };
}

/**
 * Returns how far a clock is off: "1 hour ahead"; empty if that is not told.
 * @param {string | number | undefined} seconds
 */
function clockText(seconds) {
  if (typeof seconds !== "number") return "";
  return translate(seconds > 0 ? "clockAhead" : "clockBehind", { span: durationText(Math.abs(Math.round(seconds / 60) * 60)) });
}

/** @type {Record<string, TextKey | undefined>} */
const STORES = {
  "store.audit": "auditNotStored",
  "store.tokens": "tokensNotStored",
  "store.outbox": "outboxNotStored",
  "store.journal": "journalNotStored",
};

/**
 * Returns what an alarm is about: a camera by its name, a recorder or network device by its id.
 * @param {AlarmView} alarm
 * @param {Site} site
 */
function alarmSubject(alarm, site) {
  const { cam, nvr, node, value, days, ver } = alarm.args;
  if (cam !== undefined) return site.cams.get(String(cam))?.name ?? String(cam);
  if (nvr !== undefined) return translate("recorder", { id: nvr });
  if (node !== undefined) return translate("networkDevice", { id: node });
  if (days !== undefined) return translate("certificate", { n: days });
  if (ver !== undefined) return translate("configuration", { n: ver });
  const store = STORES[alarm.key];
  if (store !== undefined) return translate(store);
  const machine = alarm.key.startsWith("host.") ? translate("machine") : "";
  return value === undefined ? machine : `${machine} (${value} ${alarm.key === "host.temp" ? "°C" : "%"})`;
}

/**
 * @param {string} separator
 * @param {(string | undefined)[]} parts
 */
function joinPresent(separator, parts) {
  return parts.filter(Boolean).join(separator);
}
