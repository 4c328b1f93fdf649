import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, last, showFrame } from "./support/browser.js";
import { camera, GW, greet, openCentre, SITE, site } from "./support/centre.js";
import { FakePeerConnection } from "./support/peer.js";
import { FakeWebSocket } from "./support/socket.js";
import { Tile } from "../../gateway/console/static/tile.js";
import { explainLevel } from "../../gateway/console/static/tile-text.js";

const LONGEST_FIRST_PAUSE_MS = 1_300;
const LONGEST_FULL_PAUSE_MS = 19_500;

async function createTile() {
  const centre = openCentre();
  /** @type {string[]} */
  const asked = [];
  const tile = new Tile(centre.connection, centre.store, SITE, "c01", performance.now(), {
    enlarge: () => asked.push("enlarge"),
    close: () => asked.push("close"),
  });
  await clock.tickAsync(0);
  const text = (/** @type {string} */ selector) => tile.element.querySelector(selector)?.textContent;
  return { ...centre, tile, asked, text };
}

const peer = () => last(FakePeerConnection.opened);

/** @param {FakeWebSocket} socket */
const sid = (socket) => last(socket.sentOf("offer")).sid;

async function liveTile() {
  const made = await createTile();
  peer().turn("connected");
  showFrame(made.tile.video);
  return made;
}

/**
 * Frames at 25 a second.
 * @param {Tile} tile
 * @param {number} ms
 */
async function play(tile, ms) {
  for (let playedMs = 0; playedMs < ms; playedMs += 40) {
    await clock.tickAsync(40);
    showFrame(tile.video);
  }
}

// --- to the first picture ---------------------------------------------------------------

test("a new tile asks for its camera", async () => {
  const { socket } = await createTile();

  assert.deepEqual(socket.sentOf("offer").map(({ gw, cam }) => [gw, cam]), [[GW, "c01"]]);
});

test("a new tile is connecting and says what is awaited", async () => {
  const { tile, text } = await createTile();

  assert.equal(tile.state, "connecting");
  assert.equal(text(".overlay-fact"), "Đang gửi yêu cầu đến điểm…");
});

test("a tile names its camera and where it is", async () => {
  const { text } = await createTile();

  assert.equal(text(".tile-camera"), "Quầy Đăng ký đất đai");
  assert.equal(text(".tile-place"), "Tầng 1 · Trung tâm Từ Sơn");
});

test("once connected the first picture is awaited", async () => {
  const { text } = await createTile();

  peer().turn("connected");

  assert.equal(text(".overlay-fact"), "Đã kết nối, chờ khung hình đầu tiên…");
});

test("the first picture makes it live, with nothing over it", async () => {
  const { tile } = await liveTile();

  assert.equal(tile.state, "live");
  assert.equal(tile.overlay.hidden, true);
});

test("the first picture's time is measured from the click", async () => {
  const { tile } = await createTile();
  await clock.tickAsync(70);

  showFrame(tile.video);

  assert.equal(/** @type {any} */ (await tile.firstFrame).first_frame_ms, 70);
});

test("a picture proves the connection, even if the browser tells that later", async () => {
  const { tile } = await createTile();

  showFrame(tile.video);

  assert.notEqual((await tile.stats()).connected_ms, null);
});

test("the connection's time is that of the first time it stood", async () => {
  const { tile } = await createTile();
  await clock.tickAsync(50);
  peer().turn("connected");
  await clock.tickAsync(100);
  peer().turn("connected");

  assert.equal((await tile.stats()).connected_ms, 50);
});

test("connected for 3 s without a picture: the camera has sent none", async () => {
  const { text } = await createTile();
  peer().turn("connected");
  assert.equal(text(".overlay-title"), "Đang kết nối");

  await clock.tickAsync(3_500);

  assert.equal(text(".overlay-title"), "Chưa có hình từ camera — đang chờ");
});

test("as long as it is not connected the camera is not blamed", async () => {
  const { text } = await createTile();

  await clock.tickAsync(10_000);

  assert.equal(text(".overlay-title"), "Đang kết nối");
});

test("the last picture's page time is told", async () => {
  const { tile } = await createTile();
  assert.equal((await tile.stats()).last_frame_ms, null);

  showFrame(tile.video);

  assert.equal((await tile.stats()).last_frame_ms, performance.now());
});

test("a hidden page, where no frames are shown, is live by what is decoded", async () => {
  const { tile } = await createTile();
  peer().turn("connected");
  Object.defineProperty(document, "hidden", { value: true, configurable: true });

  peer().count({ framesDecoded: 25 });
  await clock.tickAsync(1_000);

  Object.defineProperty(document, "hidden", { value: false, configurable: true });
  assert.equal(tile.state, "live");
});

