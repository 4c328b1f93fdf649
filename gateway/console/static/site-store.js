// What the server has told about sites and cameras. What is searched, counted and sorted by is made
// once, when it comes, and not for each look at it.

import { attempt } from "./faults.js";
import { foldText } from "./site-filter.js";
import { SEVERITIES, siteSeverity } from "./site-severity.js";

/** @import { CameraView, SitesMessage, SiteView, State } from "../messages.d.ts" */
/** @import { SiteSeverity } from "./site-severity.js" */

/**
 * @typedef {object} Derived
 * @property {string} key See `siteKey`.
 * @property {Map<string, CameraView>} cams All cameras by id, in the gateway's order.
 * @property {string} folded Name, id and province as they are searched.
 * @property {Map<string, string>} foldedCams Likewise of each camera.
 * @property {Record<State, number>} counts Cameras by state.
 * @property {SiteSeverity} severity How bad it stands.
 */
/** @typedef {Omit<SiteView, "ids" | "cams"> & Derived} Site */
/** @typedef {{sites: number, cams: number, on: number, deg: number, off: number, unk: number}} Counts */

const STATES = /** @type {const} */ (["on", "deg", "off", "unk"]);
const collator = new Intl.Collator("vi", { numeric: true, sensitivity: "base" });

/**
 * Returns by what a site is known: a gateway id alone may stand in two provinces.
 * @param {{prov: string, gw: string}} site
 */
export function siteKey({ prov, gw }) {
  return `${prov}/${gw}`;
}

/** Sends `change` after each message. */
export class SiteStore extends EventTarget {
  /** @type {Map<string, Site>} */
  #sites = new Map();
  /** @type {Site[] | null} By name; null: to be sorted again. */
  #byName = null;
  /** @type {Site[] | null} The worst first, then by name; null: to be arranged again. */
  #byUrgency = null;
  /** Grows with each message that has been applied. */
  version = 0;
  /** How often the sites have been sorted by name, for tests. */
  sorted = 0;

  /**
   * A full message replaces everything; another one has the sites that have changed, each with
   * only those of its cameras that have changed. A site that cannot be read costs no other one.
   * @param {Pick<SitesMessage, "full" | "sites"> & Partial<Pick<SitesMessage, "gone">>} message
   */
  apply({ full, sites, gone }) {
    if (full) this.#sites.clear();
    if (full || gone?.length) this.#byName = null;
    for (const key of gone ?? []) this.#sites.delete(key);
    for (const site of sites) {
      attempt(() => this.#merge(site));
    }
    this.#byUrgency = null;
    this.version += 1;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {SiteView} view */
  #merge({ cams, ids, ...view }) {
    const key = siteKey(view);
    const known = this.#sites.get(key);
    const updated = new Map(cams.map((camera) => [camera.id, camera]));
    /** @type {Site["cams"]} */
    const inOrder = new Map();
    /** @type {Site["foldedCams"]} */
    const foldedCams = new Map();
    /** @type {Site["counts"]} */
    const counts = { on: 0, deg: 0, off: 0, unk: 0 };
    for (const id of ids) {
      const before = known?.cams.get(id);
      const camera = updated.get(id) ?? before;
      if (!camera) continue;
      inOrder.set(id, camera);
      const folded = before?.name === camera.name && before.location === camera.location ? known?.foldedCams.get(id) : undefined;
      foldedCams.set(id, folded ?? foldText(`${camera.name} ${camera.location} ${camera.id}`));
      counts[camera.st] += 1;
    }
    const renamed = known?.name !== view.name;
    const site = {
      ...view,
      key,
      cams: inOrder,
      folded: known && !renamed ? known.folded : foldText(`${view.name} ${view.gw} ${view.province}`),
      foldedCams,
      counts,
      severity: siteSeverity(view, inOrder.values()),
    };
    this.#sites.set(key, site);
    if (renamed) this.#byName = null;
    else if (this.#byName) this.#byName[this.#placeOf(site)] = site;
  }

  /**
   * Returns where a site of this name and key stands.
   * @param {Site} site
   */
  #placeOf(site) {
    const sites = this.#byName ?? [];
    let [low, high] = [0, sites.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareNames(/** @type {Site} */ (sites[middle]), site) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {string} key Of the site. */
  site(key) {
    return this.#sites.get(key);
  }

  /**
   * @param {string} key Of the site.
   * @param {string} cam
   */
  camera(key, cam) {
    return this.#sites.get(key)?.cams.get(cam);
  }

  all() {
    return [...this.#sites.values()];
  }

  /** Returns all sites, the worst first, and those that stand alike in Vietnamese order of names. */
  byUrgency() {
    if (!this.#byName) {
      this.#byName = this.all().sort(compareNames);
      this.sorted += 1;
    }
    if (!this.#byUrgency) {
      const byName = this.#byName;
      this.#byUrgency = SEVERITIES.flatMap((severity) => byName.filter((site) => site.severity === severity));
    }
    return this.#byUrgency;
  }

  /** Counts sites, and cameras by state. */
  counts() {
    /** @type {Counts} */
    const counts = { sites: this.#sites.size, cams: 0, on: 0, deg: 0, off: 0, unk: 0 };
    for (const site of this.#sites.values()) {
      counts.cams += site.cams.size;
      for (const state of STATES) counts[state] += site.counts[state];
    }
    return counts;
  }
}

/**
 * @param {Site} one
 * @param {Site} other
 */
function compareNames(one, other) {
  return collator.compare(one.name, other.name) || (one.key < other.key ? -1 : one.key > other.key ? 1 : 0);
}
