// Which sites and cameras the search and the filter let through, and in which order.

/** @import { CameraView } from "../messages.d.ts" */
/** @import { Site } from "./site-store.js" */

/** @typedef {"all" | "trouble"} Filter */
/** @typedef {{site: Site, cameras: CameraView[]}} Match */

const TROUBLE = new Set(["deg", "off"]);
const collator = new Intl.Collator("vi", { numeric: true, sensitivity: "base" });

/**
 * Returns text as people type it without an input method: "Quầy Đăng ký" becomes "quay dang ky".
 * @param {string} text
 */
export function foldText(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[đĐ]/g, "d").toLowerCase();
}

/** @param {CameraView} camera */
export function isInTrouble(camera) {
  return TROUBLE.has(camera.st);
}

/**
 * Returns what is to be listed, in Vietnamese order. A site whose own name matches comes with all
 * its cameras; another one with those that match.
 * @param {readonly Site[]} sites
 * @param {Filter} filter
 * @param {string} query As typed.
 */
export function filterSites(sites, filter, query) {
  const wanted = foldText(query.trim());
  /** @type {Match[]} */
  const matches = [];
  for (const site of sites) {
    const nameMatches = foldText(`${site.name} ${site.gw} ${site.province}`).includes(wanted);
    let cameras = [...site.cams.values()];
    if (!nameMatches) cameras = cameras.filter((camera) => foldText(`${camera.name} ${camera.location} ${camera.id}`).includes(wanted));
    if (filter === "trouble") cameras = cameras.filter(isInTrouble);
    const siteCounts = nameMatches && (filter === "all" || site.st === "off" || site.alarms.length > 0 || site.invalid !== "");
    if (siteCounts || cameras.length > 0) matches.push({ site, cameras });
  }
  return matches.sort((one, other) => collator.compare(one.site.name, other.site.name));
}
