// Which sites and cameras the search and the filter let through, and in which order.

/** @import { CameraView } from "../messages.d.ts" */
/** @import { Site } from "./site-store.js" */

/** @typedef {"all" | "trouble"} Filter */
/** @typedef {{site: Site, cameras: CameraView[]}} Match */

const TROUBLE = new Set(["deg", "off"]);

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
 * Returns what is to be listed, in the order of `sites`. A site whose own name matches comes with
 * all its cameras; another one with those that match.
 * @param {readonly Site[]} sites
 * @param {Filter} filter
 * @param {string} query As typed.
 */
export function filterSites(sites, filter, query) {
  const wanted = foldText(query.trim());
  /** @type {Match[]} */
  const matches = [];
  for (const site of sites) {
    const nameMatches = site.folded.includes(wanted);
    let cameras = [...site.cams.values()];
    if (!nameMatches) cameras = cameras.filter(({ id }) => site.foldedCams.get(id)?.includes(wanted));
    if (filter === "trouble") cameras = cameras.filter(isInTrouble);
    const siteCounts = nameMatches && (filter === "all" || site.st === "off" || site.alarms.length > 0 || site.invalid !== "");
    if (siteCounts || cameras.length > 0) matches.push({ site, cameras });
  }
  return matches;
}
