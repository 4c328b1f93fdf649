// The list of sites and cameras, with search and filter. Of a whole country only those rows are
// drawn that are seen, and the work of a second does not grow with the number of sites.

import { createElement, placeInOrder, setAttribute, setData, setHidden, setTextOrHide } from "./dom.js";
import { reportFault } from "./faults.js";
import { translate } from "./i18n.js";
import { windowOf } from "./row-window.js";
import { filterSites } from "./site-filter.js";
import { cameraStateText, describeAlarm, explainCamera, siteStateText, siteTroubleText, summaryText } from "./site-text.js";

/** @import { AlarmView, CameraView } from "../messages.d.ts" */
/** @import { Filter, Match } from "./site-filter.js" */
/** @import { Site, SiteStore } from "./site-store.js" */
/** @import { VideoWall } from "./video-wall.js" */

/** @typedef {ReturnType<typeof createSiteRow>} SiteRow */
/** @typedef {ReturnType<typeof createCameraRow>} CameraRow */
/** @typedef {ReturnType<typeof createAlarmRow>} AlarmRow */

const EXPANDED_UP_TO = 8;
const RENDER_EVERY_MS = 200;
const MOST_ALARMS = 5;
const FILTERS = /** @type {const} */ (["all", "trouble"]);

/** In pixels. Heights are guessed until a row has been drawn and measured. */
const GUESSED_SITE = 60;
const GUESSED_CAMERA = 68;
const GUESSED_LIST = 700;
const MARGIN = 400;

export class SiteList {
  #store;
  #wall;
  #search;
  /** @type {Map<string, SiteRow>} Those that are drawn, by key. */
  #rows = new Map();
  /** @type {Map<string, boolean>} Sites that the operator has expanded or collapsed. */
  #expanded = new Map();
  /** @type {Map<string, {shape: string, height: number}>} Measured heights of rows, and in which shape. */
  #heights = new Map();
  /** @type {Filter} */
  #filter = "all";
  /** @type {{of: string, matches: Match[]}} What is listed, and for which sites, search and filter. */
  #listed = { of: "", matches: [] };
  /** @type {Set<string>} Sites that could not be shown. */
  #failed = new Set();
  /** @type {ReturnType<typeof setTimeout> | null} */
  #renderTimer = null;
  #observer = typeof ResizeObserver === "function" ? new ResizeObserver((entries) => this.#measure(entries)) : null;

