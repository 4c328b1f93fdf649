// What the server has told about sites and cameras.

/** @import { CameraView, SitesMessage, SiteView } from "../messages.d.ts" */
/** @typedef {Omit<SiteView, "ids" | "cams"> & {key: string, cams: Map<string, CameraView>}} Site All cameras by id, in the gateway's order. */
/** @typedef {{sites: number, cams: number, on: number, deg: number, off: number, unk: number}} Counts */

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

  /**
   * A full message replaces everything; another one has the sites that have changed, each with
   * only those of its cameras that have changed.
   * @param {Pick<SitesMessage, "full" | "sites"> & Partial<Pick<SitesMessage, "gone">>} message
   */
  apply({ full, sites, gone }) {
    if (full) this.#sites.clear();
    for (const key of gone ?? []) this.#sites.delete(key);
    for (const site of sites) this.#merge(site);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {SiteView} view */
  #merge({ cams, ids, ...site }) {
    const key = siteKey(site);
    const known = this.#sites.get(key)?.cams;
    const updated = new Map(cams.map((camera) => [camera.id, camera]));
    /** @type {Map<string, CameraView>} */
    const inOrder = new Map();
    for (const id of ids) {
      const camera = updated.get(id) ?? known?.get(id);
      if (camera) inOrder.set(id, camera);
    }
    this.#sites.set(key, { ...site, key, cams: inOrder });
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

  /** Counts sites, and cameras by state. */
  counts() {
    /** @type {Counts} */
    const counts = { sites: this.#sites.size, cams: 0, on: 0, deg: 0, off: 0, unk: 0 };
    for (const site of this.#sites.values()) {
      for (const camera of site.cams.values()) {
        counts.cams += 1;
        counts[camera.st] += 1;
      }
    }
    return counts;
  }
}
