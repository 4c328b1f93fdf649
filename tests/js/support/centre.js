// A page that has reached the server, with one site of two cameras.

/** @import { AlarmView, CameraView, SiteView } from "../../../gateway/console/messages.d.ts" */

import { Connection } from "../../../gateway/console/static/connection.js";
import { routeSignalling } from "../../../gateway/console/static/session.js";
import { siteKey, SiteStore } from "../../../gateway/console/static/site-store.js";
import { last, NOW_MS } from "./browser.js";
import { FakeWebSocket } from "./socket.js";

export const PROV = "24";
export const GW = "bn-01";
export const SITE = "24/bn-01";

/**
 * @param {Partial<CameraView>} [fields]
 * @returns {CameraView}
 */
export function camera(fields) {
  return {
    id: "c01", name: "Quầy Đăng ký đất đai", location: "Tầng 1", st: "on", reason: "OK", since_ms: NOW_MS - 60_000,
    seen_ms: NOW_MS - 5_000, attempts: 0, again_ms: null, fps: 25, kbps: 900, codec: "h264", size: "1920x1080", viewers: 0, advice: [],
    ...fields,
  };
}

/**
 * @param {Partial<AlarmView>} [fields]
 * @returns {AlarmView}
 */
export function alarm(fields) {
  return {
    key: "cam.c01.down", sev: "major", reason: "TIMEOUT", since_ms: NOW_MS - 90_000, args: { cam: "c01" }, flap: false, explains: 0,
    ...fields,
  };
}

/**
 * @param {Partial<SiteView>} [fields]
 * @returns {SiteView}
 */
export function site(fields) {
  const cams = fields?.cams ?? [camera(), camera({ id: "c02", name: "Cửa ra vào", location: "Sảnh" })];
  return {
    gw: GW, prov: PROV, province: "Bắc Ninh", name: "Trung tâm Từ Sơn", st: "on", why: "connect", since_ms: NOW_MS - 60_000,
    ep: 1, version: "0.1.0", invalid: "", ids: cams.map(({ id }) => id), alarms: [],
    ...fields,
    cams,
  };
}

/**
 * The site as the page keeps it.
 * @param {Partial<SiteView>} [fields]
 */
export function storedSite(fields) {
  const store = new SiteStore();
  const view = site(fields);
  store.apply({ full: true, sites: [view] });
  const stored = store.site(siteKey(view));
  if (!stored) throw new Error("not stored");
  return stored;
}

/** @param {FakeWebSocket} socket */
export function greet(socket, viewer = "v-1") {
  socket.accept();
  socket.deliver({ k: "hello", viewer, ice: [{ urls: ["stun:stun.invalid"] }], now_ms: NOW_MS, documents: false });
}

export function openCentre() {
  const connection = new Connection();
  routeSignalling(connection);
  connection.open();
  const socket = last(FakeWebSocket.opened);
  greet(socket);
  const store = new SiteStore();
  store.apply({ full: true, sites: [site()] });
  return { connection, socket, store };
}