  /**
   * @param {SiteStore} store
   * @param {VideoWall} wall Where a camera is opened that is clicked.
   * @param {{list: HTMLElement, search: HTMLInputElement, filters: HTMLElement, summary: HTMLElement}} elements
   */
  constructor(store, wall, { list, search, filters, summary }) {
    this.#store = store;
    this.#wall = wall;
    this.#search = search;
    this.element = list;
    this.summary = summary;
    this.nothing = createElement("p", "nothing", list);
    this.rowList = createElement("div", "rows", list, { role: "list" });
    this.filterButtons = FILTERS.map((filter) => this.#createFilterButton(filter, filters));
    search.addEventListener("input", () => {
      this.element.scrollTop = 0;
      this.render();
    });
    list.addEventListener("scroll", () => this.#renderRows(), { passive: true });
    this.#observer?.observe(list);
    store.addEventListener("change", () => this.#renderSoon());
    wall.addEventListener("change", () => this.render());
  }

  /**
   * @param {Filter} filter
   * @param {HTMLElement} parent
   */
  #createFilterButton(filter, parent) {
    const button = createElement("button", "", parent, { type: "button", "data-i18n": filter, "data-filter": filter });
    button.onclick = () => {
      this.#filter = filter;
      this.element.scrollTop = 0;
      this.render();
    };
    return button;
  }

  // A whole country sends news many times a second; nobody can read all of it at once.
  #renderSoon() {
    this.#renderTimer ??= setTimeout(() => this.render(), RENDER_EVERY_MS);
  }

  render() {
    if (this.#renderTimer !== null) clearTimeout(this.#renderTimer);
    this.#renderTimer = null;
    const counts = this.#store.counts();
    setTextOrHide(this.summary, summaryText(counts));
    const query = this.#search.value;
    const of = `${this.#store.version} ${this.#filter} ${query}`;
    if (of !== this.#listed.of) this.#listed = { of, matches: filterSites(this.#store.byUrgency(), this.#filter, query) };
    setTextOrHide(this.nothing, this.#listed.matches.length > 0 ? "" : translate(counts.sites > 0 ? "noMatch" : "nothing"));
    for (const button of this.filterButtons) {
      setAttribute(button, "aria-pressed", String(button.dataset.filter === this.#filter));
    }
    this.#renderRows();
  }

  /** Draws the rows that are seen, and the one that has the focus. */
  #renderRows() {
    const { matches } = this.#listed;
    const { first, end, tops } = this.#window();
    const focused = [...this.#rows].find(([, { element }]) => element.contains(document.activeElement))?.[0];
    /** @type {Map<string, SiteRow>} */
    const rows = new Map();
    for (const [index, { site, cameras }] of matches.entries()) {
      if ((index < first || index >= end) && site.key !== focused) continue;
      const row = this.#rows.get(site.key) ?? this.#addSiteRow(site);
      rows.set(site.key, row);
      this.#renderSiteOrFault(row, site, cameras);
      setAttribute(row.element, "aria-posinset", String(index + 1));
      setAttribute(row.element, "aria-setsize", String(matches.length));
      setPixels(row.element, "top", /** @type {number} */ (tops[index]));
    }
    for (const [key, { element }] of this.#rows) if (!rows.has(key)) this.#observer?.unobserve(element);
    replaceRows(this.rowList, this.#rows, rows);
    setPixels(this.rowList, "height", /** @type {number} */ (tops[matches.length]));
  }

  #window() {
    const heights = this.#listed.matches.map((match) => this.#heightOf(match));
    return windowOf(heights, this.element.scrollTop || 0, this.element.clientHeight || GUESSED_LIST, MARGIN);
  }

  /** @param {Match} match */
  #heightOf(match) {
    const known = this.#heights.get(match.site.key);
    if (known?.shape === this.#shapeOf(match)) return known.height;
    return GUESSED_SITE + (this.#isExpanded(match.site) ? match.cameras.length * GUESSED_CAMERA : 0);
  }

  /**
   * What the height of a row depends on, the texts aside.
   * @param {Match} match
   */
  #shapeOf({ site, cameras }) {
    return this.#isExpanded(site) ? String(cameras.length) : "";
  }

  /** @param {ResizeObserverEntry[]} entries */
  #measure(entries) {
    const byElement = new Map(Array.from(this.#rows, ([key, row]) => [row.element, key]));
    const matches = new Map(this.#listed.matches.map((match) => [match.site.key, match]));
    for (const { target } of entries) {
      const key = byElement.get(/** @type {HTMLElement} */ (target));
      const match = key === undefined ? undefined : matches.get(key);
      const height = /** @type {HTMLElement} */ (target).offsetHeight;
      if (match && height > 0) this.#heights.set(match.site.key, { shape: this.#shapeOf(match), height });
    }
    requestAnimationFrame(() => this.#moveRows());
  }

  /** Rows above may be higher than was guessed: what is seen stays where it is. */
  #moveRows() {
    const { scrollTop } = this.element;
    const anchor = [...this.#rows.values()].find(({ element }) => element.offsetTop + element.offsetHeight > scrollTop);
    const before = anchor?.element.offsetTop ?? 0;
    this.#renderRows();
    const moved = anchor?.element.isConnected ? anchor.element.offsetTop - before : 0;
    if (moved !== 0 && scrollTop > 0) this.element.scrollTop = scrollTop + moved;
  }

  /** @param {Site} site */
  #isExpanded(site) {
    return this.#expanded.get(site.key) ?? (this.#listed.matches.length <= EXPANDED_UP_TO || this.#search.value.trim() !== "");
  }

  /** @param {Site} site */
  #addSiteRow(site) {
    const { key } = site;
    const row = createSiteRow(site);
    row.toggle.onclick = () => {
      this.#expanded.set(key, row.toggle.getAttribute("aria-expanded") !== "true");
      this.render();
    };
    row.watchAll.onclick = (event) => {
      const cameras = [...(this.#store.site(key)?.cams.keys() ?? [])];
      this.#wall.watchAll(cameras.map((cam) => ({ site: key, cam })), event.timeStamp);
    };
    this.#observer?.observe(row.element);
    return row;
  }

  /**
   * One site that cannot be shown says so, and costs no other one its row.
   * @param {SiteRow} row
   * @param {Site} site
   * @param {CameraView[]} cameras Those to be listed.
   */
  #renderSiteOrFault(row, site, cameras) {
    try {
      this.#renderSite(row, site, cameras);
    } catch (error) {
      if (!this.#failed.has(site.key)) reportFault(error);
      this.#failed.add(site.key);
      row.element.toggleAttribute("data-invalid", true);
      setTextOrHide(row.name, String(site.name || site.key));
      setTextOrHide(row.state, translate("invalidReport"));
      setTextOrHide(row.trouble, translate("siteFault"));
    }
  }

  /**
   * @param {SiteRow} row
   * @param {Site} site
   * @param {CameraView[]} cameras Those to be listed.
   */
  #renderSite(row, site, cameras) {
    setData(row.element, "st", site.st);
    setData(row.element, "sev", site.severity);
    if (row.element.hasAttribute("data-invalid") !== (site.invalid !== "")) row.element.toggleAttribute("data-invalid");
    setTextOrHide(row.name, site.name);
    setTextOrHide(row.state, siteStateText(site));
    setTextOrHide(row.watchAll, translate("watchAll"));
    setAttribute(row.watchAll, "aria-label", translate("watchAllOf", { name: site.name }));
    setHidden(row.watchAll, site.cams.size === 0);
    setTextOrHide(row.trouble, siteTroubleText(site));
    renderAlarms(row, site);
    const expanded = this.#isExpanded(site);
    setAttribute(row.toggle, "aria-expanded", String(expanded));
    setHidden(row.cameraList, !expanded);
    this.#renderCameras(row, site, expanded ? cameras : []);
  }

  /**
   * @param {SiteRow} row
   * @param {Site} site
   * @param {CameraView[]} cameras
   */
  #renderCameras(row, site, cameras) {
    /** @type {Map<string, CameraRow>} */
    const rows = new Map();
    for (const camera of cameras) {
      const cameraRow = row.cameras.get(camera.id) ?? this.#addCameraRow(site, camera.id);
      rows.set(camera.id, cameraRow);
      this.#renderCamera(cameraRow, site, camera);
    }
    replaceRows(row.cameraList, row.cameras, rows);
  }

  /**
   * @param {Site} site
   * @param {string} cam
   */
  #addCameraRow({ key, prov, gw }, cam) {
    const row = createCameraRow(prov, gw, cam);
    row.button.onclick = (event) => this.#wall.watch(key, cam, event.timeStamp);
    return row;
  }

  /**
   * @param {CameraRow} row
   * @param {Site} site
   * @param {CameraView} camera
   */
  #renderCamera(row, site, camera) {
    setData(row.button, "st", camera.st);
    setAttribute(row.button, "aria-pressed", String(this.#wall.has(site.key, camera.id)));
    setTextOrHide(row.name, camera.name);
    setTextOrHide(row.place, camera.location);
    setTextOrHide(row.state, cameraStateText(camera));
    const { fact, todo } = explainCamera(camera, site);
    setTextOrHide(row.fact, fact);
    setTextOrHide(row.todo, todo);
  }
}

/**
 * @param {HTMLElement} element
 * @param {"top" | "height"} property
 * @param {number} pixels
 */
function setPixels(element, property, pixels) {
  const value = `${Math.round(pixels)}px`;
  if (element.style[property] !== value) element.style[property] = value;
}

/**
 * Shows `rows` in their order and drops those that are not among them; `shown` is then like `rows`.
 * @template {{element: Element}} Row
 * @param {Element} parent
 * @param {Map<string, Row>} shown
 * @param {Map<string, Row>} rows
 */
function replaceRows(parent, shown, rows) {
  for (const [id, row] of shown) if (!rows.has(id)) row.element.remove();
  shown.clear();
  for (const [id, row] of rows) shown.set(id, row);
  placeInOrder(parent, Array.from(rows.values(), (row) => row.element));
}

/**
 * Shows the open alarms that nothing else explains, the worst first.
 * @param {SiteRow} row
 * @param {Site} site
 */
function renderAlarms({ alarmList, alarms: rows }, site) {
  const alarms = site.st === "on" ? site.alarms : [];
  const shown = alarms.slice(0, MOST_ALARMS);
  for (const surplus of rows.splice(shown.length)) surplus.element.remove();
  for (const [index, alarm] of shown.entries()) renderAlarm((rows[index] ??= createAlarmRow(alarmList)), alarm, site);
  setHidden(alarmList, shown.length === 0);
  if (alarms.length > shown.length) setData(alarmList, "more", translate("moreAlarms", { n: alarms.length - shown.length }));
  else if (alarmList.hasAttribute("data-more")) alarmList.removeAttribute("data-more");
}

/**
 * @param {AlarmRow} row
 * @param {AlarmView} alarm
 * @param {Site} site
 */
function renderAlarm(row, alarm, site) {
  setData(row.element, "key", alarm.key);
  setData(row.element, "sev", alarm.sev);
  const { severity, fact, since, todo } = describeAlarm(alarm, site);
  setTextOrHide(row.severity, severity);
  setTextOrHide(row.fact, fact);
  setTextOrHide(row.since, since);
  setTextOrHide(row.todo, todo);
}

/** @param {Site} site */
function createSiteRow({ prov, gw }) {
  const element = createElement("section", "site", null, { role: "listitem", "data-prov": prov, "data-gw": gw });
  const head = createElement("div", "site-head", element);
  const toggle = createElement("button", "site-toggle", head, { type: "button" });
  createElement("span", "dot", toggle, { "aria-hidden": "true" });
  const text = createElement("span", "site-text", toggle);
  return {
    element,
    toggle,
    name: createElement("span", "site-name", text),
    state: createElement("span", "site-line", text),
    watchAll: createElement("button", "watch-all", head, { type: "button" }),
    trouble: createElement("p", "site-trouble", element),
    alarmList: createElement("ul", "alarms", element),
    cameraList: createElement("ul", "cameras", element),
    /** @type {AlarmRow[]} */
    alarms: [],
    /** @type {Map<string, CameraRow>} */
    cameras: new Map(),
  };
}

/**
 * @param {string} prov
 * @param {string} gw
 * @param {string} cam
 */
function createCameraRow(prov, gw, cam) {
  const element = createElement("li", "", null);
  const button = createElement("button", "camera", element, { type: "button", "data-prov": prov, "data-gw": gw, "data-cam": cam });
  createElement("span", "dot", button, { "aria-hidden": "true" });
  const text = createElement("span", "camera-text", button);
  return {
    element,
    button,
    name: createElement("span", "camera-name", text),
    place: createElement("span", "camera-place", text),
    state: createElement("span", "camera-state", text),
    fact: createElement("span", "camera-fact", text),
    todo: createElement("span", "camera-todo", text),
  };
}

/** @param {HTMLElement} list */
function createAlarmRow(list) {
  const element = createElement("li", "alarm", list);
  return {
    element,
    severity: createElement("span", "alarm-sev", element),
    fact: createElement("span", "alarm-fact", element),
    since: createElement("span", "alarm-since", element),
    todo: createElement("span", "alarm-todo", element),
  };
}
