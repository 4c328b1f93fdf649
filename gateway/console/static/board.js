// The list of sites and cameras: state in shape, colour and word, since when, why, what to do.

import { agoText, collator, fold, nowMs, reason, say, spanText, timeText } from "./words.js";

const OPEN_BY_ITSELF = 8;
const PAINT_EVERY_MS = 200;
const SITE_WORD = { on: "siteOn", off: "siteOff", unk: "siteUnk" };
const CAM_WORD = { on: "camOn", deg: "camDeg", off: "camOff", unk: "camUnk" };
const SEVERITY_WORD = { critical: "sevCritical", major: "sevMajor", minor: "sevMinor", warning: "sevWarning" };
const MOST_ALARMS = 5;
const BAD = new Set(["deg", "off"]);

function make(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  parent?.append(node);
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === "";
}

function mark(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

// What an alarm is about, in words: a camera by its name, a recorder or network device by its id.
function subject(alarm, site) {
  const { cam, nvr, node, value, days, ver } = alarm.args;
  if (cam !== undefined) return site.cams.get(cam)?.name ?? cam;
  if (nvr !== undefined) return say("recorder", { id: nvr });
  if (node !== undefined) return say("networkDevice", { id: node });
  if (days !== undefined) return say("certificate", { n: days });
  if (ver !== undefined) return say("configuration", { n: ver });
  const machine = alarm.key.startsWith("host.") ? say("machine") : "";
  return value === undefined ? machine : `${machine} (${value} ${alarm.key === "host.temp" ? "°C" : "%"})`;
}

export class Board {
  #sites;
  #wall;
  #rows = new Map();
  #opened = new Map();
  #filter = "all";
  #query = "";
  #painting = null;

  constructor(sites, wall, { board, search, filters, summary }) {
    this.#sites = sites;
    this.#wall = wall;
    this.element = board;
    this.summary = summary;
    this.nothing = make("p", "nothing", board);
    this.filterButtons = ["all", "trouble"].map((filter) => this.#filterButton(filter, filters));
    search.addEventListener("input", () => {
      this.#query = fold(search.value.trim());
      this.paint();
    });
    sites.addEventListener("changed", () => this.#soon());
    wall.addEventListener("changed", () => this.paint());
  }

  #filterButton(filter, parent) {
    const button = make("button", "", parent);
    button.type = "button";
    button.dataset.say = filter;
    button.dataset.filter = filter;
    button.onclick = () => {
      this.#filter = filter;
      this.paint();
    };
    return button;
  }

  // News comes many times a second from a whole country; eyes do not need all of it at once.
  #soon() {
    this.#painting ??= setTimeout(() => this.paint(), PAINT_EVERY_MS);
  }

  paint() {
    clearTimeout(this.#painting);
    this.#painting = null;
    this.#paintSummary();
    const shown = this.#chosen();
    const kept = new Set();
    let before = null;
    for (const { site, cameras } of shown) {
      const row = this.#rows.get(site.gw) ?? this.#siteRow(site.gw);
      kept.add(site.gw);
      this.#paintSite(row, site, cameras, shown.length);
      const expected = before ? before.nextSibling : this.element.firstChild;
      if (row.element !== expected) this.element.insertBefore(row.element, expected);
      before = row.element;
    }
    for (const [gw, row] of this.#rows) {
      if (kept.has(gw)) continue;
      row.element.remove();
      this.#rows.delete(gw);
    }
    put(this.nothing, shown.length ? "" : say(this.#sites.count().sites ? "noMatch" : "nothing"));
    for (const button of this.filterButtons) {
      button.setAttribute("aria-pressed", String(button.dataset.filter === this.#filter));
    }
  }

  #paintSummary() {
    const count = this.#sites.count();
    const parts = [say("summary", count)];
    if (count.deg) parts.push(say("summaryDeg", { n: count.deg }));
    if (count.off) parts.push(say("summaryOff", { n: count.off }));
    if (count.unk) parts.push(say("summaryUnk", { n: count.unk }));
    put(this.summary, count.sites ? parts.join(", ") : "");
  }

  // Sites and cameras that the search and the filter let through, in Vietnamese order.
  #chosen() {
    const chosen = [];
    for (const site of this.#sites.all()) {
      const siteText = fold(`${site.name} ${site.gw} ${site.province}`);
      const whole = siteText.includes(this.#query);
      let cameras = [...site.cams.values()];
      if (!whole) cameras = cameras.filter((camera) => fold(`${camera.name} ${camera.location} ${camera.id}`).includes(this.#query));
      if (this.#filter === "trouble") cameras = cameras.filter((camera) => BAD.has(camera.st));
      const siteCounts = whole && (this.#filter === "all" || site.st === "off" || site.alarms.length > 0);
      if (siteCounts || cameras.length) chosen.push({ site, cameras });
    }
    return chosen.sort((one, other) => collator.compare(one.site.name, other.site.name));
  }

  #siteRow(gw) {
    const element = make("section", "site", null);
    element.dataset.gw = gw;
    const head = make("div", "site-head", element);
    const toggle = make("button", "site-toggle", head);
    toggle.type = "button";
    make("span", "dot", toggle).setAttribute("aria-hidden", "true");
    const text = make("span", "site-text", toggle);
    const row = {
      element, toggle,
      name: make("span", "site-name", text),
      line: make("span", "site-line", text),
      all: make("button", "watch-all", head),
      trouble: make("p", "site-trouble", element),
      alarms: make("ul", "alarms", element),
      list: make("ul", "cameras", element),
      cameras: new Map(),
    };
    row.all.type = "button";
    toggle.onclick = () => {
      this.#opened.set(gw, toggle.getAttribute("aria-expanded") !== "true");
      this.paint();
    };
    row.all.onclick = (event) => {
      for (const cam of this.#sites.site(gw)?.cams.keys() ?? []) this.#wall.watch(gw, cam, event.timeStamp);
    };
    this.#rows.set(gw, row);
    return row;
  }

  #paintSite(row, site, cameras, shown) {
    mark(row.element, "st", site.st);
    put(row.name, site.name);
    const state = say(SITE_WORD[site.st]);
    const when = site.st === "on" ? "" : ` ${say("since", { time: timeText(site.since_ms), ago: agoText(site.since_ms) })}`;
    put(row.line, [site.province, state + when, say("cameras", { n: site.cams.size })].filter(Boolean).join(" · "));
    put(row.all, say("watchAll"));
    row.all.setAttribute("aria-label", say("watchAllOf", { name: site.name }));
    row.all.hidden = site.cams.size === 0;
    put(row.trouble, site.st === "on" ? "" : say("siteGone"));
    this.#paintAlarms(row.alarms, site);
    const open = this.#opened.get(site.gw) ?? (shown <= OPEN_BY_ITSELF || this.#query !== "");
    row.toggle.setAttribute("aria-expanded", String(open));
    row.list.hidden = !open;
    this.#paintCameras(row, site, open ? cameras : []);
  }

  // Open alarms that nothing else explains, the worst first; a site in trouble has few of them.
  #paintAlarms(list, site) {
    const shown = site.st === "on" ? site.alarms.slice(0, MOST_ALARMS) : [];
    while (list.children.length > shown.length) list.lastChild.remove();
    for (const [index, alarm] of shown.entries()) {
      const line = list.children[index] ?? this.#alarmLine(list);
      const { fact, todo } = reason(alarm.reason);
      mark(line, "key", alarm.key);
      mark(line, "sev", alarm.sev);
      const [head, text, since, advice] = line.children;
      put(head, say(SEVERITY_WORD[alarm.sev]));
      put(text, [subject(alarm, site), alarm.flap ? `${fact} (${reason("FLAPPING").fact})` : fact].filter(Boolean).join(": "));
      const parts = [say("since", { time: timeText(alarm.since_ms), ago: agoText(alarm.since_ms) })];
      if (alarm.explains) parts.push(say("explains", { n: alarm.explains }));
      put(since, parts.join(" · "));
      put(advice, todo);
    }
    list.hidden = shown.length === 0;
    const more = site.st === "on" ? site.alarms.length - shown.length : 0;
    if (more > 0) list.dataset.more = say("moreAlarms", { n: more });
    else delete list.dataset.more;
  }

  #alarmLine(list) {
    const line = make("li", "alarm", list);
    for (const part of ["alarm-sev", "alarm-fact", "alarm-since", "alarm-todo"]) make("span", part, line);
    return line;
  }

  #paintCameras(row, site, cameras) {
    const kept = new Set(cameras.map((camera) => camera.id));
    for (const [id, line] of row.cameras) {
      if (kept.has(id)) continue;
      line.element.remove();
      row.cameras.delete(id);
    }
    let before = null;
    for (const camera of cameras) {
      const line = row.cameras.get(camera.id) ?? this.#cameraLine(row, site.gw, camera.id);
      this.#paintCamera(line, site, camera);
      const expected = before ? before.nextSibling : row.list.firstChild;
      if (line.element !== expected) row.list.insertBefore(line.element, expected);
      before = line.element;
    }
  }

  #cameraLine(row, gw, cam) {
    const element = make("li", "", null);
    const button = make("button", "camera", element);
    button.type = "button";
    Object.assign(button.dataset, { gw, cam });
    make("span", "dot", button).setAttribute("aria-hidden", "true");
    const text = make("span", "camera-text", button);
    const line = {
      element, button,
      name: make("span", "camera-name", text),
      place: make("span", "camera-place", text),
      state: make("span", "camera-state", text),
      fact: make("span", "camera-fact", text),
      todo: make("span", "camera-todo", text),
    };
    button.onclick = (event) => this.#wall.watch(gw, cam, event.timeStamp);
    row.cameras.set(cam, line);
    return line;
  }

  #paintCamera(line, site, camera) {
    mark(line.button, "st", camera.st);
    line.button.setAttribute("aria-pressed", String(this.#wall.find(site.gw, camera.id) !== undefined));
    put(line.name, camera.name);
    put(line.place, camera.location);
    put(line.state, this.#stateLine(camera));
    const { fact, todo } = this.#why(site, camera);
    put(line.fact, fact);
    put(line.todo, todo);
  }

  #stateLine(camera) {
    const parts = [say(CAM_WORD[camera.st])];
    if (BAD.has(camera.st) && camera.since_ms) {
      parts.push(say("since", { time: timeText(camera.since_ms), ago: agoText(camera.since_ms) }));
    } else if (camera.seen_ms) {
      parts.push(say("seen", { ago: agoText(camera.seen_ms) }));
    }
    if (camera.st === "on" && camera.codec) parts.push([camera.codec.toUpperCase(), camera.size?.replace("x", "×")].filter(Boolean).join(" "));
    if (camera.viewers && camera.st !== "off") parts.push(say("viewers", { n: camera.viewers }));
    return parts.join(" · ");
  }

  #why(site, camera) {
    if (camera.reason === null) {
      return { fact: site.st === "on" ? say("unknownWhy") : "", todo: "" };
    }
    if (camera.reason === "OK" || (camera.reason === "IDLE" && camera.st === "on")) return { fact: "", todo: "" };
    const { fact, todo } = reason(camera.reason);
    const tries = [];
    if (camera.attempts) tries.push(say("attempts", { n: camera.attempts }));
    if (camera.again_ms && camera.st !== "on") {
      const leftS = Math.ceil((camera.again_ms - nowMs()) / 1000);
      tries.push(leftS > 0 ? say("again", { span: spanText(leftS) }) : say("againNow"));
    }
    return { fact: tries.length ? `${fact} (${tries.join(", ")})` : fact, todo };
  }
}
