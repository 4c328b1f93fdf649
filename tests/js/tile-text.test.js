import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { NOW_MS } from "./support/browser.js";
import { camera, storedSite } from "./support/centre.js";
import { setReasonTexts } from "../../gateway/console/static/i18n.js";
import { setServerTime } from "../../gateway/console/static/server-clock.js";
import { badgeText, explainLevel, explainNoPicture, figuresText, levelText, nextAttemptText } from "../../gateway/console/static/tile-text.js";

/** @import { TileStatus } from "../../gateway/console/static/tile-text.js" */

/** @param {string} code */
const reason = (code) => ({ vi: `${code} là gì`, en: "", vi_todo: `${code} làm gì`, en_todo: "" });

beforeEach(() => {
  setServerTime(NOW_MS);
  const known = ["TIMEOUT", "STALLED", "UPLINK_DOWN", "VIEW_REVOKED", "DESCRIPTORS_LOW", "TURN_DOWN", "OVERLOADED", "AUTH_FAILED", "NOT_FOUND", "UNSUPPORTED_CODEC"];
  setReasonTexts(Object.fromEntries(known.map((code) => [code, reason(code)])));
});

/**
 * @param {Partial<TileStatus>} [fields]
 * @returns {TileStatus}
 */
function status(fields) {
  return {
    state: "connecting", inSession: true, step: "stepRequest", overdue: false,
    lastFrameMs: null, endedMs: null, refusal: null, retryInMs: null,
    ...fields,
  };
}

const CAMERA_OFF = camera({ st: "off", reason: "TIMEOUT" });
const SITE_OFF = () => storedSite({ st: "off" });

// --- badge and figures ------------------------------------------------------------------

test("a live tile says live", () => {
  assert.equal(badgeText("live", storedSite()), "Trực tiếp");
});

test("a lost picture is the camera's as long as the site is there", () => {
  assert.equal(badgeText("lost", storedSite()), "Mất tín hiệu");
});

test("a lost picture is the site's when that is out of contact", () => {
  assert.equal(badgeText("lost", SITE_OFF()), "Mất liên lạc");
});

test("figures have codec, size, frame rate and bit rate", () => {
  const figures = { codec: "H264", width: 640, height: 360, fps: 24.6, kbps: 812.3 };

  assert.equal(figuresText(figures), "H264 · 640×360 · 25 fps · 812 kb/s");
});

test("from 1000 kb/s on it is Mb/s", () => {
  assert.match(figuresText({ codec: "H265", width: 1, height: 1, fps: 25, kbps: 4_260 }), /4\.3 Mb\/s$/);
});

for (const [level, name] of /** @type {const} */ ([["main", ""], ["sub", "luồng phụ"], ["transcoded", "chuyển mã"], ["reduced", "hình thu nhỏ"], ["keyframes", "chỉ khung hình chính"]])) {
  test(`what is sent in place of the main stream has a name: ${level}`, () => {
    assert.equal(levelText(level), name);
  });
}

test("why it is sent is explained, with what to do about it", () => {
  assert.equal(explainLevel("sub", "UNSUPPORTED_CODEC"), "UNSUPPORTED_CODEC là gì. UNSUPPORTED_CODEC làm gì");
  assert.equal(explainLevel("main", "LINE_NARROW"), "");
  assert.equal(explainLevel("sub", null), "");
});

test("there are no figures before the codec is known", () => {
  assert.equal(figuresText({ codec: null, width: 0, height: 0, fps: 0, kbps: 0 }), "");
});

// --- why there is no picture ------------------------------------------------------------

test("while connecting it is said what is awaited", () => {
  const { title, fact } = explainNoPicture(status({ step: "stepPath" }), storedSite(), camera());

  assert.equal(title, "Đang kết nối");
  assert.equal(fact, "Đang lập đường truyền hình…");
});

test("a known fault is said instead of what is awaited", () => {
  const { fact, todo } = explainNoPicture(status(), storedSite(), CAMERA_OFF);

  assert.equal(fact, "TIMEOUT là gì");
  assert.equal(todo, "TIMEOUT làm gì");
});

test("a session that is connected for long has no picture yet", () => {
  assert.equal(explainNoPicture(status({ overdue: true }), storedSite(), camera()).title, "Chưa có hình từ camera — đang chờ");
});

test("a picture that has stopped says since when", () => {
  const lost = status({ state: "lost", lastFrameMs: NOW_MS - 4_000 });

  assert.equal(explainNoPicture(lost, storedSite(), camera()).title, "Mất tín hiệu camera từ 10:20:26 — đang kết nối lại");
});

test("a session that has ended after a picture says when", () => {
  const ended = status({ state: "lost", inSession: false, lastFrameMs: NOW_MS - 4_000, endedMs: NOW_MS - 1_000 });

  assert.equal(explainNoPicture(ended, storedSite(), camera()).title, "Phiên xem bị ngắt lúc 10:20:29 — đang kết nối lại");
});

test("a site out of contact is the reason, and says since when", () => {
  const lost = status({ state: "lost", lastFrameMs: NOW_MS - 4_000 });

  assert.equal(explainNoPicture(lost, SITE_OFF(), camera()).title, "Điểm mất liên lạc từ 10:19:30 — sẽ tự kết nối lại");
});

