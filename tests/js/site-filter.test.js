import assert from "node:assert/strict";
import { test } from "node:test";

import "./support/browser.js";
import { alarm, camera, storedSite } from "./support/centre.js";
import { filterSites, foldText } from "../../gateway/console/static/site-filter.js";

/** @import { Site } from "../../gateway/console/static/site-store.js" */
/** @import { Filter } from "../../gateway/console/static/site-filter.js" */

/**
 * What is listed, as "gateway: cameras".
 * @param {Site[]} sites
 * @param {Filter} filter
 * @param {string} query
 */
function listed(sites, filter, query) {
  return filterSites(sites, filter, query).map(({ site, cameras }) => `${site.gw}: ${cameras.map(({ id }) => id).join(" ")}`);
}

const TWO = () => storedSite();
const IN_TROUBLE = () => storedSite({ cams: [camera(), camera({ id: "c02", st: "off" }), camera({ id: "c03", st: "deg" }), camera({ id: "c04", st: "unk" })] });

test("marks and capitals do not count", () => {
  assert.equal(foldText("Quầy Đăng ký ĐẤT ĐAI"), "quay dang ky dat dai");
});

test("an empty search lists everything", () => {
  assert.deepEqual(listed([TWO()], "all", "  "), ["bn-01: c01 c02"]);
});

test("a camera is found by its name, typed without an input method", () => {
  assert.deepEqual(listed([TWO()], "all", "dang ky"), ["bn-01: c01"]);
});

test("a camera is found by its name, typed with one", () => {
  assert.deepEqual(listed([TWO()], "all", "Đăng ký"), ["bn-01: c01"]);
});

test("a camera is found by where it hangs", () => {
  assert.deepEqual(listed([TWO()], "all", "sanh"), ["bn-01: c02"]);
});

test("a camera is found by its id", () => {
  assert.deepEqual(listed([TWO()], "all", "C02"), ["bn-01: c02"]);
});

for (const query of ["tu son", "bn-01", "bac ninh"]) {
  test(`a site that is found by "${query}" comes with all its cameras`, () => {
    assert.deepEqual(listed([TWO()], "all", query), ["bn-01: c01 c02"]);
  });
}

test("what matches nothing is not listed", () => {
  assert.deepEqual(listed([TWO()], "all", "ca mau"), []);
});

test("in trouble are cameras that are off or unsteady", () => {
  assert.deepEqual(listed([IN_TROUBLE()], "trouble", ""), ["bn-01: c02 c03"]);
});

test("a site without trouble is left out", () => {
  assert.deepEqual(listed([TWO()], "trouble", ""), []);
});

test("a site out of contact is in trouble, whatever its cameras are", () => {
  assert.deepEqual(listed([storedSite({ st: "off" })], "trouble", ""), ["bn-01: "]);
});

test("a site with an open alarm is in trouble", () => {
  assert.deepEqual(listed([storedSite({ alarms: [alarm()] })], "trouble", ""), ["bn-01: "]);
});

test("search and filter both have to be passed", () => {
  assert.deepEqual(listed([IN_TROUBLE()], "trouble", "c01"), []);
});

test("the order of the sites is kept", () => {
  const sites = ["Đà Nẵng", "An Giang"].map((name, at) => storedSite({ gw: `g${at}`, name }));

  assert.deepEqual(filterSites(sites, "all", "").map(({ site }) => site.name), ["Đà Nẵng", "An Giang"]);
});
