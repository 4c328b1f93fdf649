// What the server has told about sites and cameras.

/** @import { CameraView, SitesMessage, SiteView } from "../messages.d.ts" */
/** @typedef {Omit<SiteView, "ids" | "cams"> & {cams: Map<string, CameraView>}} Site All cameras by id, in the gateway's order. */
/** @typedef {{sites: number, cams: number, on: number, deg: number, off: number, unk: number}} Counts */

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
    for (const gw of gone ?? []) this.#sites.delete(gw);
    for (const site of sites) this.#merge(site);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {SiteView} view */
  #merge({ cams, ids, ...site }) {
    const known = this.#sites.get(site.gw)?.cams;
    const updated = new Map(cams.map((camera) => [camera.id, camera]));
    /** @type {Map<string, CameraView>} */
    const inOrder = new Map();
    for (const id of ids) {
      const camera = updated.get(id) ?? known?.get(id);
      if (camera) inOrder.set(id, camera);
    }
    this.#sites.set(site.gw, { ...site, cams: inOrder });
  }

  /** @param {string} gw */
  site(gw) {
    return this.#sites.get(gw);
  }

  /**
   * @param {string} gw
   * @param {string} cam
   */
  camera(gw, cam) {
    return this.#sites.get(gw)?.cams.get(cam);
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
