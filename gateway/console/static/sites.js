// What the server has told us about sites and cameras. Holds it; judges nothing.

export class Sites extends EventTarget {
  #sites = new Map();

  // A snapshot replaces everything; a delta carries whole sites' heads and only changed cameras.
  apply({ full, sites, gone }) {
    if (full) this.#sites.clear();
    for (const gw of gone ?? []) this.#sites.delete(gw);
    for (const site of sites) this.#merge(site);
    this.dispatchEvent(new Event("changed"));
  }

  #merge({ cams, ids, ...head }) {
    const known = this.#sites.get(head.gw)?.cams ?? new Map();
    const fresh = new Map(cams.map((camera) => [camera.id, camera]));
    const inOrder = new Map();
    for (const id of ids) {
      const camera = fresh.get(id) ?? known.get(id);
      if (camera) inOrder.set(id, camera);
    }
    this.#sites.set(head.gw, { ...head, cams: inOrder });
  }

  site(gw) {
    return this.#sites.get(gw);
  }

  camera(gw, cam) {
    return this.#sites.get(gw)?.cams.get(cam);
  }

  all() {
    return [...this.#sites.values()];
  }

  count() {
    const count = { sites: this.#sites.size, cams: 0, on: 0, deg: 0, off: 0, unk: 0 };
    for (const site of this.#sites.values()) {
      for (const camera of site.cams.values()) {
        count.cams += 1;
        count[camera.st] += 1;
      }
    }
    return count;
  }
}
