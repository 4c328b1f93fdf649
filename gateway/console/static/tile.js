// One tile of the video wall: keeps a session for as long as it is open, begins a new one by itself
// when one ends, and never shows a picture that has stopped without saying so.

import { Backoff } from "./backoff.js";
import { createElement, setText } from "./dom.js";
import { translate } from "./i18n.js";
import { serverNowMs } from "./server-clock.js";
import { Session, webrtcSupported } from "./session.js";
import { StreamStats } from "./stream-stats.js";
import { badgeText, explainLevel, explainNoPicture, figuresText, levelText, nextAttemptText } from "./tile-text.js";

/** @import { CameraView, Level } from "../messages.d.ts" */
/** @import { Connection } from "./connection.js" */
/** @import { Ending, SetupStep } from "./session.js" */
/** @import { Site, SiteStore } from "./site-store.js" */
/** @import { TileState, TileStatus } from "./tile-text.js" */

/**
 * @typedef {object} TileOwner
 * @property {(tile: Tile) => void} enlarge
 * @property {(tile: Tile) => void} close
 */

const TICK_MS = 500;
const STATS_EVERY_MS = 900;
const QUIET_MS = 3_000;
const QUIET_CEILING_MS = 4_500;
const QUIET_KEYFRAMES_MS = 15_000;
const QUIET_KNOWN_OFF_MS = 1_000;
const STUCK_MS = 15_000;
const STEADY_MS = 10_000;
const FIRST_RETRY_MS = 1_000;
const RETRY_CEILING_MS = 15_000;
const RETRY_JITTER = 0.3;
const FULL_RETRY_MS = 15_000;
const PROMPT_RETRY_MS = 1_000;
const LONG_WAIT_MS = 1_500;
const LONGEST_FRAME_GAP_MS = 2_000;

/** Asking again will not help. Numbers as in SIP: bad request, forbidden, not found, not acceptable here. */
const FINAL_CODES = new Set([400, 403, 404, 488]);
/** Too many viewers, or something that the site has none left of. */
const FULL_CODES = new Set([486, 503]);

let opened = 0;

export class Tile {
  #connection;
  #store;
  #owner;
  /** @type {Session | null} */
  #session = null;
  #ticker;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {number | null} */
  #retryAtMs = null;
  #backoff = new Backoff(FIRST_RETRY_MS, RETRY_CEILING_MS, RETRY_JITTER);
  /** @type {SetupStep} */
  #step = "stepRequest";
  /** @type {number | null} When this session has connected. */
  #connectedAtMs = null;
  /** @type {number | null} The gateway's epoch when this session began; another one: it has connected anew. */
  #epoch = null;
  /** @type {string | undefined} The camera's state when it was last looked at while we wait. */
  #cameraState;
  /** @type {string | null} Our viewer id when this session began. */
  #viewer = null;
  /** @type {Ending | null} */
  #refusal = null;
  #liveSinceMs = 0;
  #lastFrameMs = 0;
  #frameGapMs = 40;
  /** @type {number | null} By the server's clock. */
  #lastFrameServerMs = null;
  /** @type {number | null} By the server's clock. */
  #endedServerMs = null;
  #stats = new StreamStats();
  /** @type {Level} What the gateway sends. */
  #level = "main";
  /** @type {string | null} Reason code of why. */
  #levelReason = null;
  /** @type {Session | null} Whose counters are being read. */
  #readingStats = null;

