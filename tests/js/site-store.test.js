import assert from "node:assert/strict";
import { test } from "node:test";

import "./support/browser.js";
import { camera, GW, SITE, site } from "./support/centre.js";
import { SiteStore } from "../../gateway/console/static/site-store.js";

/** @param {ReturnType<typeof site>[]} sites */
function storeOf(...sites) {
  const store = new SiteStore();
  store.apply({ full: true, sites, gone: [] });
  return store;
}

test("a full message replaces everything", () => {
  const store = storeOf(site());

  store.apply({ full: true, sites: [site({ gw: "hn-01" })], gone: [] });

  assert.deepEqual(store.all().map(({ gw }) => gw), ["hn-01"]);
});

test("another message leaves sites that it does not name", () => {
  const store = storeOf(site());

  store.apply({ full: false, sites: [site({ gw: "hn-01" })], gone: [] });

  assert.deepEqual(store.all().map(({ gw }) => gw), [GW, "hn-01"]);
});

test("a camera that has changed is replaced, the others stay", () => {
  const store = storeOf(site());

  store.apply({ full: false, sites: [site({ ids: ["c01", "c02"], cams: [camera({ id: "c02", st: "off" })] })], gone: [] });

  assert.equal(store.camera(SITE, "c01")?.st, "on");
  assert.equal(store.camera(SITE, "c02")?.st, "off");
});

test("cameras are in the gateway's order", () => {
  const store = storeOf(site({ ids: ["c02", "c01"] }));

  assert.deepEqual([...(store.site(SITE)?.cams.keys() ?? [])], ["c02", "c01"]);
});

test("a camera that is no longer listed is forgotten", () => {
  const store = storeOf(site());

  store.apply({ full: false, sites: [site({ ids: ["c01"], cams: [] })], gone: [] });

  assert.equal(store.camera(SITE, "c02"), undefined);
});

test("a camera that is listed and was never told is left out", () => {
  const store = storeOf(site({ ids: ["c01", "c02", "c09"] }));

  assert.equal(store.site(SITE)?.cams.size, 2);
});

test("a site that is gone is forgotten", () => {
  const store = storeOf(site());

  store.apply({ full: false, sites: [], gone: [SITE] });

  assert.equal(store.site(SITE), undefined);
});

test("a camera of an unknown site is not there", () => {
  assert.equal(new SiteStore().camera("nowhere", "c01"), undefined);
});

test("cameras are counted by state", () => {
  const store = storeOf(
    site({ cams: [camera(), camera({ id: "c02", st: "off" })] }),
    site({ gw: "hn-01", cams: [camera({ st: "unk" }), camera({ id: "c02", st: "deg" })] }),
  );

  assert.deepEqual(store.counts(), { sites: 2, cams: 4, on: 1, deg: 1, off: 1, unk: 1 });
});

test("a change is announced once for each message", () => {
  const store = new SiteStore();
  let changes = 0;
  store.addEventListener("change", () => { changes += 1; });

  store.apply({ full: true, sites: [site(), site({ gw: "hn-01" })], gone: [] });

  assert.equal(changes, 1);
});

test("one gateway id in two provinces is two sites", () => {
  const store = new SiteStore();

  store.apply({ full: true, sites: [site(), site({ prov: "01", name: "Kẻ mạo danh" })], gone: [] });
  store.apply({ full: false, sites: [], gone: [`01/${GW}`] });

  assert.deepEqual(store.all().map(({ name }) => name), ["Trung tâm Từ Sơn"]);
});

test("the worst come first, and those that stand alike by name", () => {
  const store = new SiteStore();
  const sites = [site({ gw: "a", name: "Ân Thi" }), site({ gw: "b", name: "An Giang" }), site({ gw: "c", name: "Yên Bái", st: "off" })];
  sites.push(site({ gw: "d", name: "Hà Đông", cams: [camera({ st: "deg" })] }));

  store.apply({ full: true, sites });

  assert.deepEqual(store.byUrgency().map(({ name }) => name), ["Yên Bái", "Hà Đông", "An Giang", "Ân Thi"]);
});

test("news of a state do not have thousands of names sorted or folded again", () => {
  const store = new SiteStore();
  const sites = Array.from({ length: 300 }, (_, at) => site({ gw: `g${at}`, name: `Điểm ${at}` }));
  store.apply({ full: true, sites });
  store.byUrgency();
  const before = store.site("24/g7");

  for (let at = 0; at < 50; at += 1) {
    store.apply({ full: false, sites: [site({ gw: "g7", name: "Điểm 7", cams: [camera({ st: "off" })], ids: ["c01", "c02"] })] });
    assert.equal(store.byUrgency()[0]?.key, "24/g7");
  }

  assert.equal(store.sorted, 1);
  assert.equal(store.site("24/g7")?.folded, before?.folded);
  assert.equal(store.byUrgency().length, 300);
});

test("a site that cannot be read costs no other one", (context) => {
  const told = context.mock.method(console, "error", () => {});
  const store = new SiteStore();

  store.apply({ full: true, sites: [/** @type {any} */ ({ prov: "01", gw: "x" }), site()] });

  assert.deepEqual(store.all().map(({ gw }) => gw), [GW]);
  assert.equal(told.mock.callCount(), 1);
});

/** @type {[what: string, names: string[], sorted: string[]][]} */
const ORDERS = [
  ["sites are in Vietnamese order", ["Đà Nẵng", "Em", "Ân Thi", "An Giang", "Dầu Tiếng"], ["An Giang", "Ân Thi", "Dầu Tiếng", "Đà Nẵng", "Em"]],
  ["numbers in names count as numbers", ["Phường 10", "Phường 9"], ["Phường 9", "Phường 10"]],
];
for (const [what, names, sorted] of ORDERS) {
  test(what, () => {
    const store = new SiteStore();

    store.apply({ full: true, sites: names.map((name, at) => site({ gw: `g${at}`, name })) });

    assert.deepEqual(store.byUrgency().map(({ name }) => name), sorted);
  });
}
