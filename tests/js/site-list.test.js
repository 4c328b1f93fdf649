import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, NOW_MS } from "./support/browser.js";
import { alarm, camera, GW, openCentre, PROV, SITE, site } from "./support/centre.js";
import { setReasonTexts } from "../../gateway/console/static/i18n.js";
import { SiteList } from "../../gateway/console/static/site-list.js";
import { VideoWall } from "../../gateway/console/static/video-wall.js";

const RENDER_EVERY_MS = 200;

function createList() {
  const centre = openCentre();
  const create = document.createElement.bind(document);
  const wall = new VideoWall(centre.connection, centre.store, create("main"), create("div"));
  const elements = { list: create("div"), search: create("input"), filters: create("div"), summary: create("p") };
  const list = new SiteList(centre.store, wall, elements);
  list.render();
  const query = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (elements.list.querySelector(selector));
  const texts = (/** @type {string} */ selector) => Array.from(elements.list.querySelectorAll(selector), ({ textContent }) => textContent);
  const type = (/** @type {string} */ text) => {
    elements.search.value = text;
    elements.search.dispatchEvent(new /** @type {any} */ (window).Event("input"));
  };
  return { ...centre, ...elements, wall, siteList: list, query, texts, type };
}

/** @param {number} count */
function sites(count) {
  return Array.from({ length: count }, (_, at) => site({ gw: `g${at}`, name: `Điểm ${at}` }));
}

test("sites and cameras are listed by name", () => {
  const { texts } = createList();

  assert.deepEqual(texts(".site-name"), ["Trung tâm Từ Sơn"]);
  assert.deepEqual(texts(".camera-name"), ["Quầy Đăng ký đất đai", "Cửa ra vào"]);
});

test("a row says which camera it is, and its state", () => {
  const { query } = createList();
  const row = query(".camera");

  assert.deepEqual({ ...row?.dataset }, { prov: PROV, gw: GW, cam: "c01", st: "on" });
});

test("news are shown within 200 ms, all at once", () => {
  const { store, query } = createList();
  store.apply({ full: true, sites: [site({ cams: [camera({ st: "off" })] })] });
  assert.equal(query(".camera")?.dataset.st, "on");

  clock.tick(RENDER_EVERY_MS);

  assert.equal(query(".camera")?.dataset.st, "off");
});

test("a row that stays is the same element", () => {
  const { store, siteList, query } = createList();
  const row = query("[data-cam=c02]");

  store.apply({ full: true, sites: [site({ ids: ["c02", "c01"] })] });
  siteList.render();

  assert.equal(query("[data-cam=c02]"), row);
});

test("rows follow the order of the gateway", () => {
  const { store, siteList, texts } = createList();

  store.apply({ full: true, sites: [site({ ids: ["c02", "c01"] })] });
  siteList.render();

  assert.deepEqual(texts(".camera-name"), ["Cửa ra vào", "Quầy Đăng ký đất đai"]);
});

test("a site that is gone is not listed any more", () => {
  const { store, siteList, query } = createList();

  store.apply({ full: false, sites: [], gone: [SITE] });
  siteList.render();

  assert.equal(query(".site"), null);
});

test("before any site has reported the list says so", () => {
  const { store, siteList } = createList();

  store.apply({ full: true, sites: [] });
  siteList.render();

  assert.equal(siteList.nothing.textContent, "Chưa có điểm nào báo về trung tâm.");
});

test("the search lists what matches", () => {
  const { texts, type } = createList();

  type("dang ky");

  assert.deepEqual(texts(".camera-name"), ["Quầy Đăng ký đất đai"]);
});

test("a search that finds nothing says so", () => {
  const { siteList, type } = createList();

  type("ca mau");

  assert.equal(siteList.nothing.textContent, "Không có kết quả phù hợp.");
  assert.equal(siteList.nothing.hidden, false);
});

test("the filter lists what is in trouble", () => {
  const { store, filters, texts } = createList();
  store.apply({ full: true, sites: [site({ cams: [camera(), camera({ id: "c02", name: "Hỏng", st: "off" })] })] });

  /** @type {HTMLElement | null} */ (filters.querySelector("[data-filter=trouble]"))?.click();

  assert.deepEqual(texts(".camera-name"), ["Hỏng"]);
});

test("the filter in force is the pressed one", () => {
  const { filters } = createList();

  assert.equal(filters.querySelector("[aria-pressed=true]")?.getAttribute("data-filter"), "all");
});

test("a few sites are expanded by themselves", () => {
  const { store, siteList, texts } = createList();

  store.apply({ full: true, sites: sites(8) });
  siteList.render();

  assert.equal(texts(".site-toggle[aria-expanded=true]").length, texts(".site").length);
  assert.ok(texts(".camera").length > 0);
});

test("many sites are collapsed by themselves", () => {
  const { store, siteList, texts } = createList();

  store.apply({ full: true, sites: sites(9) });
  siteList.render();

  assert.equal(texts(".camera").length, 0);
});

test("what is searched for is expanded among many", () => {
  const { store, siteList, texts, type } = createList();
  store.apply({ full: true, sites: sites(20) });
  siteList.render();

  type("diem");

  assert.equal(texts(".site-toggle[aria-expanded=true]").length, texts(".site").length);
  assert.ok(texts(".camera").length > 0);
});

test("a site that the operator has collapsed stays so", () => {
  const { siteList, query, texts } = createList();

  query(".site-toggle")?.click();
  siteList.render();

  assert.equal(query(".site-toggle")?.getAttribute("aria-expanded"), "false");
  assert.deepEqual(texts(".camera"), []);
});