  /** Page time of what happened, for stats(); see docs/console.md. */
  #measured;
  /** @type {(measured: object) => void} */
  #resolveFirstFrame = () => {};
  /** @type {Promise<object>} */
  firstFrame = new Promise((resolve) => { this.#resolveFirstFrame = resolve; });

  /**
   * @param {Connection} connection
   * @param {SiteStore} store
   * @param {string} site Its key, `24/bacninh-01`.
   * @param {string} cam
   * @param {number} clickedMs Page time of the click.
   * @param {TileOwner} owner
   */
  constructor(connection, store, site, cam, clickedMs, owner) {
    this.#connection = connection;
    this.#store = store;
    this.#owner = owner;
    this.id = `tile-${(opened += 1)}`;
    this.site = site;
    const [prov = "", gw = ""] = site.split("/");
    this.prov = prov;
    this.gw = gw;
    this.cam = cam;
    this.#measured = {
      clicked_ms: clickedMs,
      connected_ms: /** @type {number | null} */ (null),
      first_frame_ms: /** @type {number | null} */ (null),
      reconnects: 0,
      losses: 0,
      lost_at_ms: /** @type {number | null} */ (null),
      back_at_ms: /** @type {number | null} */ (null),
    };

    this.element = createElement("article", "tile", null, { id: this.id, "data-prov": prov, "data-gw": gw, "data-cam": cam, "data-state": "connecting" });
    this.face = createElement("button", "face", this.element, { type: "button" });
    this.face.onclick = () => this.#owner.enlarge(this);
    const screen = createElement("span", "screen", this.face);
    this.video = createElement("video", "picture", screen, { "aria-hidden": "true", tabindex: "-1", disablepictureinpicture: "" });
    Object.assign(this.video, { muted: true, autoplay: true, playsInline: true });
    this.lastFrame = createElement("canvas", "last-frame", screen, { "aria-hidden": "true" });
    this.lastFrame.hidden = true;

    this.overlay = createElement("div", "overlay", createElement("div", "screen overlaid", this.element));
    createElement("span", "overlay-icon", this.overlay, { "aria-hidden": "true" });
    this.overlayTitle = createElement("p", "overlay-title", this.overlay, { role: "status" });
    this.overlayFact = createElement("p", "overlay-fact", this.overlay);
    this.overlayTodo = createElement("p", "overlay-todo", this.overlay);
    this.overlayNext = createElement("p", "overlay-next", this.overlay);
    this.retryButton = createElement("button", "retry", this.overlay, { type: "button" });
    this.retryButton.onclick = () => this.#restart();

    const head = createElement("header", "tile-head", this.element);
    const tags = createElement("span", "tags", head);
    this.badge = createElement("span", "badge", tags);
    this.levelText = createElement("span", "level", tags);
    const title = createElement("h2", "tile-name", head);
    this.nameText = createElement("span", "tile-camera", title);
    this.placeText = createElement("span", "tile-place", title);
    this.figures = createElement("span", "figures", head);
    this.closeButton = createElement("button", "tile-close", head, { type: "button" });
    this.closeButton.append("✕");
    this.closeButton.onclick = () => this.#owner.close(this);

    this.#begin();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  get name() {
    return this.#camera?.name ?? this.cam;
  }

  get state() {
    return /** @type {TileState} */ (this.element.dataset.state);
  }

  get #site() {
    return this.#store.site(this.site);
  }

