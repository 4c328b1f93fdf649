import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, last } from "./support/browser.js";
import { GW, PROV, greet, openCentre } from "./support/centre.js";
import { FakePeerConnection } from "./support/peer.js";
import { Session, warmUp } from "../../gateway/console/static/session.js";

/** @import { Ending } from "../../gateway/console/static/session.js" */

const SETUP_LIMIT_MS = 20_000;
const DISCONNECTED_LIMIT_MS = 5_000;

/** A session with what it has told its observer. */
async function opened() {
  const centre = openCentre();
  /** @type {string[]} */
  const steps = [];
  /** @type {Ending[]} */
  const endings = [];
  /** @type {[string, string | null][]} */
  const levels = [];
  const told = { steps, endings, levels, connected: 0 };
  const session = new Session(centre.connection, { prov: PROV, gw: GW }, "c01", {
    onStep: (step) => told.steps.push(step),
    onConnected: () => { told.connected += 1; },
    onLevel: (level, why) => { told.levels.push([level, why]); },
    onEnded: (ending) => told.endings.push(ending),
  });
  const peer = last(FakePeerConnection.opened);
  await session.open();
  const sid = session.id;
  return { ...centre, session, sid, peer, told };
}

// --- offer and answer -------------------------------------------------------------------

test("opening sends the offer at once, without waiting for candidates", async () => {
  const { socket, sid } = await opened();

  assert.deepEqual(socket.sent, [{ k: "offer", sid, prov: PROV, gw: GW, cam: "c01", sdp: "v=0 offer" }]);
});

test("each session has an id of its own", async () => {
  assert.notEqual((await opened()).sid, (await opened()).sid);
});

test("the peer gets the server's ICE servers", async () => {
  const { peer } = await opened();

  assert.deepEqual(/** @type {any} */ (peer.configuration).iceServers, [{ urls: ["stun:stun.invalid"] }]);
});

test("pictures are not held back in a jitter buffer", async () => {
  assert.equal((await opened()).peer.receiver.jitterBufferTarget, 0);
});

test("the certificate that was made beforehand is used", async () => {
  await warmUp();

  const { peer } = await opened();

  assert.equal(/** @type {any} */ (peer.configuration).certificates.length, 1);
});

test("an answer is set and the next step told", async () => {
  const { socket, sid, peer, told } = await opened();

  socket.deliver({ k: "answer", sid, sdp: "v=0 answer" });
  await clock.tickAsync(0);

  assert.deepEqual(peer.remoteDescription, { type: "answer", sdp: "v=0 answer" });
  assert.deepEqual(told.steps, ["stepRequest", "stepPath"]);
});

test("a second answer is ignored", async () => {
  const { socket, sid, peer } = await opened();
  socket.deliver({ k: "answer", sid, sdp: "first" });
  await clock.tickAsync(0);

  socket.deliver({ k: "answer", sid, sdp: "second" });
  await clock.tickAsync(0);

  assert.equal(peer.remoteDescription?.sdp, "first");
});

test("an answer that cannot be understood ends the session, and the gateway is told", async () => {
  const { socket, sid, told } = await opened();

  socket.deliver({ k: "answer", sid, sdp: "" });
  await clock.tickAsync(0);

  assert.deepEqual(told.endings, [{ why: "answer: OperationError" }]);
  assert.deepEqual(socket.sentOf("bye"), [{ k: "bye", sid, why: "viewer" }]);
});

test("an offer that cannot be sent ends the session", async () => {
  const { connection, socket } = openCentre();
  /** @type {Ending[]} */
  const endings = [];
  const session = new Session(connection, { prov: PROV, gw: GW }, "c01", { onStep: () => {}, onConnected: () => {}, onLevel: () => {}, onEnded: (ending) => endings.push(ending) });
  socket.drop();

  await session.open();

  assert.deepEqual(endings, [{ why: "server" }]);
});

test("a message for another session is not for this one", async () => {
  const { socket, told } = await opened();

  socket.deliver({ k: "bye", sid: "0".repeat(24), why: "lost" });
  await clock.tickAsync(0);

  assert.deepEqual(told.endings, []);
});

test("what the gateway sends of the camera, and why, is told", async () => {
  const { socket, sid, told } = await opened();

  socket.deliver({ k: "level", sid, level: "sub", why: "LINE_NARROW" });

  assert.deepEqual(told.levels, [["sub", "LINE_NARROW"]]);
});

// --- candidates -------------------------------------------------------------------------

test("our candidates are sent in batches", async () => {
  const { socket, sid, peer } = await opened();

  peer.gather("one");
  peer.gather("two");
  clock.tick(50);

  const batch = [{ candidate: "one", sdpMid: "0" }, { candidate: "two", sdpMid: "0" }];
  assert.deepEqual(socket.sentOf("cand"), [{ k: "cand", sid, c: batch, end: false }]);
});

