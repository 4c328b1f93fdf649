// The page: puts the rooms together, keeps the header, knows the keys, offers hooks to checks.

import { Board } from "./board.js";
import { Link } from "./link.js";
import { Sites } from "./sites.js";
import { listen, warmUp } from "./viewing.js";
import { Wall } from "./wall.js";
import {
  chooseLanguage, clockText, currentLanguage, learnClock, learnReasons, nowMs, say, sayAll, timeText,
} from "./words.js";

const THEME_KEY = "camera-gateway.theme";
const WALL_KEY = "camera-gateway.wall-mode";
const TILES_KEY = "camera-gateway.tiles";
const BANNER_AFTER_MS = 1_500;

const byId = (id) => document.getElementById(id);
const root = document.documentElement;

const link = new Link();
const sites = new Sites();
const wall = new Wall(link, sites, byId("wall"), byId("layouts"));
const board = new Board(sites, wall, {
  board: byId("board"), search: byId("search"), filters: byId("filters"), summary: byId("summary"),
});
let broker = { up: null, since_ms: null };

// --- server and broker -------------------------------------------------------------------

link.addEventListener("hello", ({ detail }) => learnClock(detail.now_ms));
link.addEventListener("sites", ({ detail }) => {
  sites.apply(detail);
  reopen();
});
link.addEventListener("broker", ({ detail }) => {
  broker = detail;
  paintHeader();
});
link.addEventListener("turned", () => paintHeader());
listen(link);

function paintHeader() {
  const lamp = byId("broker");
  const time = timeText(link.up ? broker.since_ms : link.sinceMs);
  const [state, text] =
    !link.up ? ["unk", say("brokerUnknown")]
    : broker.up ? ["on", say("brokerUp")]
    : broker.up === null ? ["unk", say("brokerUnknown")]
    : ["off", say("brokerDown", { time })];
  lamp.dataset.state = state;
  if (lamp.textContent !== text) lamp.textContent = text;
  paintBanner(time);
}

function paintBanner(time) {
  const quiet = !link.up && Date.now() - link.sinceMs < BANNER_AFTER_MS;
  const text = quiet ? "" : !link.up ? say("serverDown", { time }) : broker.up === false ? say("brokerBanner", { time }) : "";
  const banner = byId("banner");
  banner.hidden = text === "";
  if (banner.textContent !== text) banner.textContent = text;
}

// What was open in this tab opens again after a reload, as soon as its site is known.
let toReopen = JSON.parse(sessionStorage.getItem(TILES_KEY) ?? "[]");

function reopen() {
  const known = toReopen.filter(([gw, cam]) => sites.camera(gw, cam));
  toReopen = toReopen.filter((place) => !known.includes(place));
  for (const [gw, cam] of known) wall.watch(gw, cam);
}

wall.addEventListener("changed", () => {
  const open = wall.tiles.map((tile) => [tile.gw, tile.cam]);
  sessionStorage.setItem(TILES_KEY, JSON.stringify([...open, ...toReopen]));
});

// --- how it looks -----------------------------------------------------------------------

function theme() {
  return root.dataset.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
}

function paintAll() {
  sayAll();
  document.title = say("title");
  byId("language").textContent = say("otherLanguage");
  byId("language").lang = currentLanguage() === "vi" ? "en" : "vi";
  byId("theme").textContent = say(theme() === "dark" ? "light" : "dark");
  byId("theme").setAttribute("aria-label", say("themeHint"));
  paintHeader();
  board.paint();
  wall.paint();
}

function setTheme(chosen) {
  root.dataset.theme = chosen;
  localStorage.setItem(THEME_KEY, chosen);
  paintAll();
}

function setWallMode(on) {
  root.toggleAttribute("data-wall", on);
  byId("wall-mode").setAttribute("aria-pressed", String(on));
  localStorage.setItem(WALL_KEY, on ? "1" : "");
}

if (["dark", "light"].includes(localStorage.getItem(THEME_KEY))) root.dataset.theme = localStorage.getItem(THEME_KEY);
setWallMode(localStorage.getItem(WALL_KEY) === "1");
byId("theme").onclick = () => setTheme(theme() === "dark" ? "light" : "dark");
byId("wall-mode").onclick = () => setWallMode(!root.hasAttribute("data-wall"));
byId("language").onclick = () => {
  chooseLanguage(currentLanguage() === "vi" ? "en" : "vi");
  paintAll();
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    wall.enlarge(null);
    return;
  }
  if (event.target instanceof HTMLInputElement) return;
  if (event.key === "/") {
    event.preventDefault();
    setWallMode(false);
    byId("search").focus();
  } else if (event.key.toLowerCase() === "w") setWallMode(!root.hasAttribute("data-wall"));
});

function tick() {
  const clock = byId("clock");
  clock.textContent = clockText(nowMs());
  clock.dateTime = new Date(nowMs()).toISOString();
  paintHeader();
  board.paint();
}

// --- hooks for automatic checks; docs/console.md says what they give --------------------

const asTile = (tile) => (typeof tile === "string" ? wall.tiles.find((each) => each.id === tile) : wall.find(tile.gw, tile.cam));

window.cameraGateway = Object.freeze({
  sites: () => sites.all().map((site) => ({ ...site, cams: [...site.cams.values()] })),
  watch: (gw, cam) => wall.watch(gw, cam).firstFrame,
  close: (tile) => {
    const open = asTile(tile);
    if (open) wall.close(open);
  },
  stats: () => Promise.all(wall.tiles.map((tile) => tile.stats())),
  broker: () => ({ ...broker, server: link.up }),
});

learnReasons(await fetch("wording.json").then((answer) => answer.json()));
paintAll();
await warmUp().catch(() => {});
link.open();
setInterval(tick, 1000);
tick();
