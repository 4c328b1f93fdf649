// The administrator's page: sites, their codes, revocation. Text is set as text, never as markup.

/**
 * @typedef {{id: string, province: string, province_scheme: string, name: string, commune: string,
 *   revoked_ms: number | null, code_state: "open" | "used" | "expired" | "none", code_expires_ms: number | null,
 *   certificate_ends_ms: number | null, reused: boolean}} Site
 * @typedef {{now_ms: number, sites: Site[], provinces: {code: string, name: string}[]}} Sites
 * @typedef {{code: string, expires_ms: number, url: string, broker: string}} MadeCode
 */

const LOST = "Không liên lạc được với trung tâm. The centre cannot be reached.";

/** What keeps a request from being done, in words. */
class Mistake extends Error {}

/** @param {string} id */
function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new TypeError(`index.html has no #${id}`);
  return element;
}

/**
 * @param {string} name
 * @param {object} [body]
 * @returns {Promise<any>}
 */
async function ask(name, body) {
  const headers = { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(`api/${name}`, body ? { method: "POST", headers, body: JSON.stringify(body) } : {});
  } catch {
    throw new Mistake(LOST);
  }
  const text = await response.text();
  let tree;
  try {
    tree = JSON.parse(text);
  } catch {
    throw new Mistake(`${text.slice(0, 200)} (${response.status})`);
  }
  if (!response.ok) throw new Mistake(`${tree.vi}. ${tree.en}.`);
  return tree;
}

/** @param {string} text Empty: nothing to say. */
function notify(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = text === "";
}

/** @param {number} ms */
function localTime(ms) {
  const parts = new Intl.DateTimeFormat("vi-VN", {
    timeZone: "Asia/Ho_Chi_Minh", day: "2-digit", month: "2-digit", year: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  }).formatToParts(ms);
  /** @param {string} type */
  const of = (type) => parts.find((part) => part.type === type)?.value ?? "";
  return `${of("day")}/${of("month")}/${of("year")} ${of("hour")}:${of("minute")}:${of("second")}`;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Element} parent
 * @param {string} [classes]
 * @param {string} [vi]
 * @param {string} [en]
 * @returns {HTMLElementTagNameMap[K]}
 */
function add(tag, parent, classes = "", vi = "", en = "") {
  const element = document.createElement(tag);
  element.className = classes;
  element.append(vi);
  if (en) {
    const span = document.createElement("span");
    span.lang = "en";
    span.textContent = ` ${en}`;
    element.append(span);
  }
  parent.append(element);
  return element;
}

/**
 * @param {Site} site
 * @param {number} now
 * @returns {[string, string, string][]} Class, Vietnamese, English, each a line.
 */
function states(site, now) {
  if (site.revoked_ms !== null) return [["bad", `Đã thu hồi ${localTime(site.revoked_ms)}.`, "Revoked."]];
  /** @type {[string, string, string][]} */
  const lines = [];
  if (site.reused) lines.push(["bad", "Mã đã bị một máy khác thử: nếu không rõ máy nào, hãy thu hồi.", "Another machine has shown the code: revoke unless you know it."]);
  if (site.code_state === "open" && site.code_expires_ms !== null) lines.push(["warn", `Chờ máy đăng ký, mã còn hạn đến ${localTime(site.code_expires_ms)}.`, "Waits for its machine."]);
  if (site.code_state === "expired" && site.certificate_ends_ms === null) lines.push(["warn", "Mã đã hết hạn, chưa có máy nào đăng ký: tạo mã mới.", "The code has expired unused: make a new one."]);
  const ends = site.certificate_ends_ms;
  if (ends !== null) lines.push(ends > now ? ["good", `Đã đăng ký, chứng thư đến ${localTime(ends)}.`, "Enrolled."] : ["bad", `Chứng thư đã hết hạn ${localTime(ends)}.`, "The certificate has ended."]);
  return lines;
}

/**
 * @param {Sites} tree
 * @param {Site} site
 */
