// The set-up page: shows the step at which the box is, sends what the person does, asks again while
// something is being done.

import { Mistake, fetchState, post } from "./api.js";
import { choicesMade, focusFirstUnnamed, renderChannels, tickAllWithPicture } from "./channels.js";
import { createElement, elementById, explain, placeRows, say } from "./dom.js";
import { renderChanges, renderResults } from "./results.js";
import { prepareSurvey, renderSurvey, surveyFilled } from "./survey.js";

/** @import { State, StepName, Wording } from "../messages.d.ts" */

const BUSY_MS = 500;
const IDLE_MS = 15_000;

/** @type {Record<StepName, [string, string]>} */
const STEP_NAMES = {
  enrol: ["1. Đăng ký", "Enrol"],
  account: ["2. Đầu ghi", "Recorder"],
  channels: ["3. Camera", "Cameras"],
  test: ["4. Kiểm tra", "Test"],
  save: ["5. Lưu", "Save"],
  survey: ["6. Phiếu", "Form"],
};
const BUSY_NAMES = { enrol: ["Đang đăng ký với trung tâm", "Enrolling"], find: ["Đang tìm thiết bị", "Looking for devices"], ask: ["Đang hỏi thiết bị", "Asking the device"], look: ["Đang lấy hình", "Fetching pictures"], test: ["Đang kiểm tra", "Testing"] };

/** @type {string} */
let section = "";
/** @type {number | undefined} */
let timer;
let isOver = false;

/** @param {string} name */
function show(name) {
  if (section === name) return;
  section = name;
  for (const each of document.querySelectorAll("main > section")) {
    if (each instanceof HTMLElement) each.hidden = each.id !== name;
  }
  scrollTo(0, 0);
  const heading = document.querySelector(`#${name} > h2`);
  if (heading instanceof HTMLElement) heading.focus({ preventScroll: true });
}

/** @param {State} state */
function render(state) {
  document.documentElement.dataset["ready"] = state.step;
  show(state.step);
  renderFrame(state);
  renderEnrol(state);
  renderAccount(state);
  renderChannels(state);
  renderResults(state);
  renderSave(state);
  if (state.step === "survey") renderSurvey(state);
  if (state.notice) complain(state.notice);
  clearTimeout(timer);
  timer = setTimeout(refresh, state.busy ? BUSY_MS : IDLE_MS);
}

/** @param {State} state */
function renderFrame(state) {
  elementById("steps", HTMLElement).hidden = false;
  const list = elementById("step-list", HTMLOListElement);
  placeRows(list, state.steps, (name) => name, (name) => {
    const item = createElement("li", null);
    const button = createElement("button", item, { type: "button" });
    say(button, ...STEP_NAMES[name]);
    button.addEventListener("click", () => send("go", { step: name }));
    return item;
  });
  state.steps.forEach((name, index) => {
    const button = list.children[index]?.querySelector("button");
    if (!button) return;
    button.disabled = !state.reachable.includes(name);
    if (name === state.step && button.getAttribute("aria-current") !== "step") {
      button.setAttribute("aria-current", "step");
      button.scrollIntoView({ block: "nearest", inline: "center" });
    }
    if (name === state.step) return;
    button.removeAttribute("aria-current");
  });
  say(elementById("gateway", HTMLElement), state.gateway, "");
  const minutes = Math.ceil(state.closes_in_s / 60);
  say(elementById("closes", HTMLElement), `Trang đóng sau ${minutes} phút`, `· closes in ${minutes} min`);
  const { busy } = state;
  elementById("busy", HTMLElement).hidden = busy === null;
  for (const button of document.querySelectorAll("main .main-button, #find, #look-again, #test-again")) {
    if (button instanceof HTMLButtonElement) button.disabled = busy !== null;
  }
  if (!busy) return;
  const [vi, en] = BUSY_NAMES[busy.name];
  const count = busy.total > 0 ? ` ${busy.done}/${busy.total}` : "";
  say(elementById("busy-text", HTMLElement), `${vi}${count}`, en);
  const bar = elementById("busy-bar", HTMLProgressElement);
  bar.max = busy.total || 1;
  if (busy.total > 0) bar.value = busy.done;
  else bar.removeAttribute("value");
}

