// An RTCPeerConnection without a network: the rules of its states, its events sent by the test.

export class FakePeerConnection {
  /** @type {FakePeerConnection[]} */
  static opened = [];

  static async generateCertificate() {
    return { expires: Infinity };
  }

  signalingState = "stable";
  connectionState = "new";
  /** @type {{type: string, sdp: string} | null} */
  localDescription = null;
  /** @type {{type: string, sdp: string} | null} */
  remoteDescription = null;
  receiver = { track: {}, jitterBufferTarget: /** @type {number | null} */ (null) };
  /** @type {Map<string, object>} */
  stats = new Map();
  /** @type {((event: {candidate: object | null}) => void) | null} */
  onicecandidate = null;
  /** @type {(() => void) | null} */
  onconnectionstatechange = null;

  /** @param {object} configuration */
  constructor(configuration) {
    this.configuration = configuration;
    FakePeerConnection.opened.push(this);
  }

  addTransceiver() {
    return { receiver: this.receiver };
  }

  async createOffer() {
    return { type: "offer", sdp: "v=0 offer" };
  }

  /** @param {{type: string, sdp: string}} description */
  async setLocalDescription(description) {
    this.localDescription = description;
    this.signalingState = "have-local-offer";
  }

  /** @param {{type: string, sdp: string}} description */
  async setRemoteDescription(description) {
    if (description.sdp === "") throw Object.assign(new Error("no SDP"), { name: "OperationError" });
    this.remoteDescription = description;
    this.signalingState = "stable";
  }

  async getStats() {
    return this.stats;
  }

  close() {
    this.signalingState = "closed";
    this.connectionState = "closed";
  }

  /** @param {string} state */
  turn(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  /** @param {string | null} candidate Null: there are no more. */
  gather(candidate) {
    this.onicecandidate?.({ candidate: candidate === null ? null : { candidate, sdpMid: "0" } });
  }

  /** @param {Record<string, number | string>} counters Of the received video. */
  count(counters) {
    this.stats = new Map(/** @type {[string, object][]} */ ([
      ["video", { type: "inbound-rtp", kind: "video", codecId: "codec", ...counters }],
      ["codec", { type: "codec", mimeType: "video/H264" }],
    ]));
  }
}
