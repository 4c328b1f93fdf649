// How bad things stand at a site; the worst comes first in the list.

/** @import { Severity, SiteView } from "../messages.d.ts" */

/** @typedef {Severity | "none" | "unknown"} SiteSeverity */

/** The worst first. A site of which nothing is known stands behind those of which something bad is known. */
export const SEVERITIES = /** @type {const} */ (["critical", "major", "minor", "warning", "unknown", "none"]);

/**
 * @param {Pick<SiteView, "st" | "alarms" | "invalid">} site
 * @param {Iterable<{st: string}>} cameras All of its cameras.
 * @returns {SiteSeverity}
 */
export function siteSeverity({ st, alarms, invalid }, cameras) {
  if (st === "off") return "critical";
  /** @type {SiteSeverity[]} */
  const found = [st === "on" ? "none" : "unknown"];
  if (invalid) found.push("major");
  if (st === "on") {
    for (const alarm of alarms) found.push(alarm.sev);
    for (const camera of cameras) {
      if (camera.st === "off") found.push("major");
      else if (camera.st === "deg") found.push("minor");
    }
  }
  return SEVERITIES.find((severity) => found.includes(severity)) ?? "unknown";
}