test("figures of a live tile come from two readings", async () => {
  const { tile, text } = await liveTile();
  peer().count({ framesDecoded: 0, bytesReceived: 0, frameWidth: 640, frameHeight: 360 });
  await play(tile, 1_000);

  peer().count({ framesDecoded: 25, bytesReceived: 125_000, frameWidth: 640, frameHeight: 360 });
  await play(tile, 1_000);

  assert.equal(text(".figures"), "H264 · 640×360 · 25 fps · 1.0 Mb/s");
});

test("a live tile tells what is sent in place of the main stream, and why", async () => {
  const { tile, socket, text } = await liveTile();
  assert.equal(text(".level"), "");

  socket.deliver({ k: "level", sid: sid(socket), level: "sub", why: "LINE_NARROW" });

  assert.equal(text(".level"), "luồng phụ");
  assert.equal(tile.levelText.title, explainLevel("sub", "LINE_NARROW"));
  assert.equal(text(".figures")?.includes("luồng phụ"), false);
});

test("the level is told by a live tile only", async () => {
  const { socket, tile, text } = await liveTile();
  socket.deliver({ k: "level", sid: sid(socket), level: "keyframes", why: "LINE_NARROW" });

  socket.deliver({ k: "bye", sid: sid(socket), why: "superseded" });

  assert.notEqual(tile.state, "live");
  assert.equal(text(".level"), "");
});

// --- a picture that stops ---------------------------------------------------------------

test("a picture that stands still for 3 s is lost", async () => {
  const { tile } = await liveTile();
  await play(tile, 2_000);

  await clock.tickAsync(3_500);

  assert.equal(tile.state, "lost");
});

test("a picture that stands still for less is live", async () => {
  const { tile } = await liveTile();
  await play(tile, 2_000);

  await clock.tickAsync(2_500);

  assert.equal(tile.state, "live");
});

test("of a camera that is known to be off the picture is lost after a second", async () => {
  const { tile, store } = await liveTile();
  await play(tile, 2_000);
  store.apply({ full: true, sites: [site({ cams: [camera({ st: "off", reason: "TIMEOUT" })] })] });

  await clock.tickAsync(1_500);

  assert.equal(tile.state, "lost");
});

test("a camera of few pictures is given longer, at most 4.5 s", async () => {
  const { tile } = await liveTile();
  for (let frames = 0; frames < 60; frames += 1) {
    await clock.tickAsync(2_000);
    showFrame(tile.video);
  }

  await clock.tickAsync(4_400);
  assert.equal(tile.state, "live");
  await clock.tickAsync(600);
  assert.equal(tile.state, "lost");
});

test("a lost picture says since when", async () => {
  const { tile, text } = await liveTile();
  await play(tile, 2_000);

  await clock.tickAsync(3_500);

  assert.equal(text(".overlay-title"), "Mất tín hiệu camera từ 10:20:32 — đang kết nối lại");
});

test("a picture that comes back makes it live again, in the same session", async () => {
  const { tile, socket } = await liveTile();
  await play(tile, 2_000);
  await clock.tickAsync(3_500);

  showFrame(tile.video);

  assert.equal(tile.state, "live");
  assert.equal(socket.sentOf("offer").length, 1);
});

test("a loss and the return are counted", async () => {
  const { tile } = await liveTile();
  await play(tile, 2_000);
  await clock.tickAsync(3_600);
  showFrame(tile.video);

  const { losses, lost_at_ms: lost, back_at_ms: back } = await tile.stats();

  assert.equal(losses, 1);
  assert.ok(lost !== null && back !== null && back > lost);
});

test("no picture for 15 s from a camera that is said to be on begins a new session", async () => {
  const { socket } = await liveTile();

  await clock.tickAsync(16_000);

  assert.equal(socket.sentOf("offer").length, 2);
});

test("a camera that is off is waited for in the same session", async () => {
  const { socket, store } = await liveTile();
  store.apply({ full: true, sites: [site({ cams: [camera({ st: "off", reason: "TIMEOUT" })] })] });

  await clock.tickAsync(60_000);

  assert.equal(socket.sentOf("offer").length, 1);
});

test("a gateway that has connected anew gets a new session", async () => {
  const { socket, store } = await liveTile();
  store.apply({ full: true, sites: [site({ ep: 2 })] });

  await clock.tickAsync(4_000);

  assert.equal(socket.sentOf("offer").length, 2);
});

