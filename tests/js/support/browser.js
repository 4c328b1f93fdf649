// What the page finds in a browser, for node: index.html as a document, storage, timers that tests
// move, a WebSocket and a WebRTC peer that tests speak through. Import it before the page's modules.

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach } from "node:test";
import FakeTimers from "@sinonjs/fake-timers";
import { parseHTML } from "linkedom";

import { FakePeerConnection } from "./peer.js";
import { FakeWebSocket } from "./socket.js";

/** 10:20:30 on 15 July 2026 in Viet Nam. */
export const NOW_MS = Date.UTC(2026, 6, 15, 3, 20, 30);

const INDEX = new URL("../../../gateway/console/static/index.html", import.meta.url);

class MemoryStorage {
  /** @type {Map<string, string>} */
  #items = new Map();

  /** @param {string} key */
  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  setItem(key, value) {
    this.#items.set(key, String(value));
  }

  clear() {
    this.#items.clear();
  }
}

class FakeMediaStream {
  /** @param {object[]} tracks */
  constructor(tracks) {
    this.tracks = tracks;
  }
}

/** linkedom knows the element but not how it plays. */
const videoBehaviour = {
  /** @type {(() => void)[]} */
  frameCallbacks: [],
  videoWidth: 640,
  videoHeight: 360,
  readyState: 4,
  play: async () => {},
  /**
   * @this {{frameCallbacks: (() => void)[]}}
   * @param {() => void} callback
   */
  requestVideoFrameCallback(callback) {
    this.frameCallbacks.push(callback);
  },
};

const { document, window, HTMLElement } = /** @type {any} */ (parseHTML(readFileSync(INDEX, "utf8")));
const createElement = document.createElement.bind(document);
document.createElement = (/** @type {string} */ tag) => {
  const element = createElement(tag);
  if (tag === "video") Object.assign(element, videoBehaviour, { frameCallbacks: [] });
  if (tag === "canvas") Object.assign(element, { getContext: () => ({ drawImage: () => {} }) });
  return element;
};

class DetailEvent extends Event {
  /**
   * @param {string} type
   * @param {{detail?: unknown}} [options]
   */
  constructor(type, options) {
    super(type);
    this.detail = options?.detail;
  }
}

Object.assign(globalThis, {
  document,
  window,
  HTMLElement,
  localStorage: new MemoryStorage(),
  location: new URL("http://127.0.0.1:8090/"),
  MediaStream: FakeMediaStream,
  RTCPeerConnection: FakePeerConnection,
  WebSocket: FakeWebSocket,
});
// node 18 has these two behind flags
globalThis.CustomEvent ??= /** @type {any} */ (DetailEvent);
globalThis.crypto ??= /** @type {any} */ (webcrypto);

/** @type {ReturnType<typeof FakeTimers.install>} */
export let clock;

beforeEach(() => {
  clock = FakeTimers.install({
    now: NOW_MS,
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });
  clock.tick(1_000);
  clock.setSystemTime(NOW_MS);
  localStorage.clear();
  FakeWebSocket.opened.length = 0;
  FakePeerConnection.opened.length = 0;
});

afterEach(() => clock.uninstall());

/**
 * The video shows its next frame.
 * @param {HTMLVideoElement} video
 */
export function showFrame(video) {
  const { frameCallbacks } = /** @type {any} */ (video);
  for (const callback of frameCallbacks.splice(0)) callback();
}

/**
 * The last of them.
 * @template T
 * @param {readonly T[]} items
 * @returns {T}
 */
export function last(items) {
  const item = items[items.length - 1];
  if (item === undefined) throw new RangeError("there is none");
  return item;
}
