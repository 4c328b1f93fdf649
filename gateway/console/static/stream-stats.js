// Figures of one tile's video: rates from two readings of the browser's counters, and sums over all
// sessions of the tile, since each session counts from nought.

/** @import { InboundStats } from "./session.js" */

/**
 * @typedef {object} Totals As in the W3C statistics (RTCInboundRtpStreamStats).
 * @property {number} frames_decoded
 * @property {number} frames_dropped
 * @property {number} packets_lost
 * @property {number} freeze_count
 * @property {number} freezes_duration_s
 */

const SHORTEST_INTERVAL_S = 0.4;
const NOTHING = Object.freeze({ frames_decoded: 0, frames_dropped: 0, packets_lost: 0, freeze_count: 0, freezes_duration_s: 0 });

export class StreamStats {
  /** @type {{fps: number, kbps: number, codec: string | null, width: number, height: number}} */
  shown = { fps: 0, kbps: 0, codec: null, width: 0, height: 0 };
  /** @type {{atMs: number, bytes: number, decoded: number} | null} The reading that rates are reckoned from. */
  #reading = null;
  /** @type {Totals} Of the sessions that are over. */
  #past = NOTHING;
  /** @type {Totals} Of the session that runs. */
  #current = NOTHING;

  /**
   * Takes a reading; returns whether pictures have been decoded since the one before.
   * @param {Partial<InboundStats>} inbound
   * @param {number} nowMs Monotonic.
   */
  update(inbound, nowMs) {
    this.#current = totalsOf(inbound);
    const { codec = null, frameWidth: width = 0, frameHeight: height = 0 } = inbound;
    Object.assign(this.shown, { codec, width, height });
    const decoded = inbound.framesDecoded ?? 0;
    const bytes = inbound.bytesReceived ?? 0;
    const before = this.#reading;
    if (before) {
      const elapsedS = (nowMs - before.atMs) / 1000;
      if (elapsedS < SHORTEST_INTERVAL_S) return false;
      this.shown.kbps = ((bytes - before.bytes) * 8) / elapsedS / 1000;
      this.shown.fps = (decoded - before.decoded) / elapsedS;
    }
    this.#reading = { atMs: nowMs, bytes, decoded };
    return decoded > (before?.decoded ?? 0);
  }

  /**
   * Returns the age of the last reading in this session; infinite if there is none.
   * @param {number} nowMs Monotonic.
   */
  ageMs(nowMs) {
    return this.#reading ? nowMs - this.#reading.atMs : Infinity;
  }

  /** The session is over: what it has counted is kept, and the next one counts from nought. */
  endSession() {
    this.#past = this.totals();
    this.#current = NOTHING;
    this.#reading = null;
  }

  /** @returns {Totals} */
  totals() {
    const [past, current] = [this.#past, this.#current];
    return {
      frames_decoded: past.frames_decoded + current.frames_decoded,
      frames_dropped: past.frames_dropped + current.frames_dropped,
      packets_lost: past.packets_lost + current.packets_lost,
      freeze_count: past.freeze_count + current.freeze_count,
      freezes_duration_s: past.freezes_duration_s + current.freezes_duration_s,
    };
  }
}

/**
 * @param {Partial<InboundStats>} inbound
 * @returns {Totals}
 */
function totalsOf(inbound) {
  return {
    frames_decoded: inbound.framesDecoded ?? 0,
    frames_dropped: inbound.framesDropped ?? 0,
    packets_lost: inbound.packetsLost ?? 0,
    freeze_count: inbound.freezeCount ?? 0,
    freezes_duration_s: inbound.totalFreezesDuration ?? 0,
  };
}