  get #camera() {
    return this.#store.camera(this.site, this.cam);
  }

  // --- sessions -------------------------------------------------------------------------

  #begin() {
    clearTimeout(this.#retryTimer);
    this.#retryAtMs = null;
    this.#refusal = null;
    this.#connectedAtMs = null;
    this.#level = "main";
    this.#levelReason = null;
    this.#epoch = this.#site?.ep ?? null;
    this.#viewer = this.#connection.viewer;
    this.#step = this.#connection.up ? "stepRequest" : "stepBroker";
    const session = this.#createSession();
    if (!session) return;
    this.#session = session;
    this.video.srcObject = session.stream;
    this.video.play().catch(() => {});
    this.#watchFrames(session);
    if (this.state !== "lost") this.#setState("connecting");
    session.open();
    this.render();
  }

  /** Returns a session; null if the browser cannot, which the tile then says. */
  #createSession() {
    try {
      /** @type {Session} */
      const session = new Session(this.#connection, this, this.cam, {
        onStep: (step) => {
          this.#step = step;
          this.render();
        },
        onConnected: () => this.#onConnected(session),
        onLevel: (level, why) => this.#onLevel(session, level, why),
        onEnded: (ending) => this.#onEnded(session, ending),
      });
      return session;
    } catch (error) {
      console.error(error);
      this.#refusal = { why: "webrtc" };
      if (webrtcSupported()) this.#retryLater(true);
      else this.#setState("refused");
      this.render();
      return null;
    }
  }

  /** @param {Session} session */
  #onConnected(session) {
    if (session !== this.#session || this.#connectedAtMs !== null) return;
    const nowMs = performance.now();
    this.#connectedAtMs = nowMs;
    this.#measured.connected_ms ??= nowMs - this.#measured.clicked_ms;
    this.#step = "stepFrame";
    this.render();
  }

  /**
   * @param {Session} session
   * @param {Level} level
   * @param {string | null} why
   */
  #onLevel(session, level, why) {
    if (session !== this.#session) return;
    this.#level = level;
    this.#levelReason = why;
    this.render();
  }

  /**
   * @param {Session} session
   * @param {Ending} ending
   */
  #onEnded(session, ending) {
    if (session !== this.#session) return;
    this.#keepLastFrame();
    this.#endedServerMs = serverNowMs();
    this.#stats.endSession();
    this.#session = null;
    this.#refusal = ending.code === undefined ? null : ending;
    this.#cameraState = this.#camera?.st;
    if (ending.code !== undefined && FINAL_CODES.has(ending.code)) this.#setState("refused");
    else this.#retryLater(ending.code !== undefined && FULL_CODES.has(ending.code));
    this.render();
  }

  /** @param {boolean} full Whether the site has no room for another viewer. */
  #retryLater(full) {
    if (this.#liveSinceMs && performance.now() - this.#liveSinceMs > STEADY_MS) this.#backoff.reset();
    this.#liveSinceMs = 0;
    this.#scheduleRetry(full ? this.#backoff.nextMs(FULL_RETRY_MS) : this.#backoff.nextMs());
    this.#lose("waiting");
  }

  /** @param {number} delayMs */
  #scheduleRetry(delayMs) {
    clearTimeout(this.#retryTimer);
    this.#retryAtMs = performance.now() + delayMs;
    this.#retryTimer = setTimeout(() => this.#restart(), delayMs);
  }

  #restart() {
    if (!this.#connection.up && !this.#session) {
      this.#scheduleRetry(FIRST_RETRY_MS); // nobody to ask: not an attempt
      return;
    }
    if (this.#session) {
      this.#keepLastFrame();
      this.#stats.endSession();
      const old = this.#session;
      this.#session = null;
      old.close();
    }
    this.#measured.reconnects += 1;
    this.#begin();
  }

  close() {
    clearInterval(this.#ticker);
    clearTimeout(this.#retryTimer);
    const session = this.#session;
    this.#session = null;
    session?.close();
    this.video.srcObject = null;
    this.element.remove();
  }

  // --- pictures -------------------------------------------------------------------------

  /** @param {Session} session */
  #watchFrames(session) {
    if (!this.video.requestVideoFrameCallback) return;
    const next = () => {
      if (session !== this.#session) return;
      this.#onConnected(session); // a busy browser may show a frame before it tells the state
      this.#onFrame();
      this.video.requestVideoFrameCallback(next);
    };
    this.video.requestVideoFrameCallback(next);
  }

  #onFrame() {
    const nowMs = performance.now();
    if (this.#lastFrameMs && this.state === "live") {
      this.#frameGapMs += (Math.min(nowMs - this.#lastFrameMs, LONGEST_FRAME_GAP_MS) - this.#frameGapMs) / 16;
    }
    this.#lastFrameMs = nowMs;
    this.#lastFrameServerMs = serverNowMs();
    if (this.#measured.first_frame_ms === null) {
      this.#measured.first_frame_ms = nowMs - this.#measured.clicked_ms;
      this.#resolveFirstFrame({ tile: this.id, ...this.#measured });
    }
    if (this.state !== "live") this.#goLive(nowMs);
  }

  /** @param {number} nowMs */
  #goLive(nowMs) {
    if (this.#measured.losses > 0) this.#measured.back_at_ms = nowMs;
    this.#liveSinceMs = nowMs;
    this.lastFrame.hidden = true;
    this.#setState("live");
    this.render();
  }

  #tick() {
    this.#pollStats();
    if (this.#session) this.#checkPicture(this.#session);
    else if (this.#retryAtMs !== null) this.#retrySoonerIfBack(this.#retryAtMs);
    this.render();
  }

  /** @param {Session} session */
  #checkPicture(session) {
    const nowMs = performance.now();
    const quietMs = nowMs - (this.#lastFrameMs || this.#connectedAtMs || nowMs);
    if (this.state === "live" && quietMs > this.#quietLimitMs()) this.#lose("lost");
    if (this.state === "live" || this.#connectedAtMs === null) return;
    const site = this.#site;
    const reconnected = session.orphaned || (site?.st === "on" && this.#epoch !== null && site.ep !== this.#epoch);
    const stuck = this.#camera?.st === "on" && quietMs > STUCK_MS && nowMs - this.#connectedAtMs > STUCK_MS;
    if (quietMs > QUIET_MS && this.#connection.up && (reconnected || stuck)) this.#restart();
  }

  /** How long a live picture may stand still before it counts as lost. */
  #quietLimitMs() {
    if (this.#level === "keyframes") return QUIET_KEYFRAMES_MS;
    const usualMs = this.#frameGapMs * 2.5;
    if (this.#camera?.st === "off") return Math.max(QUIET_KNOWN_OFF_MS, usualMs);
    return Math.min(Math.max(QUIET_MS, usualMs), QUIET_CEILING_MS);
  }

  /**
   * The site, the camera or the server is back while we wait: the rest of the pause is not sat out.
   * @param {number} retryAtMs
   */
  #retrySoonerIfBack(retryAtMs) {
    const site = this.#site;
    const siteBack = site?.st === "on" && site.ep !== this.#epoch;
    const serverBack = this.#connection.viewer !== this.#viewer;
    const cameraState = this.#camera?.st;
    const cameraBack = cameraState === "on" && this.#cameraState !== "on";
    if (!this.#connection.up) return;
    this.#cameraState = cameraState;
    if (!siteBack && !serverBack && !cameraBack) return;
    this.#epoch = site?.ep ?? null;
    this.#viewer = this.#connection.viewer;
    if (retryAtMs - performance.now() > LONG_WAIT_MS) this.#scheduleRetry(Math.random() * PROMPT_RETRY_MS);
  }

  /** @param {"lost" | "waiting"} state */
  #lose(state) {
    if (this.state === "live") {
      this.#measured.losses += 1;
      this.#measured.lost_at_ms = performance.now();
      this.#measured.back_at_ms = null;
    }
    this.#setState(this.#lastFrameServerMs !== null && !this.#refusal ? "lost" : state);
  }

  /** @param {TileState} state */
  #setState(state) {
    this.element.dataset.state = state;
  }

  /** The video goes black when its session ends; the canvas over it keeps what was last seen. */
  #keepLastFrame() {
    const { video, lastFrame } = this;
    if (!video.videoWidth || video.readyState < 2) return;
    lastFrame.width = video.videoWidth;
    lastFrame.height = video.videoHeight;
    lastFrame.getContext("2d")?.drawImage(video, 0, 0);
    lastFrame.hidden = false;
  }

  // --- figures --------------------------------------------------------------------------

  async #pollStats() {
    const session = this.#session;
    if (!session || this.#readingStats === session || this.#stats.ageMs(performance.now()) < STATS_EVERY_MS) return;
    this.#readingStats = session;
    await this.#readStats(session).finally(() => {
      if (this.#readingStats === session) this.#readingStats = null;
    });
  }

  /** @param {Session} session */
  async #readStats(session) {
    const nowMs = performance.now();
    const inbound = await session.inboundStats();
    if (session !== this.#session) return;
    const decoding = this.#stats.update(inbound, nowMs);
    // A hidden page presents no frames; then what is decoded says that the picture runs.
    if (decoding && (document.hidden || !this.video.requestVideoFrameCallback)) this.#onFrame();
  }

  /** Returns what docs/console.md promises to automatic checks. */
  async stats() {
    if (this.#session) await this.#readStats(this.#session);
    return {
      tile: this.id,
      prov: this.prov,
      gw: this.gw,
      cam: this.cam,
      state: this.state,
      ...this.#measured,
      ...this.#stats.totals(),
      ...this.#stats.shown,
      level: this.#level,
      refused_code: this.#refusal?.code ?? null,
      last_frame_ms: this.#lastFrameMs || null,
    };
  }

  // --- what is shown --------------------------------------------------------------------

  render() {
    const { name, state } = this;
    const site = this.#site;
    const camera = this.#camera;
    setText(this.nameText, name);
    setText(this.placeText, [camera?.location, site?.name ?? this.gw].filter(Boolean).join(" · "));
    setText(this.badge, badgeText(state, site));
    setText(this.figures, state === "live" ? figuresText(this.#stats.shown) : "");
    setText(this.levelText, state === "live" ? levelText(this.#level) : "");
    this.levelText.title = state === "live" ? explainLevel(this.#level, this.#levelReason) : "";
    const enlarged = this.element.classList.contains("enlarged");
    this.face.setAttribute("aria-label", translate(enlarged ? "shrink" : "enlarge", { name }));
    this.closeButton.setAttribute("aria-label", translate("close", { name }));
    this.closeButton.title = translate("close", { name });
    this.overlay.hidden = state === "live";
    if (state !== "live") this.#renderOverlay(site, camera);
  }

  /**
   * @param {Site | undefined} site
   * @param {CameraView | undefined} camera
   */
  #renderOverlay(site, camera) {
    const status = this.#status();
    const { title, fact, todo } = explainNoPicture(status, site, camera);
    setText(this.overlayTitle, title);
    setText(this.overlayFact, fact);
    setText(this.overlayTodo, todo);
    setText(this.overlayNext, nextAttemptText(status, camera));
    this.retryButton.hidden = this.#session !== null && !(this.state === "lost" && this.#connection.up);
    setText(this.retryButton, translate("retry"));
  }

  /** @returns {TileStatus} */
  #status() {
    const nowMs = performance.now();
    return {
      state: this.state,
      inSession: this.#session !== null,
      step: this.#step,
      overdue: this.#connectedAtMs !== null && nowMs - this.#connectedAtMs > QUIET_MS,
      lastFrameMs: this.#lastFrameServerMs,
      endedMs: this.#endedServerMs,
      refusal: this.#refusal,
      retryInMs: this.#retryAtMs === null ? null : this.#retryAtMs - nowMs,
    };
  }
}
