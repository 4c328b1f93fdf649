// One picture on the wall: keeps a session for as long as it is open, begins a new one by itself
// when one dies, and never shows a picture that has stopped without saying so.

import { Viewing } from "./viewing.js";
import { agoText, has, nowMs, reason, say, spanText, timeText } from "./words.js";

const QUIET_MS = 3_000;
const QUIET_CEILING_MS = 4_500;
const QUIET_KNOWN_OFF_MS = 1_000;
const STUCK_MS = 15_000;
const STEADY_MS = 10_000;
const FIRST_PAUSE_MS = 1_000;
const PAUSE_CEILING_MS = 15_000;
const LIMIT_PAUSE_MS = 15_000;
const FINAL_CODES = new Set([400, 403, 404, 488]);
const FULL_CODES = new Set([486, 503]);
const BADGE = { live: "live", connecting: "connecting", refused: "badgeRefused", waiting: "badgeWaiting" };
const SAID_IN_TITLE = new Set(["OK", "IDLE", "CONNECTING", "STALLED"]);

let tiles = 0;

function make(tag, className, parent, attributes = {}) {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent?.append(node);
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export class Tile {
  #link;
  #sites;
  #viewing = null;
  #timer = null;
  #again = null;
  #againAt = null;
  #pauseMs = FIRST_PAUSE_MS;
  #liveSince = 0;
  #lastFrame = 0;
  #frameGap = 40;
  #lastFrameWall = null;
  #endedWall = null;
  #connectedAt = null;
  #epoch = null;
  #asker = null;
  #decoded = 0;
  #step = "stepRequest";
  #refusal = null;
  #polled = { bytes: 0, at: 0, decoded: 0, polling: false };
  #past = { frames_decoded: 0, frames_dropped: 0, packets_lost: 0, freeze_count: 0, freezes_duration_s: 0 };

  constructor(link, sites, gw, cam, clickedMs, wall) {
    this.#link = link;
    this.#sites = sites;
    this.wall = wall;
    this.id = `tile-${(tiles += 1)}`;
    this.gw = gw;
    this.cam = cam;
    this.measured = {
      clicked_ms: clickedMs, connected_ms: null, first_frame_ms: null,
      reconnects: 0, losses: 0, lost_at_ms: null, back_at_ms: null,
    };
    this.shown = { fps: 0, kbps: 0, codec: null, width: 0, height: 0 };
    this.firstFrame = new Promise((resolve) => { this.sawFirstFrame = resolve; });
    this.#build();
    this.#begin();
    this.#timer = setInterval(() => this.#tick(), 500);
  }

  get name() {
    return this.#sites.camera(this.gw, this.cam)?.name ?? this.cam;
  }

  get state() {
    return this.element.dataset.state;
  }

  #build() {
    const { gw, cam } = this;
    this.element = make("article", "tile", null, { id: this.id });
    Object.assign(this.element.dataset, { gw, cam, state: "connecting" });
    this.face = make("button", "face", this.element, { type: "button" });
    this.face.onclick = () => this.wall.enlarge(this);
    const screen = make("span", "screen", this.face);
    this.video = make("video", "picture", screen, { "aria-hidden": "true", tabindex: "-1", disablepictureinpicture: "" });
    Object.assign(this.video, { muted: true, autoplay: true, playsInline: true });
    this.still = make("canvas", "still", screen, { "aria-hidden": "true" });
    this.still.hidden = true;
    this.veil = make("div", "veil", make("div", "screen veiled", this.element));
    this.veilIcon = make("span", "veil-icon", this.veil, { "aria-hidden": "true" });
    this.veilTitle = make("p", "veil-title", this.veil, { role: "status" });
    this.veilFact = make("p", "veil-fact", this.veil);
    this.veilTodo = make("p", "veil-todo", this.veil);
    this.veilNext = make("p", "veil-next", this.veil);
    this.retryButton = make("button", "retry", this.veil, { type: "button" });
    this.retryButton.onclick = () => this.#renew();
    const head = make("header", "tile-head", this.element);
    this.badge = make("span", "badge", head);
    const title = make("h2", "tile-name", head);
    this.nameText = make("span", "tile-camera", title);
    this.placeText = make("span", "tile-place", title);
    this.figures = make("span", "figures", head);
    this.closeButton = make("button", "tile-close", head, { type: "button" });
    this.closeButton.append(document.createTextNode("✕"));
    this.closeButton.onclick = () => this.wall.close(this);
  }

  // --- sessions -------------------------------------------------------------------------

  #begin() {
    clearTimeout(this.#again);
    this.#again = this.#againAt = null;
    this.#refusal = null;
    this.#connectedAt = null;
    this.#epoch = this.#sites.site(this.gw)?.ep ?? null;
    this.#asker = this.#link.viewer;
    this.#decoded = 0;
    this.#polled = { bytes: 0, at: 0, decoded: 0, polling: false };
    this.#step = this.#link.up ? "stepRequest" : "stepBroker";
    const viewing = new Viewing(this.#link, this.gw, this.cam, {
      step: (name) => { this.#step = name; this.paint(); },
      connected: () => this.#connected(viewing),
      ended: (ending) => this.#ended(viewing, ending),
    });
    this.#viewing = viewing;
    this.video.srcObject = viewing.stream;
    this.video.play().catch(() => {});
    this.#watchFrames(viewing);
    if (this.state !== "lost") this.#turn("connecting");
    viewing.open();
    this.paint();
  }

  #connected(viewing) {
    if (viewing !== this.#viewing || this.#connectedAt !== null) return;
    const now = performance.now();
    this.#connectedAt = now;
    this.measured.connected_ms ??= now - this.measured.clicked_ms;
    this.#step = "stepFrame";
    this.paint();
  }

  #watchFrames(viewing) {
    if (!this.video.requestVideoFrameCallback) return;
    const next = () => {
      if (viewing !== this.#viewing) return;
      this.#connected(viewing); // a busy browser may show a frame before it tells the state
      this.#frame();
      this.video.requestVideoFrameCallback(next);
    };
    this.video.requestVideoFrameCallback(next);
  }

  #frame() {
    const now = performance.now();
    if (this.#lastFrame && this.state === "live") {
      this.#frameGap += (Math.min(now - this.#lastFrame, 2_000) - this.#frameGap) / 16;
    }
    this.#lastFrame = now;
    this.#lastFrameWall = nowMs();
    if (this.measured.first_frame_ms === null) {
      this.measured.first_frame_ms = now - this.measured.clicked_ms;
      this.sawFirstFrame({ tile: this.id, ...this.measured });
    }
    if (this.state !== "live") this.#live(now);
  }

  #live(now) {
    if (this.measured.losses > 0) this.measured.back_at_ms = now;
    this.#liveSince = now;
    this.still.hidden = true;
    this.#turn("live");
    this.paint();
  }

  #ended(viewing, ending) {
    if (viewing !== this.#viewing) return;
    this.#keepStill();
    this.#endedWall = nowMs();
    this.#remember();
    this.#viewing = null;
    if (FINAL_CODES.has(ending.code)) {
      this.#refusal = ending;
      this.#turn("refused");
    } else {
      this.#refusal = ending.code ? ending : null;
      this.#pause(FULL_CODES.has(ending.code));
    }
    this.paint();
  }

  #pause(full) {
    if (this.#liveSince && performance.now() - this.#liveSince > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS;
    this.#liveSince = 0;
    const pauseMs = (full ? LIMIT_PAUSE_MS : this.#pauseMs) * (0.7 + Math.random() * 0.6);
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_CEILING_MS);
    this.#schedule(pauseMs);
    this.#lose("waiting");
  }

  #schedule(pauseMs) {
    clearTimeout(this.#again);
    this.#againAt = performance.now() + pauseMs;
    this.#again = setTimeout(() => this.#renew(), pauseMs);
  }

  #renew() {
    if (!this.#link.up && !this.#viewing) {
      this.#schedule(FIRST_PAUSE_MS); // nobody to ask: not a try
      return;
    }
    if (this.#viewing) {
      this.#keepStill();
      this.#remember();
      const old = this.#viewing;
      this.#viewing = null;
      old.close();
    }
    this.measured.reconnects += 1;
    this.#begin();
  }

  // What this session has counted is added to the past ones, for a reconnect loses the counters.
  #remember() {
    for (const [name, count] of Object.entries(this.current ?? {})) {
      if (name in this.#past) this.#past[name] += count;
    }
    this.current = null;
  }

  // --- watching the picture -----------------------------------------------------------

  #tick() {
    this.#poll();
    if (this.#viewing) this.#judge();
    else if (this.#againAt !== null) this.#hurry();
    this.paint();
  }

  #judge() {
    const quietMs = performance.now() - (this.#lastFrame || this.#connectedAt || performance.now());
    if (this.state === "live" && quietMs > this.#patienceMs()) this.#lose("lost");
    if (this.state === "live" || this.#connectedAt === null) return;
    const site = this.#sites.site(this.gw);
    const camera = this.#sites.camera(this.gw, this.cam);
    const anew = this.#viewing.orphaned || (site?.st === "on" && this.#epoch !== null && site.ep !== this.#epoch);
    const stuck = quietMs > STUCK_MS && camera?.st === "on" && performance.now() - this.#connectedAt > STUCK_MS;
    if (quietMs > QUIET_MS && this.#link.up && (anew || stuck)) this.#renew();
  }

  #patienceMs() {
    const camera = this.#sites.camera(this.gw, this.cam);
    if (camera?.st === "off") return Math.max(QUIET_KNOWN_OFF_MS, this.#frameGap * 2.5);
    return Math.min(Math.max(QUIET_MS, this.#frameGap * 2.5), QUIET_CEILING_MS);
  }

  // The site or the server is back while we wait: do not sit the pause out.
  #hurry() {
    const site = this.#sites.site(this.gw);
    const siteBack = site?.st === "on" && site.ep !== this.#epoch;
    if (!this.#link.up || (!siteBack && this.#link.viewer === this.#asker)) return;
    this.#epoch = site?.ep ?? null;
    this.#asker = this.#link.viewer;
    if (this.#againAt - performance.now() > 1_500) this.#schedule(Math.random() * 1_000);
  }

  #lose(state) {
    if (this.state === "live") {
      this.measured.losses += 1;
      this.measured.lost_at_ms = performance.now();
      this.measured.back_at_ms = null;
    }
    this.#turn(state === "waiting" && this.#lastFrameWall !== null && !this.#refusal ? "lost" : state);
  }

  #turn(state) {
    this.element.dataset.state = state;
  }

  #keepStill() {
    const { video, still } = this;
    if (!video.videoWidth || video.readyState < 2) return;
    still.width = video.videoWidth;
    still.height = video.videoHeight;
    still.getContext("2d").drawImage(video, 0, 0);
    still.hidden = false;
  }

  async #poll() {
    const viewing = this.#viewing;
    const polled = this.#polled;
    const now = performance.now();
    if (!viewing || polled.polling || now - polled.at < 900) return;
    polled.polling = true;
    const inbound = await viewing.counts().finally(() => { polled.polling = false; });
    if (viewing !== this.#viewing) return;
    this.#learn(inbound, now);
  }

  #learn(inbound, now) {
    const polled = this.#polled;
    const decoded = inbound.framesDecoded ?? 0;
    const bytes = inbound.bytesReceived ?? 0;
    const elapsedS = (now - polled.at) / 1000;
    if (polled.at > 0 && elapsedS < 0.4) return this.#count(inbound);
    if (polled.at > 0) {
      this.shown.kbps = ((bytes - polled.bytes) * 8) / elapsedS / 1000;
      this.shown.fps = (decoded - polled.decoded) / elapsedS;
    }
    // A hidden page presents no frames; then what is decoded says that the picture runs.
    if (decoded > this.#decoded && (document.hidden || !this.video.requestVideoFrameCallback)) this.#frame();
    this.#decoded = decoded;
    Object.assign(polled, { at: now, bytes, decoded });
    Object.assign(this.shown, { codec: inbound.codec, width: inbound.frameWidth ?? 0, height: inbound.frameHeight ?? 0 });
    this.#count(inbound);
  }

  #count(inbound) {
    this.current = {
      frames_decoded: inbound.framesDecoded ?? 0,
      frames_dropped: inbound.framesDropped ?? 0,
      packets_lost: inbound.packetsLost ?? 0,
      freeze_count: inbound.freezeCount ?? 0,
      freezes_duration_s: inbound.totalFreezesDuration ?? 0,
    };
  }

  async stats() {
    if (this.#viewing) this.#learn(await this.#viewing.counts(), performance.now());
    const totals = {};
    for (const [name, past] of Object.entries(this.#past)) totals[name] = past + (this.current?.[name] ?? 0);
    return {
      tile: this.id, gw: this.gw, cam: this.cam, state: this.state, ...this.measured, ...totals, ...this.shown,
      refused_code: this.#refusal?.code ?? null, last_frame_ms: this.#lastFrame || null,
    };
  }

  // --- words ----------------------------------------------------------------------------

  paint() {
    const { name, state } = this;
    const camera = this.#sites.camera(this.gw, this.cam);
    const site = this.#sites.site(this.gw);
    put(this.nameText, name);
    put(this.placeText, [camera?.location, site?.name ?? this.gw].filter(Boolean).join(" · "));
    put(this.badge, say(BADGE[state] ?? (site?.st === "off" ? "siteOff" : "camOff")));
    put(this.figures, state === "live" ? this.#figures() : "");
    const enlarged = this.element.classList.contains("enlarged");
    this.face.setAttribute("aria-label", say(enlarged ? "shrink" : "enlarge", { name }));
    this.closeButton.setAttribute("aria-label", say("close", { name }));
    this.closeButton.title = say("close", { name });
    this.veil.hidden = state === "live";
    if (state !== "live") this.#paintVeil(site, camera);
  }

  #figures() {
    const { codec, width, height, fps, kbps } = this.shown;
    if (!codec) return "";
    const rate = kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mb/s` : `${Math.round(kbps)} kb/s`;
    return `${codec} · ${width}×${height} · ${Math.round(fps)} fps · ${rate}`;
  }

  #paintVeil(site, camera) {
    const { title, fact, todo } = this.#explain(site, camera);
    put(this.veilTitle, title);
    put(this.veilFact, fact);
    put(this.veilTodo, todo);
    put(this.veilNext, this.#next(camera));
    this.retryButton.hidden = this.#viewing !== null;
    put(this.retryButton, say("retry"));
  }

  #explain(site, camera) {
    if (this.#refusal) return this.#explainRefusal(site);
    const why = camera && !SAID_IN_TITLE.has(camera.reason) && camera.st !== "on" ? reason(camera.reason) : { fact: "", todo: "" };
    const stalled = camera?.reason === "STALLED" ? reason("STALLED").todo : "";
    if (this.#lastFrameWall !== null) {
      const title = site?.st === "off"
        ? say("offline", { time: timeText(site.since_ms) })
        : say(this.#viewing || !this.#endedWall ? "lost" : "ended", { time: timeText(this.#viewing ? this.#lastFrameWall : this.#endedWall) });
      return { title, fact: why.fact, todo: why.todo || stalled };
    }
    if (this.#viewing) {
      const waiting = this.#connectedAt !== null && performance.now() - this.#connectedAt > QUIET_MS;
      return { title: say(waiting ? "never" : "connecting"), fact: why.fact || say(this.#step), todo: why.todo };
    }
    return { title: site?.st === "off" ? say("offline", { time: timeText(site.since_ms) }) : say("refused"), fact: why.fact, todo: why.todo };
  }

  #explainRefusal(site) {
    const { code, reason: cause } = this.#refusal;
    if (site?.st === "off" && (code === 480 || code === 408)) {
      return { title: say("offline", { time: timeText(site.since_ms) }), ...reason("UPLINK_DOWN") };
    }
    const why = cause && !SAID_IN_TITLE.has(cause) ? reason(cause) : { fact: "", todo: "" };
    const own = has(`code${code}`) ? say(`code${code}`) : "";
    const todo = why.todo || (has(`code${code}todo`) ? say(`code${code}todo`) : "");
    return { title: say("refused"), fact: own || why.fact, todo };
  }

  #next(camera) {
    if (this.#againAt !== null) {
      const leftS = Math.ceil((this.#againAt - performance.now()) / 1000);
      return leftS > 0 ? say("retryIn", { span: spanText(leftS) }) : say("retryNow");
    }
    if (this.#viewing && camera?.again_ms && camera.st !== "on") {
      const leftS = Math.ceil((camera.again_ms - nowMs()) / 1000);
      const tries = camera.attempts ? `${say("attempts", { n: camera.attempts })} · ` : "";
      return tries + (leftS > 0 ? say("again", { span: spanText(leftS) }) : say("againNow"));
    }
    return this.state === "lost" && this.#lastFrameWall !== null ? agoText(this.#lastFrameWall) : "";
  }

  close() {
    clearInterval(this.#timer);
    clearTimeout(this.#again);
    const viewing = this.#viewing;
    this.#viewing = null;
    viewing?.close();
    this.video.srcObject = null;
    this.element.remove();
  }
}
