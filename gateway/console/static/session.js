// One WebRTC session: a peer connection and its signalling, from the offer to the end; then it is
// thrown away. Nothing slow stands between the click and the offer: the certificate is made
// beforehand, the offer leaves without waiting for candidates, and they follow in batches.

/** @import { CandidateText, Level, SignallingMessage } from "../messages.d.ts" */
/** @import { Connection } from "./connection.js" */

/** @typedef {{why: string, code?: number, reason?: string}} Ending `code` and `reason` if the gateway has refused. */
/** @typedef {"stepBroker" | "stepRequest" | "stepPath" | "stepFrame"} SetupStep What is awaited until there is a picture. */
/** @typedef {RTCInboundRtpStreamStats & {codec: string | null}} InboundStats */

/**
 * @typedef {object} SessionObserver
 * @property {(step: SetupStep) => void} onStep
 * @property {() => void} onConnected May come again after a disconnection.
 * @property {(level: Level, why: string | null) => void} onLevel Another stream is sent from now on, or less of it.
 * @property {(ending: Ending) => void} onEnded Once; not after `close`.
 */

const CANDIDATE_BATCH_MS = 50;
const SETUP_LIMIT_MS = 20_000;
const DISCONNECTED_LIMIT_MS = 5_000;

/** @type {Map<string, Session>} */
const sessions = new Map();
/** @type {RTCCertificate | null} */
let certificate = null;

export function webrtcSupported() {
  return typeof RTCPeerConnection === "function";
}

/** Makes the certificate and wakes the browser's WebRTC threads up, so that no click pays for it. */
export async function warmUp() {
  certificate = await RTCPeerConnection.generateCertificate(
    /** @type {EcKeyGenParams} */ ({ name: "ECDSA", namedCurve: "P-256" }),
  );
  const spare = new RTCPeerConnection({ iceServers: [], certificates: [certificate] });
  spare.addTransceiver("video", { direction: "recvonly" });
  await spare.setLocalDescription(await spare.createOffer());
  spare.close();
}

/**
 * Hands the server's signalling to the session it is for.
 * @param {Connection} connection
 */
export function routeSignalling(connection) {
  for (const kind of /** @type {const} */ (["answer", "bye", "error", "level"])) {
    connection.onMessage(kind, (message) => sessions.get(message.sid)?.receive(message));
  }
}

