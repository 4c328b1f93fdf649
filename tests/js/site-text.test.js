import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { NOW_MS } from "./support/browser.js";
import { alarm, camera, storedSite } from "./support/centre.js";
import { setReasonTexts } from "../../gateway/console/static/i18n.js";
import { setServerTime } from "../../gateway/console/static/server-clock.js";
import { cameraStateText, describeAlarm, explainCamera, siteStateText, siteTroubleText, summaryText } from "../../gateway/console/static/site-text.js";

/** @import { CameraView } from "../../gateway/console/messages.d.ts" */

/** @param {string} code */
const reason = (code) => ({ vi: `${code} là gì`, en: `what ${code} is`, vi_todo: `${code} làm gì`, en_todo: `what to do about ${code}` });

beforeEach(() => {
  setServerTime(NOW_MS);
  const codes = ["TIMEOUT", "IDLE", "FLAPPING", "PICTURE_INTERLACED", "PICTURE_ASPECT", "CAMERA_TIME_ZONE"];
  setReasonTexts(Object.fromEntries(codes.map((code) => [code, reason(code)])));
});

// --- summary ----------------------------------------------------------------------------

const ALL_WELL = { sites: 2, cams: 7, on: 7, deg: 0, off: 0, unk: 0 };

test("the summary counts sites and cameras", () => {
  assert.equal(summaryText(ALL_WELL), "2 điểm · 7 camera: 7 trực tuyến");
});

test("the summary says what is wrong, each with its number", () => {
  const text = summaryText({ ...ALL_WELL, on: 1, deg: 1, off: 2, unk: 3 });

  assert.equal(text, "2 điểm · 7 camera: 1 trực tuyến, 1 chập chờn, 2 mất tín hiệu, 3 chưa rõ");
});

test("without sites there is no summary", () => {
  assert.equal(summaryText({ ...ALL_WELL, sites: 0 }), "");
});

// --- sites ------------------------------------------------------------------------------

test("a site that the centre has shut out says so, and how it comes back", () => {
  const site = storedSite({ invalid: "presence:  revoked" });

  assert.match(siteStateText(site), /^Đã thu hồi · /);
  assert.match(siteTroubleText(site), /^Trung tâm đã thu hồi điểm này/);
});

test("a site that breaks the contract is not called revoked", () => {
  const site = storedSite({ invalid: "birth: /revoked too_long" });

  assert.match(siteStateText(site), /^Báo cáo không hợp lệ · /);
  assert.match(siteTroubleText(site), /too_long/);
});

test("a site that is on has province, state and number of cameras", () => {
  assert.equal(siteStateText(storedSite()), "Bắc Ninh · Trực tuyến · 2 camera");
});

test("a site out of contact says since when", () => {
  assert.equal(siteStateText(storedSite({ st: "off" })), "Bắc Ninh · Mất liên lạc từ 10:19:30 (cách đây 1 phút) · 2 camera");
});

test("a site of which nothing is known says no time", () => {
  assert.equal(siteStateText(storedSite({ st: "unk", since_ms: null })), "Bắc Ninh · Chưa rõ · 2 camera");
});

test("a province that is not known is left out", () => {
  assert.equal(siteStateText(storedSite({ province: "" })), "Trực tuyến · 2 camera");
});

// --- cameras ----------------------------------------------------------------------------

/** @type {[what: string, fields: Partial<CameraView>, text: string][]} */
const CAMERA_STATES = [
  ["that is on has its news' age, codec and size", {}, "Trực tuyến · cập nhật cách đây 5 giây · H264 1920×1080"],
  ["whose size is not known has its codec", { size: null }, "Trực tuyến · cập nhật cách đây 5 giây · H264"],
  ["that is watched says by how many", { codec: null, viewers: 3 }, "Trực tuyến · cập nhật cách đây 5 giây · 3 lượt xem"],
  ["that is off says since when, and no codec", { st: "off" }, "Mất tín hiệu · từ 10:19:30 (cách đây 1 phút)"],
  ["that is off is watched by nobody", { st: "off", viewers: 3 }, "Mất tín hiệu · từ 10:19:30 (cách đây 1 phút)"],
  ["that is unsteady says since when", { st: "deg" }, "Chập chờn · từ 10:19:30 (cách đây 1 phút)"],
  ["that is off since an unknown time has its news' age", { st: "off", since_ms: null }, "Mất tín hiệu · cập nhật cách đây 5 giây"],
  ["of which nothing is known says only that", { st: "unk", seen_ms: null }, "Chưa rõ"],
];
for (const [what, fields, text] of CAMERA_STATES) {
  test(`a camera ${what}`, () => {
    assert.equal(cameraStateText(camera(fields)), text);
  });
}

const NOTHING = { fact: "", todo: "" };

test("a camera that works needs no explanation", () => {
  assert.deepEqual(explainCamera(camera(), storedSite()), NOTHING);
});

test("a camera that is ready needs no explanation", () => {
  assert.deepEqual(explainCamera(camera({ reason: "IDLE" }), storedSite()), NOTHING);
});

test("a camera that is ready and yet not on is explained", () => {
  assert.equal(explainCamera(camera({ reason: "IDLE", st: "unk" }), storedSite()).fact, "IDLE là gì");
});