test("a click on a camera opens it", () => {
  const { wall, query } = createList();

  query("[data-cam=c02]")?.click();

  assert.deepEqual(wall.tiles.map(({ cam }) => cam), ["c02"]);
});

test("a camera that is open is marked", () => {
  const { query } = createList();

  query("[data-cam=c02]")?.click();

  assert.equal(query("[data-cam=c02]")?.getAttribute("aria-pressed"), "true");
  assert.equal(query("[data-cam=c01]")?.getAttribute("aria-pressed"), "false");
});

test("all cameras of a site are opened with one click", () => {
  const { wall, query } = createList();

  query(".watch-all")?.click();

  assert.deepEqual(wall.tiles.map(({ cam }) => cam), ["c01", "c02"]);
});

test("a site without cameras has nothing to open", () => {
  const { store, siteList, query } = createList();

  store.apply({ full: true, sites: [site({ cams: [] })] });
  siteList.render();

  assert.equal(query(".watch-all")?.hidden, true);
});

test("a site out of contact says what that means", () => {
  const { store, siteList, query } = createList();

  store.apply({ full: true, sites: [site({ st: "off", since_ms: NOW_MS })] });
  siteList.render();

  assert.equal(query(".site-trouble")?.hidden, false);
});

test("alarms are shown with their severity", () => {
  const { store, siteList, query } = createList();

  store.apply({ full: true, sites: [site({ alarms: [alarm()] })] });
  siteList.render();

  assert.equal(query(".alarm")?.dataset.sev, "major");
  assert.equal(query(".alarm-sev")?.textContent, "Nghiêm trọng");
});

test("an alarm that is cleared is gone", () => {
  const { store, siteList, texts } = createList();
  setReasonTexts({});
  store.apply({ full: true, sites: [site({ alarms: [alarm(), alarm({ key: "uplink.down", args: {}, reason: "UPLINK" })] })] });
  siteList.render();

  store.apply({ full: true, sites: [site({ alarms: [alarm({ key: "uplink.down", args: {}, reason: "UPLINK" })] })] });
  siteList.render();

  assert.deepEqual(texts(".alarm-fact"), ["UPLINK"]);
});

test("more than five alarms are counted, not listed", () => {
  const { store, siteList, query, texts } = createList();

  store.apply({ full: true, sites: [site({ alarms: Array.from({ length: 7 }, (_, at) => alarm({ key: `cam.c${at}.down` })) })] });
  siteList.render();

  assert.equal(texts(".alarm").length, 5);
  assert.equal(query(".alarms")?.dataset.more, "… và 2 cảnh báo khác");
});

test("a site out of contact has no alarms of now", () => {
  const { store, siteList, query } = createList();

  store.apply({ full: true, sites: [site({ st: "off", alarms: [alarm()] })] });
  siteList.render();

  assert.equal(query(".alarm"), null);
});

test("the summary counts", () => {
  assert.equal(createList().summary.textContent, "1 điểm · 2 camera: 2 trực tuyến");
});

test("a site with an invalid report says so, beside the others", () => {
  const { store, siteList, query, texts } = createList();
  const invalid = "cam/c01/state: /since_s less_than_equal";

  store.apply({ full: true, sites: [site(), site({ prov: "79", name: "Điểm báo sai", invalid })] });
  siteList.render();

  assert.equal(texts(".site").length, 2);
  assert.match(query("[data-invalid] .site-line")?.textContent ?? "", /^Báo cáo không hợp lệ/);
  assert.match(query("[data-invalid] .site-trouble")?.textContent ?? "", /less_than_equal/);
});

test("of a whole country a screenful of rows is drawn", () => {
  const { store, siteList, texts, list } = createList();
  store.apply({ full: true, sites: sites(3_321) });

  siteList.render();

  assert.ok(texts(".site").length < 40, `${texts(".site").length} rows`);
  assert.equal(siteList.rowList.style.height, `${3_321 * 60}px`);
  assert.equal(list.querySelector(".site")?.getAttribute("aria-setsize"), "3321");
});

test("a search draws what it finds, from the top", () => {
  const { store, siteList, texts, type } = createList();
  store.apply({ full: true, sites: sites(3_321) });
  siteList.render();

  type("diem 3320");

  assert.deepEqual(texts(".site-name"), ["Điểm 3320"]);
});

test("a site in trouble stands first and has no green dot", () => {
  const { store, siteList, query } = createList();
  store.apply({ full: true, sites: [...sites(20), site({ name: "Yên Bái", cams: [camera({ st: "off" })] })] });

  siteList.render();

  assert.deepEqual([query(".site-name")?.textContent, query(".site")?.dataset.sev], ["Yên Bái", "major"]);
  assert.match(query(".site-line")?.textContent ?? "", /1 mất tín hiệu/);
});

test("a site that cannot be shown says so once, and the others stay", (context) => {
  const told = context.mock.method(console, "error", () => {});
  const { store, siteList, texts } = createList();
  store.apply({ full: true, sites: [site(), site({ prov: "79", name: "Điểm hỏng", cams: [camera({ st: "off", since_ms: 1e20 })] })] });

  siteList.render();
  siteList.render();

  assert.deepEqual(texts(".site-name"), ["Điểm hỏng", "Trung tâm Từ Sơn"]);
  assert.match(texts(".site-trouble")[0] ?? "", /Không hiển thị được điểm này/);
  assert.equal(told.mock.callCount(), 1);
});
