// The page: puts its parts together, keeps the header up to date, handles the keys, and offers
// window.cameraGateway to automatic checks.

import { Backoff } from "./backoff.js";
import { Connection } from "./connection.js";
import { elementById, setData, setHidden, setText } from "./dom.js";
import { attempt } from "./faults.js";
import { currentLanguage, setLanguage, setReasonTexts, translate, translateDocument } from "./i18n.js";
import { Notices } from "./notices.js";
import { serverNowMs, setServerTime } from "./server-clock.js";
import { routeSignalling, warmUp, webrtcSupported } from "./session.js";
import { SiteList } from "./site-list.js";
import { SiteStore } from "./site-store.js";
import { settings, tabMemory } from "./storage.js";
import { dateTimeText, timeText } from "./time-text.js";
import { VideoWall } from "./video-wall.js";

const THEME_KEY = "camera-gateway.theme";
const WALL_MODE_KEY = "camera-gateway.wall-mode";
const TILES_KEY = "camera-gateway.tiles";
const BANNER_AFTER_MS = 1_500;
const TICK_MS = 1_000;
const WARM_UP_LIMIT_MS = 2_000;
const WORDING_RETRY_MS = 1_000;
const WORDING_CEILING_MS = 15_000;
const WORDING_JITTER = 0.3;
const WORDING_LIMIT_MS = 10_000;

const root = document.documentElement;
const brokerState = elementById("broker", HTMLElement);
const banner = elementById("banner", HTMLElement);
const clock = elementById("clock", HTMLTimeElement);
const search = elementById("search", HTMLInputElement);
const themeButton = elementById("theme", HTMLButtonElement);
const languageButton = elementById("language", HTMLButtonElement);
const wallModeButton = elementById("wall-mode", HTMLButtonElement);

const notices = new Notices(elementById("notices", HTMLElement));
const connection = new Connection();
const store = new SiteStore();
const wall = new VideoWall(connection, store, elementById("wall", HTMLElement), elementById("layouts", HTMLElement));
const list = new SiteList(store, wall, {
  list: elementById("site-list", HTMLElement),
  search,
  filters: elementById("filters", HTMLElement),
  summary: elementById("summary", HTMLElement),
});
/** @type {{up: boolean | null, since_ms: number | null}} Null until the server has told. */
let broker = { up: null, since_ms: null };

// --- server and broker ------------------------------------------------------------------

connection.onMessage("hello", ({ now_ms, documents }) => {
  setServerTime(now_ms);
  elementById("documents", HTMLAnchorElement).hidden = !documents;
});
connection.onMessage("tick", ({ now_ms }) => setServerTime(now_ms));
connection.onMessage("sites", (message) => {
  store.apply(message);
  reopenTiles();
});
connection.onMessage("broker", ({ up, since_ms }) => {
  broker = { up, since_ms };
  renderHeader();
});
connection.addEventListener("statechange", () => renderConnection());
routeSignalling(connection);

/** Grey, all that the server has told, when it has been silent for too long to be believed. */
function renderConnection() {
  if (root.hasAttribute("data-stale") !== connection.silent) root.toggleAttribute("data-stale");
  renderHeader();
}

function renderHeader() {
  const time = timeText(connection.up ? broker.since_ms : connection.sinceMs);
  const state = !connection.up || broker.up === null ? "unk" : broker.up ? "on" : "off";
  setData(brokerState, "state", state);
  setText(brokerState, {
    unk: translate("brokerUnknown"),
    on: translate("brokerUp"),
    off: translate("brokerDown", { time }),
  }[state]);
  const text = bannerText(time);
  setHidden(banner, text === "");
  setText(banner, text);
}

/** @param {string} time Since when. */
function bannerText(time) {
  if (connection.up) return broker.up === false ? translate("brokerBanner", { time }) : "";
  return Date.now() - connection.sinceMs < BANNER_AFTER_MS ? "" : translate("serverDown", { time });
}

// What was open in this tab opens again after a reload, as soon as its site is known.
/** @type {[site: string, cam: string][]} */
let tilesToReopen = rememberedTiles();

/** @returns {[site: string, cam: string][]} */
function rememberedTiles() {
  const stored = tabMemory.get(TILES_KEY);
  if (stored === null) return [];
  try {
    const tiles = JSON.parse(stored);
    const sound = Array.isArray(tiles) && tiles.every((tile) => Array.isArray(tile) && tile.length === 2 && tile.every((part) => typeof part === "string"));
    if (sound) return /** @type {[string, string][]} */ (tiles);
  } catch {
    // told below
  }
  tabMemory.set(TILES_KEY, "[]");
  notices.show("noticeTiles");
  return [];
}

function reopenTiles() {
  const known = tilesToReopen.filter(([site, cam]) => store.camera(site, cam));
  tilesToReopen = tilesToReopen.filter((tile) => !known.includes(tile));
  if (known.length > 0) wall.watchAll([...wall.cameras, ...known.map(([site, cam]) => ({ site, cam }))]);
}

wall.addEventListener("change", () => {
  const open = wall.cameras.map(({ site, cam }) => [site, cam]);
  tabMemory.set(TILES_KEY, JSON.stringify([...open, ...tilesToReopen]));
});

// --- language, theme, wall mode ---------------------------------------------------------

