// The one WebSocket to the server: opens, opens again with jitter, hands messages out by kind.

const FIRST_MS = 500;
const CEILING_MS = 5_000;

export class Link extends EventTarget {
  viewer = null;
  iceServers = [];
  up = false;
  sinceMs = Date.now();
  #socket = null;
  #delayMs = FIRST_MS;

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.#socket = socket;
    socket.onmessage = (event) => this.#take(JSON.parse(event.data));
    socket.onclose = () => this.#closed();
  }

  // Returns whether it could be sent; what cannot be sent is not kept.
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #take(message) {
    if (message.k === "hello") {
      this.viewer = message.viewer;
      this.iceServers = message.ice;
      this.#delayMs = FIRST_MS;
      this.#turn(true);
    }
    this.dispatchEvent(new CustomEvent(message.k, { detail: message }));
  }

  #closed() {
    if (this.up) this.#turn(false);
    setTimeout(() => this.open(), this.#delayMs * (0.5 + Math.random()));
    this.#delayMs = Math.min(this.#delayMs * 2, CEILING_MS);
  }

  #turn(up) {
    this.up = up;
    this.sinceMs = Date.now();
    this.dispatchEvent(new CustomEvent("turned", { detail: { up } }));
  }
}