test("a server that has greeted anew gets a new session", async () => {
  const { socket } = await liveTile();
  greet(socket, "v-2");

  await clock.tickAsync(4_000);

  assert.equal(socket.sentOf("offer").length, 2);
});

test("a picture that runs on is left alone, whoever has connected anew", async () => {
  const { tile, socket, store } = await liveTile();
  store.apply({ full: true, sites: [site({ ep: 2 })] });
  greet(socket, "v-2");

  await play(tile, 6_000);

  assert.equal(tile.state, "live");
  assert.equal(socket.sentOf("offer").length, 1);
});

// --- sessions that end ------------------------------------------------------------------

for (const code of [400, 403, 404, 488]) {
  test(`after ${code} it is not asked again`, async () => {
    const { tile, socket } = await createTile();

    socket.deliver({ k: "error", sid: sid(socket), code, reason: "NOT_FOUND", detail: "" });
    await clock.tickAsync(60_000);

    assert.equal(tile.state, "refused");
    assert.equal(socket.sentOf("offer").length, 1);
  });
}

for (const code of [408, 480]) {
  test(`after ${code} it is asked again soon`, async () => {
    const { tile, socket } = await createTile();

    socket.deliver({ k: "error", sid: sid(socket), code, reason: "UNREACHABLE", detail: "" });
    assert.equal(tile.state, "waiting");
    await clock.tickAsync(LONGEST_FIRST_PAUSE_MS);

    assert.equal(socket.sentOf("offer").length, 2);
  });
}

for (const code of [486, 503]) {
  test(`after ${code}, when the site is full, it is asked again later`, async () => {
    const { socket } = await createTile();

    socket.deliver({ k: "error", sid: sid(socket), code, reason: "BUSY", detail: "" });
    await clock.tickAsync(10_000);
    assert.equal(socket.sentOf("offer").length, 1);
    await clock.tickAsync(LONGEST_FULL_PAUSE_MS - 10_000);

    assert.equal(socket.sentOf("offer").length, 2);
  });
}

test("the next attempt is counted down", async () => {
  const { socket, text } = await createTile();

  socket.deliver({ k: "error", sid: sid(socket), code: 486, reason: "BUSY", detail: "" });

  assert.match(text(".overlay-next") ?? "", /^Thử lại sau 1[0-9] giây$|^Thử lại sau 20 giây$/);
});

test("a session that ends before a picture leaves none", async () => {
  const { tile, socket } = await createTile();
  Object.assign(tile.video, { videoWidth: 0 });

  socket.deliver({ k: "bye", sid: sid(socket), why: "superseded" });

  assert.equal(tile.lastFrame.hidden, true);
});

test("a refusal is told to automatic checks", async () => {
  const { tile, socket } = await createTile();

  socket.deliver({ k: "error", sid: sid(socket), code: 404, reason: "NOT_FOUND", detail: "" });

  assert.equal((await tile.stats()).refused_code, 404);
});

test("the operator can ask again after a refusal", async () => {
  const { tile, socket } = await createTile();
  socket.deliver({ k: "error", sid: sid(socket), code: 404, reason: "NOT_FOUND", detail: "" });
  assert.equal(tile.retryButton.hidden, false);

  tile.retryButton.click();
  await clock.tickAsync(0);

  assert.equal(socket.sentOf("offer").length, 2);
  assert.equal(tile.state, "connecting");
});

test("a session that ends after a picture leaves the last one, and says when it ended", async () => {
  const { tile, socket, text } = await liveTile();

  socket.deliver({ k: "bye", sid: sid(socket), why: "superseded" });

  assert.equal(tile.state, "lost");
  assert.equal(tile.lastFrame.hidden, false);
  assert.equal(text(".overlay-title"), "Phiên xem bị ngắt lúc 10:20:30 — đang kết nối lại");
});

test("the last picture goes when a new one is there", async () => {
  const { tile, socket } = await liveTile();
  socket.deliver({ k: "bye", sid: sid(socket), why: "superseded" });
  await clock.tickAsync(LONGEST_FIRST_PAUSE_MS);

  showFrame(tile.video);

  assert.equal(tile.lastFrame.hidden, true);
});

test("frames of a session that is over are not counted for the next", async () => {
  const { tile, socket } = await liveTile();
  socket.deliver({ k: "bye", sid: sid(socket), why: "superseded" });

  showFrame(tile.video);

  assert.equal(tile.state, "lost");
});

