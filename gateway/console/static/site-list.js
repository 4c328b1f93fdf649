// The list of sites and cameras, with search and filter.

import { createElement, placeInOrder, setData, setTextOrHide } from "./dom.js";
import { translate } from "./i18n.js";
import { filterSites } from "./site-filter.js";
import { cameraStateText, describeAlarm, explainCamera, siteStateText, siteTroubleText, summaryText } from "./site-text.js";

/** @import { AlarmView, CameraView } from "../messages.d.ts" */
/** @import { Filter } from "./site-filter.js" */
/** @import { Site, SiteStore } from "./site-store.js" */
/** @import { VideoWall } from "./video-wall.js" */

/** @typedef {ReturnType<typeof createSiteRow>} SiteRow */
/** @typedef {ReturnType<typeof createCameraRow>} CameraRow */
/** @typedef {ReturnType<typeof createAlarmRow>} AlarmRow */

const EXPANDED_UP_TO = 8;
const RENDER_EVERY_MS = 200;
const MOST_ALARMS = 5;
const FILTERS = /** @type {const} */ (["all", "trouble"]);

export class SiteList {
  #store;
  #wall;
  #search;
  /** @type {Map<string, SiteRow>} */
  #rows = new Map();
  /** @type {Map<string, boolean>} Sites that the operator has expanded or collapsed. */
  #expanded = new Map();
  /** @type {Filter} */
  #filter = "all";
  /** @type {ReturnType<typeof setTimeout> | null} */
  #renderTimer = null;

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
    this.filterButtons = FILTERS.map((filter) => this.#createFilterButton(filter, filters));
    search.addEventListener("input", () => this.render());
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
    const matches = filterSites(this.#store.all(), this.#filter, this.#search.value);
    /** @type {Map<string, SiteRow>} */
    const rows = new Map();
    for (const { site, cameras } of matches) {
      const row = this.#rows.get(site.key) ?? this.#addSiteRow(site);
      rows.set(site.key, row);
      this.#renderSite(row, site, cameras, matches.length);
    }
    replaceRows(this.element, this.#rows, rows);
    setTextOrHide(this.nothing, matches.length > 0 ? "" : translate(counts.sites > 0 ? "noMatch" : "nothing"));
    for (const button of this.filterButtons) {
      button.setAttribute("aria-pressed", String(button.dataset.filter === this.#filter));
    }
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
      for (const cam of this.#store.site(key)?.cams.keys() ?? []) this.#wall.watch(key, cam, event.timeStamp);
    };
    return row;
  }

  /**
   * @param {SiteRow} row
   * @param {Site} site
   * @param {CameraView[]} cameras Those to be listed.
   * @param {number} siteCount How many sites are listed.
   */
  #renderSite(row, site, cameras, siteCount) {
    setData(row.element, "st", site.st);
    row.element.toggleAttribute("data-invalid", site.invalid !== "");
    setTextOrHide(row.name, site.name);
    setTextOrHide(row.state, siteStateText(site));
    setTextOrHide(row.watchAll, translate("watchAll"));
    row.watchAll.setAttribute("aria-label", translate("watchAllOf", { name: site.name }));
    row.watchAll.hidden = site.cams.size === 0;
    setTextOrHide(row.trouble, siteTroubleText(site));
    renderAlarms(row, site);
    const expanded = this.#expanded.get(site.key) ?? (siteCount <= EXPANDED_UP_TO || this.#search.value.trim() !== "");
    row.toggle.setAttribute("aria-expanded", String(expanded));
    row.cameraList.hidden = !expanded;
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
    row.button.setAttribute("aria-pressed", String(this.#wall.find(site.key, camera.id) !== undefined));
    setTextOrHide(row.name, camera.name);
    setTextOrHide(row.place, camera.location);
    setTextOrHide(row.state, cameraStateText(camera));
    const { fact, todo } = explainCamera(camera, site);
    setTextOrHide(row.fact, fact);
    setTextOrHide(row.todo, todo);
  }
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
  alarmList.hidden = shown.length === 0;
  if (alarms.length > shown.length) alarmList.dataset.more = translate("moreAlarms", { n: alarms.length - shown.length });
  else delete alarmList.dataset.more;
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
  const element = createElement("section", "site", null, { "data-prov": prov, "data-gw": gw });
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