/** @param {State} state */
function renderEnrol(state) {
  const text = elementById("enrol-state", HTMLElement);
  const asks = state.can_enrol && state.enrolled === "";
  elementById("enrol-form", HTMLFormElement).hidden = !asks;
  document.querySelector("#enrol [data-go=account]")?.classList.toggle("main-button", !asks);
  if (state.enrolled) say(text, `✓ Đã đăng ký: ${state.enrolled} (${state.gateway})`, "This box is enrolled.");
  else if (state.can_enrol) say(text, "Thiết bị này chưa đăng ký. Chưa có mã thì bỏ qua bước này, đăng ký sau cũng được.", "This box is not enrolled yet. Without a code skip this step; it can be done later.");
  else say(text, `Thiết bị mang mã ${state.gateway}. Đăng ký với trung tâm bằng lệnh: sudo camera-gateway enrol. Bước này có thể bỏ qua.`, "Enrol by the command above; this step can be skipped.");
}

/** @param {State} state */
function renderAccount(state) {
  elementById("networks", HTMLElement).textContent = state.networks.join(", ");
  const offered = [...new Set([state.missing_network, ...state.own_networks])].filter(Boolean);
  elementById("network-offers", HTMLElement).hidden = offered.length === 0;
  placeRows(elementById("network-list", HTMLElement), offered, (network) => network, (network) => {
    const button = createElement("button", null, { type: "button" });
    if (state.own_networks.includes(network)) say(button, `Thêm ${network}, mạng của thiết bị này`, "Add the network of this box");
    else say(button, `Thêm ${network}`, "Add this network");
    button.addEventListener("click", () => send("network", { network }));
    return button;
  });
  const maker = elementById("maker", HTMLSelectElement);
  if (maker.options.length === 1) {
    for (const each of state.makers) {
      const option = createElement("option", maker, { value: each.id });
      option.textContent = each.label;
    }
    maker.addEventListener("change", () => {
      const chosen = state.makers.find(({ id }) => id === maker.value);
      elementById("channel-count", HTMLInputElement).disabled = chosen?.channels !== true;
      elementById("port", HTMLInputElement).disabled = chosen === undefined;
    });
  }
  elementById("found-hint", HTMLElement).hidden = state.found.length === 0;
  const added = new Set(state.devices.map(({ host }) => host));
  placeRows(elementById("found", HTMLUListElement), state.found, (each) => JSON.stringify([each.host, each.maker, each.model, each.kind, added.has(each.host)]), (each) => {
    const row = createElement("li", null);
    const button = createElement("button", row, { type: "button" });
    const named = [each.host, each.maker, each.model].filter(Boolean).join(" · ");
    if (added.has(each.host)) say(button, `✓ ${named}`, "đã thêm · added");
    else if (each.kind === "recorder") say(button, named, "đầu ghi · recorder");
    else say(button, named, each.maker ? "" : "hãng sẽ biết sau khi đăng nhập · maker known after the login");
    button.addEventListener("click", () => {
      elementById("host", HTMLInputElement).value = each.host;
      elementById("username", HTMLInputElement).focus();
    });
    return row;
  });
  elementById("devices-title", HTMLElement).hidden = state.devices.length === 0;
  elementById("devices", HTMLUListElement).replaceChildren(...state.devices.map((device) => {
    const row = createElement("li", null);
    const count = state.channels.filter((channel) => channel.device === device.id).length;
    say(row, `${device.id}: ${device.host} · ${[device.maker, device.model].filter(Boolean).join(" ")} · ${count} kênh`, `${count} channels${device.username ? `, user ${device.username}` : ""}`);
    return row;
  }));
}

/** @param {State} state */
function renderSave(state) {
  const { saved } = state;
  const isWritten = saved !== null && state.reachable.includes("survey");
  const text = elementById("save-state", HTMLElement);
  if (isWritten) say(text, "✓ Đã lưu.", "Saved.");
  else if (state.broken) say(text, `Tệp cũ bị hỏng và sẽ được thay: ${state.broken}`, "The file that is there is broken and will be replaced.");
  else say(text, "Những thay đổi sẽ được ghi:", "What will be written:");
  renderChanges(elementById("changes", HTMLUListElement), isWritten ? saved.changes : state.planned);
  elementById("save-button", HTMLButtonElement).hidden = isWritten;
  elementById("after-save", HTMLElement).hidden = !isWritten;
  if (!isWritten) return;
  say(elementById("saved-where", HTMLElement), `Danh sách camera: ${saved.path}. Mật khẩu: ${saved.secrets.length} tệp.`, "The cameras' document, and the passwords' files.");
  elementById("ruled", HTMLElement).hidden = !saved.ruled_by_centre;
  elementById("restart-button", HTMLButtonElement).hidden = !state.can_restart || state.restarted;
  const restart = elementById("restart-state", HTMLElement);
  if (state.restarted) say(restart, "✓ Dịch vụ đã khởi động lại và dùng cấu hình mới.", "The service was restarted and runs what was saved.");
  else if (state.can_restart) say(restart, "Dịch vụ dùng cấu hình mới sau khi khởi động lại.", "The service uses it after a restart.");
  else say(restart, "Chạy: sudo systemctl restart camera-gateway", "Run this to have the service use it.");
}

