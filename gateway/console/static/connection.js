// The WebSocket to the server: opens it, opens it again when it is lost or silent, hands each
// message to those who asked for its kind.

import { Backoff } from "./backoff.js";

/** @import { BrowserMessage, IceServer, ServerMessages } from "../messages.d.ts" */

const FIRST_RETRY_MS = 500;
const RETRY_CEILING_MS = 5_000;
const RETRY_JITTER = 0.5;

/** The server says something every 5 s. Without a word for so long it hangs, or the line is cut and nobody has told us. */
export const SILENCE_MS = 15_000;

/** A check that comes so long after the one before is late: the page stood still, or the machine slept. */
const LATE_CHECK_MS = 3_000;

/** Sends `statechange` when the server is reached or lost. */
export class Connection extends EventTarget {
  /** @type {string | null} The id that the server gave to this connection. */
  viewer = null;
  /** @type {readonly IceServer[]} */
  iceServers = [];
  /** Whether the server has greeted us and the connection stands. */
  up = false;
  /** Since when, by this screen's clock. */
  sinceMs = Date.now();
  /** When the server has last said something, by this screen's clock. */
  heardMs = Date.now();
  /** @type {WebSocket | null} */
  #socket = null;
  #openedMs = 0;
  #checkedMs = Date.now();
  #backoff = new Backoff(FIRST_RETRY_MS, RETRY_CEILING_MS, RETRY_JITTER);

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.#socket = socket;
    this.#openedMs = Date.now();
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = () => this.#reopen(Date.now());
  }

  /** Whether all that is known may be old: the server has not said anything for `SILENCE_MS`. */
  get silent() {
    return Date.now() - this.heardMs > SILENCE_MS;
  }

  /** Gives up a connection on which nothing comes; to be called every second, and after a sleep. */
  check() {
    const nowMs = Date.now();
    this.heardMs = Math.min(this.heardMs, nowMs); // the screen's clock may be set back
    this.#openedMs = Math.min(this.#openedMs, nowMs);
    const lateMs = nowMs - this.#checkedMs;
    this.#checkedMs = nowMs;
    const socket = this.#socket;
    if (!socket || nowMs - Math.max(this.heardMs, this.#openedMs) <= SILENCE_MS) return;
    if (lateMs > LATE_CHECK_MS) return; // what the server has said meanwhile has not been handed to us yet
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(); // over a dead line this may take minutes; we do not wait for it
    this.#reopen(this.heardMs);
  }

  /**
   * Returns whether it could be sent; what cannot be sent is not kept.
   * @param {BrowserMessage} message
   */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /**
   * Calls `listener` with each message of this kind.
   * @template {keyof ServerMessages} K
   * @param {K} kind
   * @param {(message: ServerMessages[K]) => void} listener
   */
  onMessage(kind, listener) {
    this.addEventListener(`message:${kind}`, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {ServerMessages[keyof ServerMessages]} message */
  #receive(message) {
    this.heardMs = Date.now();
    if (message.k === "hello") {
      this.viewer = message.viewer;
      this.iceServers = message.ice;
      this.#backoff.reset();
      this.#setUp(true, Date.now());
    }
    if (message.k === "ice") this.iceServers = message.ice;
    this.dispatchEvent(new CustomEvent(`message:${message.k}`, { detail: message }));
  }

  /** @param {number} lostMs Since when there is no server. */
  #reopen(lostMs) {
    this.#socket = null;
    if (this.up) this.#setUp(false, lostMs);
    setTimeout(() => this.open(), this.#backoff.nextMs());
  }

  /**
   * @param {boolean} up
   * @param {number} sinceMs
   */
  #setUp(up, sinceMs) {
    this.up = up;
    this.sinceMs = sinceMs;
    this.dispatchEvent(new Event("statechange"));
  }
}