function row(tree, site) {
  const item = document.createElement("li");
  const province = tree.provinces.find((each) => each.code === site.province)?.name ?? site.province;
  add("p", item, "name", site.name);
  add("p", item, "soft state", `${site.province}/${site.id} · ${province}${site.commune ? ` · ${site.commune}` : ""}`);
  for (const [kind, vi, en] of states(site, tree.now_ms)) add("p", item, `state ${kind}`, vi, en);
  const acts = add("div", item, "acts");
  add("button", acts, "", "Mã mới", "New code").addEventListener("click", () => {
    if (window.confirm(`Tạo mã mới cho ${site.name}? Mã cũ hết hiệu lực ngay.`)) run(() => make(site, true));
  });
  if (site.revoked_ms === null) {
    add("button", acts, "danger", "Thu hồi", "Revoke").addEventListener("click", () => {
      if (window.confirm(`Thu hồi ${site.name} (${site.id})? Thiết bị mất kết nối và phải đăng ký lại.`)) run(() => revoke(site));
    });
  }
  return item;
}

async function refresh() {
  /** @type {Sites} */
  const tree = await ask("sites");
  const select = /** @type {HTMLSelectElement} */ (document.querySelector("select[name=province]"));
  if (select.options.length === 0) {
    select.append(new Option("– chọn –", ""), ...tree.provinces.map((each) => new Option(`${each.code} ${each.name}`, each.code)));
  }
  byId("sites").replaceChildren(...tree.sites.map((site) => row(tree, site)));
  byId("count").textContent = `(${tree.sites.length})`;
  byId("none").hidden = tree.sites.length > 0;
  byId("work").hidden = false;
}

/**
 * @param {{id: string, name: string, province: string, commune: string, province_scheme?: string}} site
 * @param {boolean} again
 */
async function make(site, again) {
  const { id, name, province, commune, province_scheme = "vn-2025" } = site;
  /** @type {MadeCode} */
  const made = await ask("sites", { id, name, province, commune, province_scheme, again });
  byId("code-site").textContent = `${name} (${province}/${id})`;
  byId("code-text").textContent = made.code;
  byId("code-command").textContent = `sudo camera-gateway enrol ${made.url} ${made.code}`;
  byId("code-until").textContent = `Dùng một lần, đến ${localTime(made.expires_ms)}.`;
  byId("code").hidden = false;
  byId("code").focus();
  await refresh();
  if (made.broker) notify(`Máy chủ MQTT vẫn từ chối điểm này. Còn phải làm trên máy chủ, với quyền root: camera-console centre broker-files. The broker still refuses it. (${made.broker})`);
}

/** @param {Site} site */
async function revoke(site) {
  const { broker } = await ask("revoke", { id: site.id });
  await refresh();
  if (broker) notify(`Đã thu hồi. Còn phải làm trên máy chủ, với quyền root: camera-console centre broker-files. Still to do as root. (${broker})`);
}

/** @param {() => Promise<void>} act */
function run(act) {
  notify("");
  for (const button of document.querySelectorAll("button")) button.disabled = true;
  act().catch((error) => {
    if (!(error instanceof Mistake)) throw error;
    notify(error.message);
  }).finally(() => {
    for (const button of document.querySelectorAll("button")) button.disabled = false;
  });
}

const form = /** @type {HTMLFormElement} */ (byId("new"));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const data = new FormData(form);
  /** @param {string} name */
  const of = (name) => String(data.get(name) ?? "").normalize("NFC").trim();
  run(async () => {
    await make({ id: of("id"), name: of("name"), province: of("province"), commune: of("commune") }, false);
    form.reset();
  });
});
byId("code-close").addEventListener("click", () => {
  byId("code-text").textContent = "";
  byId("code-command").textContent = "";
  byId("code").hidden = true;
});

run(async () => {
  const token = location.hash.slice(1);
  if (token) {
    history.replaceState(null, "", location.pathname);
    await ask("session", { token });
  }
  await refresh();
});
