// The WebSocket to the server: opens it, opens it again when it is lost, hands each message to
// those who asked for its kind.

import { Backoff } from "./backoff.js";

/** @import { BrowserMessage, IceServer, ServerMessages } from "../messages.d.ts" */

const FIRST_RETRY_MS = 500;
const RETRY_CEILING_MS = 5_000;
const RETRY_JITTER = 0.5;

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
  /** @type {WebSocket | null} */
  #socket = null;
  #backoff = new Backoff(FIRST_RETRY_MS, RETRY_CEILING_MS, RETRY_JITTER);

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = () => this.#reopen();
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
    if (message.k === "hello") {
      this.viewer = message.viewer;
      this.iceServers = message.ice;
      this.#backoff.reset();
      this.#setUp(true);
    }
    this.dispatchEvent(new CustomEvent(`message:${message.k}`, { detail: message }));
  }

  #reopen() {
    if (this.up) this.#setUp(false);
    setTimeout(() => this.open(), this.#backoff.nextMs());
  }

  /** @param {boolean} up */
  #setUp(up) {
    this.up = up;
    this.sinceMs = Date.now();
    this.dispatchEvent(new Event("statechange"));
  }
}