test("the end of our candidates is sent at once, with those that wait", async () => {
  const { socket, sid, peer } = await opened();
  peer.gather("one");

  peer.gather(null);
  clock.tick(50);

  assert.deepEqual(socket.sentOf("cand"), [{ k: "cand", sid, c: [{ candidate: "one", sdpMid: "0" }], end: true }]);
});

test("a candidate without text, an end of one generation, is not sent", async () => {
  const { socket, peer } = await opened();

  peer.gather("");
  clock.tick(50);

  assert.deepEqual(socket.sentOf("cand"), []);
});

// --- ends -------------------------------------------------------------------------------

test("a refusal is told with code and reason, and not answered", async () => {
  const { socket, sid, told } = await opened();

  socket.deliver({ k: "error", sid, code: 488, reason: "UNSUPPORTED_CODEC", detail: "mjpeg" });

  assert.deepEqual(told.endings, [{ why: "refused", code: 488, reason: "UNSUPPORTED_CODEC" }]);
  assert.deepEqual(socket.sentOf("bye"), []);
});

test("the gateway's bye is told, and not answered", async () => {
  const { socket, sid, told } = await opened();

  socket.deliver({ k: "bye", sid, why: "superseded" });

  assert.deepEqual(told.endings, [{ why: "superseded" }]);
  assert.deepEqual(socket.sentOf("bye"), []);
});

test("closing says bye and tells the observer nothing", async () => {
  const { socket, sid, session, told } = await opened();

  session.close();

  assert.deepEqual(socket.sentOf("bye"), [{ k: "bye", sid, why: "viewer" }]);
  assert.deepEqual(told.endings, []);
});

test("closing closes the peer", async () => {
  const { session, peer } = await opened();

  session.close();

  assert.equal(peer.signalingState, "closed");
});

test("a session is closed once", async () => {
  const { socket, session } = await opened();

  session.close();
  session.close();

  assert.equal(socket.sentOf("bye").length, 1);
});

test("what is heard after the end changes nothing", async () => {
  const { socket, sid, session, told } = await opened();
  session.close();

  socket.deliver({ k: "bye", sid, why: "late" });

  assert.deepEqual(told.endings, []);
});

test("candidates that are found after the end are not sent", async () => {
  const { socket, session, peer } = await opened();
  session.close();

  peer.gather("late");
  clock.tick(50);

  assert.deepEqual(socket.sentOf("cand"), []);
});

// --- the peer's states ------------------------------------------------------------------

test("a session that does not connect in 20 s is given up", async () => {
  const { told } = await opened();

  clock.tick(SETUP_LIMIT_MS);

  assert.deepEqual(told.endings, [{ why: "setup" }]);
});

test("a session that has connected is not given up", async () => {
  const { peer, told } = await opened();

  peer.turn("connected");
  clock.tick(SETUP_LIMIT_MS);

  assert.equal(told.connected, 1);
  assert.deepEqual(told.endings, []);
});

test("a failed peer ends the session at once", async () => {
  const { peer, told } = await opened();

  peer.turn("failed");

  assert.deepEqual(told.endings, [{ why: "failed" }]);
});

test("a disconnected peer is waited for", async () => {
  const { peer, told } = await opened();
  peer.turn("connected");

  peer.turn("disconnected");
  clock.tick(DISCONNECTED_LIMIT_MS - 1);
  peer.turn("connected");
  clock.tick(SETUP_LIMIT_MS);

  assert.deepEqual(told.endings, []);
});

test("a peer that stays disconnected for 5 s ends the session", async () => {
  const { peer, told } = await opened();
  peer.turn("connected");

  peer.turn("disconnected");
  clock.tick(DISCONNECTED_LIMIT_MS);

  assert.deepEqual(told.endings, [{ why: "disconnected" }]);
});

// --- the rest ---------------------------------------------------------------------------

test("a session is orphaned when the server greets with another viewer id", async () => {
  const { socket, session } = await opened();
  assert.equal(session.orphaned, false);

  greet(socket, "v-2");

  assert.equal(session.orphaned, true);
});

test("the counters are those of the received video, with its codec's name", async () => {
  const { session, peer } = await opened();
  peer.count({ framesDecoded: 7 });

  const inbound = await session.inboundStats();

  assert.equal(inbound.framesDecoded, 7);
  assert.equal(inbound.codec, "H264");
});

test("without video there is no codec", async () => {
  const { session } = await opened();

  assert.deepEqual(await session.inboundStats(), { codec: null });
});
