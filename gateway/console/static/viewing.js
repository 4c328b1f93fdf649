// One session: a peer connection and its signalling, from offer to end; then it is thrown away.
// Nothing slow stands between the click and the offer: the certificate is made beforehand, the
// offer leaves without waiting for candidates, and they follow in batches.

const CANDIDATE_BATCH_MS = 50;
const SETUP_LIMIT_MS = 20_000;
const DISCONNECTED_LIMIT_MS = 5_000;

const sessions = new Map();
let certificate = null;

// Makes the certificate and wakes the browser's WebRTC threads up, so that no click pays for it.
export async function warmUp() {
  certificate = await RTCPeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256" });
  const spare = new RTCPeerConnection({ iceServers: [], certificates: [certificate] });
  spare.addTransceiver("video", { direction: "recvonly" });
  await spare.setLocalDescription(await spare.createOffer());
  spare.close();
}

export function listen(link) {
  for (const kind of ["answer", "cand", "bye", "error"]) {
    link.addEventListener(kind, ({ detail }) => sessions.get(detail.sid)?.heard(detail));
  }
}

function newSessionId() {
  const octets = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

export class Viewing {
  #link;
  #pc;
  #batch = [];
  #batchTimer = null;
  #deadline = null;
  #early = [];
  #ended = false;

  // `watcher` is told step(name), connected() and, once, ended({why, code, reason, ...}).
  constructor(link, gw, cam, watcher) {
    this.#link = link;
    this.gw = gw;
    this.cam = cam;
    this.watcher = watcher;
    this.viewer = link.viewer;
    this.sid = newSessionId();
    this.#pc = new RTCPeerConnection({
      iceServers: link.iceServers,
      bundlePolicy: "max-bundle",
      ...(certificate && { certificates: [certificate] }),
    });
    const { receiver } = this.#pc.addTransceiver("video", { direction: "recvonly" });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
    this.stream = new MediaStream([receiver.track]);
    sessions.set(this.sid, this);
  }

  // The server says bye for us when the WebSocket goes, so the session dies with its viewer id.
  get orphaned() {
    return this.viewer !== this.#link.viewer;
  }

  async open() {
    const pc = this.#pc;
    pc.onicecandidate = ({ candidate }) => this.#trickle(candidate);
    pc.onconnectionstatechange = () => this.#changed();
    this.#deadline = setTimeout(() => this.#finish({ why: "setup" }), SETUP_LIMIT_MS);
    try {
      await pc.setLocalDescription(await pc.createOffer());
    } catch (error) {
      if (!this.#ended) this.#finish({ why: `offer: ${error.name}` });
      return;
    }
    if (this.#ended) return;
    const sent = this.#link.send({
      k: "offer", sid: this.sid, gw: this.gw, cam: this.cam, sdp: pc.localDescription.sdp,
    });
    if (sent) this.watcher.step("stepRequest");
    else this.#finish({ why: "server" });
  }

  async heard(message) {
    if (message.k === "error") this.#finish({ ...message, why: "refused" });
    else if (message.k === "bye") this.#finish({ k: "bye", why: message.why });
    else if (message.k === "answer") await this.#answered(message.sdp);
    else await this.#addCandidates(message.c);
  }

  async #answered(sdp) {
    if (this.#pc.signalingState !== "have-local-offer") return;
    this.watcher.step("stepPath");
    try {
      await this.#pc.setRemoteDescription({ type: "answer", sdp });
      await this.#addCandidates(this.#early.splice(0));
    } catch (error) {
      this.#finish({ why: `answer: ${error.name}` });
    }
  }

  async #addCandidates(candidates) {
    if (!this.#pc.remoteDescription) {
      this.#early.push(...candidates);
      return;
    }
    for (const candidate of candidates) await this.#pc.addIceCandidate(candidate).catch(() => {});
  }

  #trickle(candidate) {
    if (candidate?.candidate) {
      this.#batch.push({ candidate: candidate.candidate, sdpMid: candidate.sdpMid });
      this.#batchTimer ??= setTimeout(() => this.#sendBatch(false), CANDIDATE_BATCH_MS);
    } else if (candidate === null) {
      this.#sendBatch(true);
    }
  }

  #sendBatch(end) {
    clearTimeout(this.#batchTimer);
    this.#batchTimer = null;
    if (this.#ended) return;
    this.#link.send({ k: "cand", sid: this.sid, c: this.#batch.splice(0), end });
  }

  #changed() {
    const state = this.#pc.connectionState;
    clearTimeout(this.#deadline);
    if (state === "connected") this.watcher.connected();
    else if (state === "failed") this.#finish({ why: "failed" });
    else if (state === "closed") this.#finish({ why: "closed" });
    else {
      const limit = state === "disconnected" ? DISCONNECTED_LIMIT_MS : SETUP_LIMIT_MS;
      this.#deadline = setTimeout(() => this.#finish({ why: state }), limit);
    }
  }

  async counts() {
    const inbound = { codec: null };
    const report = await this.#pc.getStats();
    for (const entry of report.values()) {
      if (entry.type !== "inbound-rtp" || entry.kind !== "video") continue;
      Object.assign(inbound, entry);
      inbound.codec = report.get(entry.codecId)?.mimeType?.replace("video/", "") ?? null;
    }
    return inbound;
  }

  // Ends the session from this side; the watcher is not told.
  close(why = "viewer") {
    if (this.#ended) return;
    this.#link.send({ k: "bye", sid: this.sid, why });
    this.#release();
  }

  #finish(ending) {
    if (this.#ended) return;
    const told = ending.why === "refused" || ending.k === "bye";
    if (!told) this.#link.send({ k: "bye", sid: this.sid, why: "viewer" });
    this.#release();
    this.watcher.ended(ending);
  }

  #release() {
    this.#ended = true;
    sessions.delete(this.sid);
    clearTimeout(this.#deadline);
    clearTimeout(this.#batchTimer);
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
  }
}