function currentTheme() {
  return root.dataset.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
}

function otherTheme() {
  return currentTheme() === "dark" ? "light" : "dark";
}

function otherLanguage() {
  return currentLanguage() === "vi" ? "en" : "vi";
}

function renderAll() {
  translateDocument();
  document.title = translate("title");
  languageButton.textContent = translate("otherLanguage");
  languageButton.lang = otherLanguage();
  themeButton.textContent = translate(otherTheme());
  themeButton.setAttribute("aria-label", translate("themeHint"));
  renderHeader();
  list.render();
  wall.render();
  notices.render();
}

/** @param {string} theme */
function setTheme(theme) {
  root.dataset.theme = theme;
  settings.set(THEME_KEY, theme);
  renderAll();
}

/** @param {boolean} on Pictures only, without the list. */
function setWallMode(on) {
  root.toggleAttribute("data-wall", on);
  wallModeButton.setAttribute("aria-pressed", String(on));
  settings.set(WALL_MODE_KEY, on ? "1" : "");
}

function toggleWallMode() {
  setWallMode(!root.hasAttribute("data-wall"));
}

const rememberedTheme = settings.get(THEME_KEY);
if (rememberedTheme === "dark" || rememberedTheme === "light") root.dataset.theme = rememberedTheme;
setWallMode(settings.get(WALL_MODE_KEY) === "1");
themeButton.onclick = () => setTheme(otherTheme());
wallModeButton.onclick = toggleWallMode;
languageButton.onclick = () => {
  setLanguage(otherLanguage());
  renderAll();
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") wall.enlarge(null);
  else if (event.target instanceof HTMLInputElement) return;
  else if (event.key === "/") {
    event.preventDefault();
    setWallMode(false);
    search.focus();
  } else if (event.key.toLowerCase() === "w") toggleWallMode();
  else if (event.key === "]") wall.showPage(wall.page + 1);
  else if (event.key === "[") wall.showPage(wall.page - 1);
});

function renderClock() {
  const nowMs = serverNowMs();
  setText(clock, dateTimeText(nowMs));
  clock.dateTime = new Date(nowMs).toISOString();
}

function tick() {
  connection.check();
  for (const part of [renderClock, renderConnection, () => list.render(), rememberOrSay]) attempt(part);
}

function rememberOrSay() {
  if (settings.denied || tabMemory.denied) {
    if (!storageNoticed) notices.show("noticeStorage");
    storageNoticed = true;
  }
}

let storageNoticed = false;
// Timers of a hidden page are slow, and those of a sleeping machine stand still.
for (const event of ["pageshow", "online", "focus"]) addEventListener(event, () => tick());
document.addEventListener("visibilitychange", () => tick());

// --- for automatic checks; docs/console.md says what they give --------------------------

/** @param {string | {gw: string, cam: string}} tile */
function findTile(tile) {
  return typeof tile === "string" ? wall.tiles.find(({ id }) => id === tile) : wall.find(keyOf(tile.gw), tile.cam);
}

/**
 * Returns the key of a site. A gateway id alone will do where only one province has it.
 * @param {string} gw `24/bacninh-01` or `bacninh-01`.
 */
function keyOf(gw) {
  if (gw.includes("/")) return gw;
  const [site, another] = store.all().filter((each) => each.gw === gw);
  if (!site || another) throw new RangeError(`${gw}: ${site ? "in more than one province" : "no such gateway"}`);
  return site.key;
}

const cameraGateway = Object.freeze({
  sites: () => store.all().map((site) => ({ ...site, cams: [...site.cams.values()] })),
  /** @type {(gw: string, cam: string) => Promise<object>} */
  watch: (gw, cam) => wall.watch(keyOf(gw), cam).firstFrame,
  /** @type {(tile: string | {gw: string, cam: string}) => void} */
  close: (tile) => {
    const open = findTile(tile);
    if (open) wall.close(open);
  },
  stats: () => Promise.all(wall.tiles.map((tile) => tile.stats())),
  broker: () => ({ ...broker, server: connection.up }),
});
Object.assign(window, { cameraGateway });

/** Loads what the reason codes mean, until it has come; codes stand for themselves so long. */
async function loadReasonTexts() {
  const backoff = new Backoff(WORDING_RETRY_MS, WORDING_CEILING_MS, WORDING_JITTER);
  for (;;) {
    try {
      const answer = await fetch("wording.json", { signal: AbortSignal.timeout(WORDING_LIMIT_MS) });
      if (!answer.ok) throw new Error(`wording.json: ${answer.status}`);
      setReasonTexts(await answer.json());
      notices.hide("noticeWording");
      renderAll();
      return;
    } catch (error) {
      console.warn(error);
      notices.show("noticeWording");
    }
    await new Promise((resolve) => setTimeout(resolve, backoff.nextMs()));
  }
}

renderAll();
if (!webrtcSupported()) notices.show("noticeWebrtc");
elementById("start", HTMLElement).hidden = true;
root.toggleAttribute("data-ready", true);
loadReasonTexts();
await Promise.race([warmUp().catch(() => {}), new Promise((resolve) => setTimeout(resolve, WARM_UP_LIMIT_MS))]);
connection.open();
setInterval(tick, TICK_MS);
tick();