test("a camera that works and should be set otherwise says what and how", () => {
  const explanation = explainCamera(camera({ advice: ["PICTURE_INTERLACED", "PICTURE_ASPECT"] }), storedSite());

  assert.deepEqual(explanation, {
    fact: "PICTURE_INTERLACED là gì. PICTURE_ASPECT là gì",
    todo: "PICTURE_INTERLACED làm gì PICTURE_ASPECT làm gì",
  });
});

test("a camera that fails is explained, with what to do", () => {
  const explanation = explainCamera(camera({ st: "off", reason: "TIMEOUT" }), storedSite());

  assert.deepEqual(explanation, { fact: "TIMEOUT là gì", todo: "TIMEOUT làm gì" });
});

test("attempts and the next one are said", () => {
  const failing = camera({ st: "off", reason: "TIMEOUT", attempts: 3, again_ms: NOW_MS + 30_000 });

  assert.equal(explainCamera(failing, storedSite()).fact, "TIMEOUT là gì (đã thử 3 lần, thử lại sau 30 giây)");
});

test("an attempt that is due is made now", () => {
  const failing = camera({ st: "off", reason: "TIMEOUT", again_ms: NOW_MS - 1 });

  assert.equal(explainCamera(failing, storedSite()).fact, "TIMEOUT là gì (đang thử lại)");
});

test("a camera without news at a site that is on is said to be without", () => {
  const explanation = explainCamera(camera({ st: "unk", reason: null }), storedSite());

  assert.equal(explanation.fact, "Không có tin về camera này; chưa rõ trạng thái.");
});

test("a camera without news at a site out of contact is explained by the site", () => {
  assert.deepEqual(explainCamera(camera({ st: "unk", reason: null }), storedSite({ st: "off" })), NOTHING);
});

// --- alarms -----------------------------------------------------------------------------

test("an alarm has severity, fact, since when and what to do", () => {
  assert.deepEqual(describeAlarm(alarm(), storedSite()), {
    severity: "Nghiêm trọng",
    fact: "Quầy Đăng ký đất đai: TIMEOUT là gì",
    since: "từ 10:19:00 (cách đây 1 phút)",
    todo: "TIMEOUT làm gì",
  });
});

for (const [seconds, text] of /** @type {const} */ ([[3599, "nhanh 1 giờ"], [-86_400 * 9, "chậm 9 ngày"]])) {
  test(`an alarm about a clock says ${text}`, () => {
    const clock = alarm({ key: "cam.c01.clock", reason: "CAMERA_TIME_ZONE", args: { cam: "c01", clk_s: seconds } });

    assert.ok(describeAlarm(clock, storedSite()).fact.endsWith(`CAMERA_TIME_ZONE là gì (${text})`));
  });
}

/** @type {[what: string, key: string, args: Record<string, string | number>, subject: string][]} */
const SUBJECTS = [
  ["a camera that the site does not list", "cam.c09.down", { cam: "c09" }, "c09: "],
  ["a recorder", "nvr.nvr1.down", { nvr: "nvr1", cams: 2 }, "Đầu ghi nvr1: "],
  ["a network device", "net.sw1.down", { node: "sw1" }, "Thiết bị mạng sw1: "],
  ["a certificate", "cert.expiry", { days: 6 }, "Còn 6 ngày: "],
  ["a configuration", "config.rejected", { ver: 12 }, "Cấu hình số 12: "],
  ["the machine's temperature", "host.temp", { value: 84.2 }, "Thiết bị tại điểm (84.2 °C): "],
  ["the machine's disk", "host.disk", { value: 91 }, "Thiết bị tại điểm (91 %): "],
  ["the machine, without a value", "host.power", {}, "Thiết bị tại điểm: "],
  ["the audit's file", "store.audit", {}, "Nhật ký xem chưa ghi được: "],
  ["the file of used tokens", "store.tokens", {}, "Chưa mở được lượt xem mới: "],
  ["the file of events", "store.outbox", {}, "Sự kiện chưa ghi được vào thẻ nhớ: "],
  ["the file of commands", "store.journal", {}, "Chưa thực hiện được lệnh của trung tâm: "],
  ["something else", "uplink.down", {}, ""],
];
for (const [what, key, args, subject] of SUBJECTS) {
  test(`an alarm about ${what} says so`, () => {
    assert.equal(describeAlarm(alarm({ key, args }), storedSite()).fact, `${subject}TIMEOUT là gì`);
  });
}

test("an alarm that comes and goes says so", () => {
  assert.equal(describeAlarm(alarm({ flap: true }), storedSite()).fact, "Quầy Đăng ký đất đai: TIMEOUT là gì (FLAPPING là gì)");
});

test("an alarm that explains others says how many", () => {
  assert.equal(describeAlarm(alarm({ explains: 4 }), storedSite()).since, "từ 10:19:00 (cách đây 1 phút) · kéo theo 4 cảnh báo khác");
});

test("an alarm since an unknown time says no time", () => {
  assert.equal(describeAlarm(alarm({ since_ms: null }), storedSite()).since, "");
});