/** @param {Wording | null} wording */
function complain(wording) {
  const bar = elementById("notice", HTMLElement);
  bar.hidden = wording === null;
  if (wording) explain(bar, wording);
}

/**
 * Sends a request and shows what comes of it.
 * @param {string} name
 * @param {object} [body]
 */
async function send(name, body) {
  if (isOver) return;
  complain(null);
  try {
    render(await post(name, body));
  } catch (error) {
    fail(error);
  }
}

async function refresh() {
  if (isOver) return;
  try {
    render(await fetchState());
  } catch (error) {
    fail(error);
  }
}

/** @param {unknown} error */
function fail(error) {
  if (!(error instanceof Mistake)) throw error;
  clearTimeout(timer);
  if (error.status === 401) {
    document.documentElement.dataset["ready"] = "enter";
    elementById("steps", HTMLElement).hidden = true;
    show("enter");
    return;
  }
  complain(error.wording);
  timer = setTimeout(refresh, error.status === 0 ? IDLE_MS / 3 : 0);
}

async function finish() {
  complain(null);
  try {
    await post("finish");
  } catch (error) {
    if (!(error instanceof Mistake) || error.status !== 0) return fail(error);
  }
  isOver = true;
  clearTimeout(timer);
  elementById("steps", HTMLElement).hidden = true;
  say(elementById("over-text", HTMLElement), "Đã xong. Có thể đóng trình duyệt; muốn mở lại, chạy lại lệnh camera-gateway setup.", "Done. To open it again, run the command again.");
  show("over");
}

/**
 * @param {string} id
 * @param {() => void} act
 */
function onSubmit(id, act) {
  elementById(id, HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

/** @param {string} id */
function value(id) {
  return elementById(id, HTMLInputElement).value;
}

function prepare() {
  prepareSurvey();
  onSubmit("enter-form", () => send("enter", { code: value("code") }));
  onSubmit("enrol-form", () => send("enrol", { address: value("enrol-address").trim(), code: value("enrol-code").trim() }));
  onSubmit("device-form", () => {
    const password = elementById("password", HTMLInputElement);
    const body = {
      host: value("host").trim(), port: Number(value("port")), maker: elementById("maker", HTMLSelectElement).value,
      channels: Number(value("channel-count")), username: value("username").trim(), password: password.value,
    };
    password.value = "";
    send("device", body);
  });
  onSubmit("choose-form", () => {
    if (!focusFirstUnnamed()) send("choose", { choices: choicesMade() });
    else complain({ vi: "Camera đã chọn chưa có tên", en: "A ticked camera has no name yet", vi_todo: "", en_todo: "" });
  });
  onSubmit("survey-form", async () => {
    const said = elementById("survey-saved", HTMLElement);
    said.replaceChildren();
    said.removeAttribute("data-said");
    await send("survey", surveyFilled());
    if (elementById("notice", HTMLElement).hidden) say(said, "✓ Đã lưu phiếu.", "The form is saved.");
  });
  for (const [id, act] of /** @type {[string, () => void][]} */ ([
    ["tick-all", tickAllWithPicture],
    ["find", () => send("find")],
    ["look-again", () => send("look")],
    ["test-again", () => send("test")],
    ["save-button", () => send("save")],
    ["restart-button", () => send("restart")],
  ])) elementById(id, HTMLButtonElement).addEventListener("click", act);
  for (const button of document.querySelectorAll("[data-go]")) button.addEventListener("click", () => send("go", { step: button.getAttribute("data-go") }));
  for (const button of document.querySelectorAll("[data-act=finish]")) button.addEventListener("click", finish);
}

prepare();
const code = location.hash.slice(1);
if (code && code !== "main") {
  history.replaceState(null, "", "/");
  elementById("code", HTMLInputElement).value = code;
  await send("enter", { code });
  if (section === "") show("enter");
} else await refresh();