test("that a stream has stalled is said by the title; what to do is not", () => {
  const lost = status({ state: "lost", lastFrameMs: NOW_MS - 4_000 });
  const { fact, todo } = explainNoPicture(lost, storedSite(), camera({ st: "off", reason: "STALLED" }));

  assert.equal(fact, "");
  assert.equal(todo, "STALLED làm gì");
});

test("a reason of a camera that is on again is not said", () => {
  assert.equal(explainNoPicture(status(), storedSite(), camera({ reason: "TIMEOUT" })).fact, "Đang gửi yêu cầu đến điểm…");
});

test("a camera that is not known is no fault", () => {
  assert.equal(explainNoPicture(status(), undefined, undefined).title, "Đang kết nối");
});

test("no session and never a picture: it cannot be watched", () => {
  assert.equal(explainNoPicture(status({ state: "waiting", inSession: false }), storedSite(), camera()).title, "Không xem được camera");
});

// --- refusals ---------------------------------------------------------------------------

/**
 * @param {number} code
 * @param {string} [cause]
 */
const refused = (code, cause) => status({ state: "refused", inSession: false, refusal: { why: "refused", code, reason: cause } });

test("a refusal is explained by its code, with what to do", () => {
  assert.deepEqual(explainNoPicture(refused(403), storedSite(), camera()), {
    title: "Không xem được camera",
    fact: "Không có quyền xem camera này.",
    todo: "Liên hệ quản trị trung tâm để được cấp quyền.",
  });
});

test("what the reason says to do goes before what the code says", () => {
  assert.equal(explainNoPicture(refused(403, "TIMEOUT"), storedSite(), camera()).todo, "TIMEOUT làm gì");
});

test("a reason of the view token says more than its code", () => {
  const revoked = explainNoPicture(refused(403, "VIEW_REVOKED"), storedSite(), camera());
  assert.deepEqual([revoked.fact, revoked.todo], ["VIEW_REVOKED là gì", "VIEW_REVOKED làm gì"]);
});

for (const cause of ["DESCRIPTORS_LOW", "TURN_DOWN", "OVERLOADED", "UPLINK_DOWN"]) {
  test(`503 says what its reason ${cause} is, whatever else has that code`, () => {
    const { fact, todo } = explainNoPicture(refused(503, cause), storedSite(), camera());

    assert.deepEqual([fact, todo], [`${cause} là gì`, `${cause} làm gì`]);
  });
}

test("a camera that does not work says why", () => {
  assert.equal(explainNoPicture(refused(480, "AUTH_FAILED"), storedSite(), camera()).fact, "AUTH_FAILED là gì");
});

test("a reason that is not known here leaves what the code says", () => {
  const { fact, todo } = explainNoPicture(refused(503, "FROM_TOMORROW"), storedSite(), camera());

  assert.equal(fact, "Điểm chưa gửi được hình lúc này.");
  assert.equal(todo, "Hệ thống sẽ tự thử lại.");
});

for (const [code, cause, said] of /** @type {const} */ ([
  [404, "NOT_FOUND", "Điểm không có camera này."],
  [408, "TIMEOUT", "Điểm không trả lời kịp."],
  [488, "UNSUPPORTED_CODEC", "Trình duyệt không xem được chuẩn nén của camera này."],
])) {
  test(`${code} is about the site or the browser, and ${cause} would speak of the camera`, () => {
    assert.equal(explainNoPicture(refused(code, cause), storedSite(), camera()).fact, said);
  });
}

test("a code without a text is explained by its reason", () => {
  assert.equal(explainNoPicture(refused(499, "TIMEOUT"), storedSite(), camera()).fact, "TIMEOUT là gì");
});

for (const code of [408, 480]) {
  test(`${code} from a site out of contact is explained by its line`, () => {
    const { title, fact } = explainNoPicture(refused(code), SITE_OFF(), camera());

    assert.equal(title, "Điểm mất liên lạc từ 10:19:30 — sẽ tự kết nối lại");
    assert.equal(fact, "UPLINK_DOWN là gì");
  });
}

test("another refusal is not explained by the site being away", () => {
  assert.equal(explainNoPicture(refused(404), SITE_OFF(), camera()).fact, "Điểm không có camera này.");
});

// --- what comes next --------------------------------------------------------------------

test("the page's next attempt is counted down", () => {
  assert.equal(nextAttemptText(status({ inSession: false, retryInMs: 2_400 }), CAMERA_OFF), "Thử lại sau 3 giây");
});

test("the gateway's next attempt is counted down, with how many have failed", () => {
  const failing = camera({ st: "off", attempts: 2, again_ms: NOW_MS + 10_000 });

  assert.equal(nextAttemptText(status(), failing), "đã thử 2 lần · thử lại sau 10 giây");
});

test("a camera that is on is not waited for", () => {
  assert.equal(nextAttemptText(status(), camera({ again_ms: NOW_MS + 10_000 })), "");
});

test("a lost picture says how old it is", () => {
  assert.equal(nextAttemptText(status({ state: "lost", lastFrameMs: NOW_MS - 8_000 }), camera()), "cách đây 8 giây");
});

test("while a new session is being set up no age is said", () => {
  assert.equal(nextAttemptText(status({ lastFrameMs: NOW_MS - 8_000 }), camera()), "");
});
