import assert from "node:assert/strict";
import { test } from "node:test";

import { alarm, camera, site } from "./support/centre.js";
import { siteSeverity } from "../../gateway/console/static/site-severity.js";

/** @type {[what: string, fields: Parameters<typeof site>[0], severity: string][]} */
const CASES = [
  ["a site without faults", {}, "none"],
  ["a site that is away", { st: "off" }, "critical"],
  ["a site of which nothing is known", { st: "unk" }, "unknown"],
  ["an unknown site that says nonsense", { st: "unk", invalid: "birth: json" }, "major"],
  ["its worst alarm", { alarms: [alarm({ sev: "warning" }), alarm({ sev: "critical" })] }, "critical"],
  ["a camera without signal", { cams: [camera(), camera({ id: "c02", st: "off" })] }, "major"],
  ["an unsteady camera", { cams: [camera({ st: "deg" })] }, "minor"],
];
for (const [what, fields, severity] of CASES) {
  test(`${what}: ${severity}`, () => {
    const view = site(fields);

    assert.equal(siteSeverity(view, view.cams), severity);
  });
}
