import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, last, NOW_MS } from "./support/browser.js";
import { greet } from "./support/centre.js";
import { FakeWebSocket } from "./support/socket.js";
import { Connection } from "../../gateway/console/static/connection.js";

const LONGEST_FIRST_PAUSE_MS = 750;

function opened() {
  const connection = new Connection();
  connection.open();
  return { connection, socket: last(FakeWebSocket.opened) };
}

test("the socket is the page's own server's", () => {
  assert.equal(opened().socket.url, "ws://127.0.0.1:8090/ws");
});

test("it is up once the server has greeted", () => {
  const { connection, socket } = opened();
  socket.accept();
  assert.equal(connection.up, false);

  greet(socket);

  assert.equal(connection.up, true);
});

test("the greeting brings viewer id and ICE servers", () => {
  const { connection, socket } = opened();

  greet(socket, "v-7");

  assert.equal(connection.viewer, "v-7");
  assert.deepEqual(connection.iceServers, [{ urls: ["stun:stun.invalid"] }]);
});

test("a message goes to those who asked for its kind", () => {
  const { connection, socket } = opened();
  /** @type {unknown[]} */
  const received = [];
  connection.onMessage("broker", (message) => received.push(message));
  greet(socket);

  socket.deliver({ k: "broker", up: true, since_ms: 7 });

  assert.deepEqual(received, [{ k: "broker", up: true, since_ms: 7 }]);
});

test("viewer id and state are there before the greeting is handed on", () => {
  const { connection, socket } = opened();
  /** @type {unknown[]} */
  const seen = [];
  connection.onMessage("hello", () => seen.push(connection.viewer, connection.up));

  greet(socket);

  assert.deepEqual(seen, ["v-1", true]);
});

test("a message is sent as JSON and said to be sent", () => {
  const { connection, socket } = opened();
  greet(socket);

  assert.equal(connection.send({ k: "bye", sid: "s1", why: "viewer" }), true);
  assert.deepEqual(socket.sent, [{ k: "bye", sid: "s1", why: "viewer" }]);
});

test("what cannot be sent is said not to be, and not kept", () => {
  const { connection, socket } = opened();

  assert.equal(connection.send({ k: "bye", sid: "s1", why: "viewer" }), false);
  greet(socket);
  assert.deepEqual(socket.sent, []);
});

test("a connection that is lost is told with its time", () => {
  const { connection, socket } = opened();
  greet(socket);
  let changes = 0;
  connection.addEventListener("statechange", () => { changes += 1; });
  clock.tick(4_000);

  socket.drop();

  assert.equal(changes, 1);
  assert.equal(connection.up, false);
  assert.equal(connection.sinceMs, NOW_MS + 4_000);
});

test("a lost connection is opened again by itself", () => {
  const { socket } = opened();
  greet(socket);

  socket.drop();
  clock.tick(LONGEST_FIRST_PAUSE_MS);

  assert.equal(FakeWebSocket.opened.length, 2);
});

test("attempts become rarer, at most 7.5 s apart", () => {
  opened();
  for (let attempt = 0; attempt < 8; attempt += 1) {
    last(FakeWebSocket.opened).drop();
    clock.tick(7_500);
  }

  last(FakeWebSocket.opened).drop();
  const before = FakeWebSocket.opened.length;
  clock.tick(2_400);

  assert.equal(before, 9);
  assert.equal(FakeWebSocket.opened.length, before);
});

test("a greeting makes the next pause short again", () => {
  opened();
  for (let attempt = 0; attempt < 8; attempt += 1) {
    last(FakeWebSocket.opened).drop();
    clock.tick(7_500);
  }
  greet(last(FakeWebSocket.opened));
  const before = FakeWebSocket.opened.length;

  last(FakeWebSocket.opened).drop();
  clock.tick(LONGEST_FIRST_PAUSE_MS);

  assert.equal(FakeWebSocket.opened.length, before + 1);
});

test("a server that was never reached changes no state", () => {
  const { connection, socket } = opened();
  let changes = 0;
  connection.addEventListener("statechange", () => { changes += 1; });

  socket.drop();

  assert.equal(changes, 0);
});

test("a page that came by https has its socket by TLS", () => {
  const plain = location;
  Object.assign(globalThis, { location: new URL("https://centre.invalid/") });

  const { url } = opened().socket;

  Object.assign(globalThis, { location: plain });
  assert.equal(url, "wss://centre.invalid/ws");
});

/** As the page does: every second. @param {Connection} connection @param {number} ms */
function pass(connection, ms) {
  for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
    clock.tick(1_000);
    connection.check();
  }
}

test("a server that hangs is silent after 15 s, since its last word", () => {
  const { connection, socket } = opened();
  greet(socket);
  pass(connection, 14_000);
  socket.deliver({ k: "tick", now_ms: NOW_MS });
  const heardMs = Date.now();

  pass(connection, 15_000);
  assert.deepEqual([connection.silent, connection.up], [false, true]);
  pass(connection, 1_000);

  assert.deepEqual([connection.silent, connection.up, connection.sinceMs], [true, false, heardMs]);
});

test("a connection that nobody has closed is given up and made anew", () => {
  const { connection, socket } = opened();
  greet(socket);

  pass(connection, 17_000);
  socket.drop();
  greet(last(FakeWebSocket.opened), "v-2");

  assert.equal(socket.closed, 1);
  assert.equal(FakeWebSocket.opened.length, 2);
  assert.deepEqual([connection.up, connection.silent, connection.viewer], [true, false, "v-2"]);
});

test("a server that accepts and does not greet is tried again", () => {
  const { connection } = opened();

  pass(connection, 40_000);

  assert.equal(FakeWebSocket.opened.length, 3);
});

test("a laptop that has slept knows it at once", () => {
  const { connection, socket } = opened();
  greet(socket);
  clock.setSystemTime(NOW_MS + 3_600_000);

  connection.check();

  assert.equal(connection.silent, true);
  pass(connection, 1_000);
  assert.equal(connection.up, false);
});

test("a page that stood still does not hold it against the server", () => {
  const { connection, socket } = opened();
  greet(socket);
  clock.setSystemTime(NOW_MS + 20_000);

  connection.check();
  socket.deliver({ k: "tick", now_ms: NOW_MS + 20_000 });
  pass(connection, 5_000);

  assert.deepEqual([connection.silent, connection.up, socket.closed], [false, true, 0]);
});

test("a clock that is set back does not hide the silence", () => {
  const { connection, socket } = opened();
  greet(socket);
  clock.setSystemTime(NOW_MS - 3_600_000);
  pass(connection, 17_000);

  assert.equal(connection.silent, true);
});

test("new TURN credentials are those of the next session", () => {
  const { connection, socket } = opened();
  greet(socket);

  socket.deliver({ k: "ice", ice: [{ urls: ["turn:t.invalid"], username: "1:v", credential: "c" }] });

  assert.deepEqual(connection.iceServers, [{ urls: ["turn:t.invalid"], username: "1:v", credential: "c" }]);
});
