// A WebSocket whose other end is the test.

/** @import { ServerMessages } from "../../../gateway/console/messages.d.ts" */

export class FakeWebSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 3;
  /** @type {FakeWebSocket[]} */
  static opened = [];

  readyState = FakeWebSocket.CONNECTING;
  /** @type {any[]} What the page has sent. */
  sent = [];
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = () => {};
  /** @type {(() => void) | null} */
  onclose = () => {};
  closed = 0;

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeWebSocket.opened.push(this);
  }

  /** @param {string} text */
  send(text) {
    if (this.readyState !== FakeWebSocket.OPEN) throw new Error("InvalidStateError");
    this.sent.push(JSON.parse(text));
  }

  accept() {
    this.readyState = FakeWebSocket.OPEN;
  }

  /** @param {ServerMessages[keyof ServerMessages]} message */
  deliver(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  drop() {
    this.readyState = FakeWebSocket.CLOSED;
    this.onclose?.();
  }

  /** As over a dead line: the other end does not answer, and nothing is told. */
  close() {
    this.closed += 1;
  }

  /** @param {string} kind */
  sentOf(kind) {
    return this.sent.filter(({ k }) => k === kind);
  }
}