test("what a session has counted is kept when it ends", async () => {
  const { tile, socket } = await liveTile();
  peer().count({ framesDecoded: 25 });
  await tile.stats();
  socket.deliver({ k: "bye", sid: sid(socket), why: "superseded" });
  await clock.tickAsync(LONGEST_FIRST_PAUSE_MS);
  peer().count({ framesDecoded: 5 });

  const { frames_decoded: decoded, reconnects } = await tile.stats();

  assert.equal(decoded, 30);
  assert.equal(reconnects, 1);
});

test("pauses become longer as attempts fail", async () => {
  const { socket } = await createTile();
  for (let attempt = 0; attempt < 5; attempt += 1) {
    socket.deliver({ k: "error", sid: sid(socket), code: 480, reason: "UNREACHABLE", detail: "" });
    await clock.tickAsync(20_000);
  }

  socket.deliver({ k: "error", sid: sid(socket), code: 480, reason: "UNREACHABLE", detail: "" });
  const before = socket.sentOf("offer").length;
  await clock.tickAsync(10_000);

  assert.equal(before, 6);
  assert.equal(socket.sentOf("offer").length, before);
});

test("a pause is cut short when the site is back", async () => {
  const { socket, store } = await createTile();
  socket.deliver({ k: "error", sid: sid(socket), code: 486, reason: "BUSY", detail: "" });

  store.apply({ full: true, sites: [site({ ep: 2 })] });
  await clock.tickAsync(1_600);

  assert.equal(socket.sentOf("offer").length, 2);
});

test("without a server nothing is asked", async () => {
  const { tile, socket } = await liveTile();
  socket.drop();

  peer().turn("failed");
  await clock.tickAsync(10_000);

  assert.equal(tile.state, "lost");
  assert.equal(FakePeerConnection.opened.length, 1);
});

// --- the end ----------------------------------------------------------------------------

test("closing says bye and asks no more", async () => {
  const { tile, socket } = await liveTile();

  tile.close();
  await clock.tickAsync(60_000);

  assert.equal(socket.sentOf("bye").length, 1);
  assert.equal(socket.sentOf("offer").length, 1);
});

test("closing while it waits asks no more", async () => {
  const { tile, socket } = await createTile();
  socket.deliver({ k: "error", sid: sid(socket), code: 480, reason: "UNREACHABLE", detail: "" });

  tile.close();
  await clock.tickAsync(60_000);

  assert.equal(socket.sentOf("offer").length, 1);
});

test("a click on the picture asks for it to be enlarged", async () => {
  const { tile, asked } = await createTile();

  tile.face.click();

  assert.deepEqual(asked, ["enlarge"]);
});

test("a click on the cross asks for it to be closed", async () => {
  const { tile, asked } = await createTile();

  tile.closeButton.click();

  assert.deepEqual(asked, ["close"]);
});

test("the operator can ask again also while the picture is lost", async () => {
  const { tile, socket } = await liveTile();
  await clock.tickAsync(5_000);
  assert.deepEqual([tile.state, tile.retryButton.hidden], ["lost", false]);

  tile.retryButton.click();
  await clock.tickAsync(0);

  assert.equal(socket.sentOf("offer").length, 2);
});

test("a camera that is reported back is asked for again within two seconds", async () => {
  const { socket, store } = await createTile();
  store.apply({ full: true, sites: [site({ cams: [camera({ st: "off", reason: "UNREACHABLE" })] })] });
  for (let at = 0; at < 6; at += 1) {
    socket.deliver({ k: "error", sid: sid(socket), code: 503, reason: "OVERLOADED", detail: "" });
    await clock.tickAsync(at < 5 ? LONGEST_FULL_PAUSE_MS : 2_000);
  }
  const asked = socket.sentOf("offer").length;

  store.apply({ full: true, sites: [site({ cams: [camera({ st: "on" })] })] });
  await clock.tickAsync(2_000);

  assert.equal(socket.sentOf("offer").length, asked + 1);
});

test("a browser without WebRTC says so, and what to do", async (context) => {
  context.mock.method(console, "error", () => {});
  const supported = globalThis.RTCPeerConnection;
  Object.assign(globalThis, { RTCPeerConnection: undefined });
  try {
    const { tile, text } = await createTile();

    assert.equal(tile.state, "refused");
    assert.match(text(".overlay-fact") ?? "", /không có WebRTC/);
    assert.match(text(".overlay-todo") ?? "", /Chrome/);
  } finally {
    Object.assign(globalThis, { RTCPeerConnection: supported });
  }
});