function newSessionId() {
  const octets = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

export class Session {
  #connection;
  #observer;
  #peer;
  /** @type {CandidateText[]} Ours that are not yet sent. */
  #batch = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #batchTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  #ended = false;

  /**
   * @param {Connection} connection
   * @param {{prov: string, gw: string}} site
   * @param {string} cam
   * @param {SessionObserver} observer
   */
  constructor(connection, site, cam, observer) {
    this.#connection = connection;
    this.#observer = observer;
    this.prov = site.prov;
    this.gw = site.gw;
    this.cam = cam;
    this.viewer = connection.viewer;
    this.id = newSessionId();
    this.#peer = new RTCPeerConnection({
      iceServers: [...connection.iceServers],
      bundlePolicy: "max-bundle",
      ...(certificate && { certificates: [certificate] }),
    });
    const { receiver } = this.#peer.addTransceiver("video", { direction: "recvonly" });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    else Object.assign(receiver, { playoutDelayHint: 0 }); // older Chromium
    this.stream = new MediaStream([receiver.track]);
    sessions.set(this.id, this);
  }

  /** Whether the viewer id it began under is gone: the server has then said bye for it. */
  get orphaned() {
    return this.viewer !== this.#connection.viewer;
  }

  /** Makes the offer and sends it. */
  async open() {
    const peer = this.#peer;
    peer.onicecandidate = ({ candidate }) => this.#queueCandidate(candidate);
    peer.onconnectionstatechange = () => this.#followState();
    this.#deadline = setTimeout(() => this.#abort({ why: "setup" }), SETUP_LIMIT_MS);
    try {
      await peer.setLocalDescription(await peer.createOffer());
    } catch (error) {
      if (!this.#ended) this.#abort({ why: `offer: ${errorName(error)}` });
      return;
    }
    if (this.#ended) return;
    const sdp = peer.localDescription?.sdp ?? "";
    const sent = this.#connection.send({ k: "offer", sid: this.id, prov: this.prov, gw: this.gw, cam: this.cam, sdp });
    if (sent) this.#observer.onStep("stepRequest");
    else this.#abort({ why: "server" });
  }

  /** @param {SignallingMessage} message Of this session. */
  async receive(message) {
    if (message.k === "error") this.#finish({ why: "refused", code: message.code, reason: message.reason });
    else if (message.k === "bye") this.#finish({ why: message.why });
    else if (message.k === "level") this.#observer.onLevel(message.level, message.why);
    else await this.#acceptAnswer(message.sdp);
  }

  /** @param {string} sdp */
  async #acceptAnswer(sdp) {
    if (this.#peer.signalingState !== "have-local-offer") return;
    this.#observer.onStep("stepPath");
    try {
      await this.#peer.setRemoteDescription({ type: "answer", sdp });
    } catch (error) {
      this.#abort({ why: `answer: ${errorName(error)}` });
    }
  }

  /** @param {RTCIceCandidate | null} candidate Null: there are no more. */
  #queueCandidate(candidate) {
    if (candidate?.candidate) {
      this.#batch.push({ candidate: candidate.candidate, sdpMid: candidate.sdpMid });
      this.#batchTimer ??= setTimeout(() => this.#sendBatch(false), CANDIDATE_BATCH_MS);
    } else if (candidate === null) {
      this.#sendBatch(true);
    }
  }

  /** @param {boolean} end */
  #sendBatch(end) {
    clearTimeout(this.#batchTimer);
    this.#batchTimer = undefined;
    if (this.#ended) return;
    this.#connection.send({ k: "cand", sid: this.id, c: this.#batch.splice(0), end });
  }

  #followState() {
    const state = this.#peer.connectionState;
    clearTimeout(this.#deadline);
    if (state === "connected") this.#observer.onConnected();
    else if (state === "failed" || state === "closed") this.#abort({ why: state });
    else {
      const limitMs = state === "disconnected" ? DISCONNECTED_LIMIT_MS : SETUP_LIMIT_MS;
      this.#deadline = setTimeout(() => this.#abort({ why: state }), limitMs);
    }
  }

  /**
   * Returns the browser's counters of the received video.
   * @returns {Promise<Partial<InboundStats>>}
   */
  async inboundStats() {
    /** @type {Partial<InboundStats>} */
    const inbound = { codec: null };
    const report = await this.#peer.getStats();
    report.forEach((entry) => {
      if (entry.type !== "inbound-rtp" || entry.kind !== "video") return;
      Object.assign(inbound, entry);
      const codec = entry.codecId === undefined ? undefined : report.get(entry.codecId);
      inbound.codec = codec?.mimeType?.replace("video/", "") ?? null;
    });
    return inbound;
  }

  /**
   * Ends the session from this side; the observer is not told.
   * @param {string} [why]
   */
  close(why = "viewer") {
    if (this.#ended) return;
    this.#connection.send({ k: "bye", sid: this.id, why });
    this.#release();
  }

  /**
   * Ends the session because of something seen here, which the gateway has to be told.
   * @param {Ending} ending
   */
  #abort(ending) {
    if (this.#ended) return;
    this.#connection.send({ k: "bye", sid: this.id, why: "viewer" });
    this.#finish(ending);
  }

  /** @param {Ending} ending */
  #finish(ending) {
    if (this.#ended) return;
    this.#release();
    this.#observer.onEnded(ending);
  }

  #release() {
    this.#ended = true;
    sessions.delete(this.id);
    clearTimeout(this.#deadline);
    clearTimeout(this.#batchTimer);
    this.#peer.onconnectionstatechange = null;
    this.#peer.close();
  }
}

/** @param {unknown} error */
function errorName(error) {
  return error instanceof Error ? error.name : String(error);
}
