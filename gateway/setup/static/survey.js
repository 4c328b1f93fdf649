// The survey form: what nothing can measure. A field that is left empty is left out.

import { createElement, elementById, say } from "./dom.js";

/** @import { State } from "../messages.d.ts" */

/** @type {readonly [string, string][]} */
const LINE_TYPES = [["", ""], ["lan", "Mạng nội bộ · LAN"], ["internet", "Internet"], ["leased", "Kênh thuê riêng · Leased line"], ["vpn_over_internet", "VPN qua Internet"], ["other", "Khác · Other"]];
/** @type {readonly [string, string, string, string][]} Name, Vietnamese, English, longest. */
const PERSON = [["name", "Họ và tên", "Name", "200"], ["unit", "Đơn vị công tác", "Unit", "200"], ["position", "Chức vụ", "Position", "200"], ["phone", "Số điện thoại di động", "Mobile phone", "31"], ["note", "Ghi chú", "Note", "500"]];
/** @type {readonly [string, string, string, string][]} */
const SYSTEM = [["name", "Hệ thống thông tin", "Information system", "200"], ["functions", "Mô tả chung về chức năng", "What it does", "2000"], ["data_managed", "Dữ liệu cần quản lý", "Data it manages", "2000"]];

let isFilled = false;

/** Prepares lists and buttons; called once. */
export function prepareSurvey() {
  for (const select of document.querySelectorAll("select[data-line-types]")) {
    select.replaceChildren(...LINE_TYPES.map(([value, text]) => {
      const option = createElement("option", null, { value });
      option.textContent = text;
      return option;
    }));
  }
  addRow("people", PERSON);
  addRow("systems", SYSTEM);
  elementById("add-person", HTMLButtonElement).addEventListener("click", () => addRow("people", PERSON));
  elementById("add-system", HTMLButtonElement).addEventListener("click", () => addRow("systems", SYSTEM));
}

/**
 * Fills the form with what is declared already, once.
 * @param {State} state
 */
export function renderSurvey(state) {
  if (isFilled) return;
  isFilled = true;
  const { centre, line, uplink, exposed, reach_from_office: reach } = state.survey;
  for (const [id, value] of [
    ["centre-name", centre?.name], ["centre-address", centre?.address], ["vms-kind", state.survey.vms_kind], ["exposed", exposed?.declared], ["reach", reach?.ok],
    ["line-type", line?.type], ["line-mbps", line?.down_mbps], ["uplink-type", uplink?.type], ["uplink-isp", uplink?.isp], ["uplink-mbps", uplink?.up_mbps],
  ]) {
    if (value !== undefined) input(String(id)).value = String(value);
  }
}

/** Returns the form as the server takes it. */
export function surveyFilled() {
  const kind = text("vms-kind");
  return {
    centre: { ...given("name", text("centre-name")), ...given("address", text("centre-address")) },
    ...given("vms_kind", kind),
    ...given("camera_type", text("camera-type")),
    exposed: given("declared", answer("exposed")),
    reach_from_office: { ...given("ok", answer("reach")), ...(answer("reach") === null ? {} : { net: "CPNet" }) },
    line: { ...given("type", text("line-type")), ...given("down_mbps", number("line-mbps")) },
    uplink: { ...given("type", text("uplink-type")), ...given("isp", text("uplink-isp")), ...given("up_mbps", number("uplink-mbps")) },
    contacts: rows("people"),
    ioc: rows("systems"),
  };
}

/**
 * @param {string} id
 * @param {readonly [string, string, string, string][]} fields
 */
function addRow(id, fields) {
  const row = createElement("div", elementById(id, HTMLElement), { class: "row" });
  for (const [name, vi, en, most] of fields) {
    const label = createElement("label", row);
    say(createElement("span", label), vi, en);
    createElement("input", label, { "data-field": name, maxlength: most, autocomplete: "off" });
  }
}

/**
 * Returns the rows that have a name.
 * @param {string} id
 */
function rows(id) {
  return [...elementById(id, HTMLElement).children].map((row) => Object.fromEntries(
    [...row.querySelectorAll("input")].flatMap((field) => (field.value.trim() === "" ? [] : [[field.dataset["field"] ?? "", field.value.trim()]])),
  )).filter((row) => "name" in row);
}

/**
 * @param {string} name
 * @param {string | number | boolean | null} value
 * @returns {Record<string, string | number | boolean>}
 */
function given(name, value) {
  return value === null || value === "" ? {} : { [name]: value };
}

/** @param {string} id */
function text(id) {
  return input(id).value.trim();
}

/** @param {string} id */
function number(id) {
  const value = text(id);
  return value === "" ? null : Number(value);
}

/** @param {string} id */
function answer(id) {
  const value = text(id);
  return value === "" ? null : value === "true";
}

/**
 * @param {string} id
 * @returns {HTMLInputElement | HTMLSelectElement}
 */
function input(id) {
  const element = document.getElementById(id);
  if (element instanceof HTMLInputElement || element instanceof HTMLSelectElement) return element;
  throw new TypeError(`index.html has no field #${id}`);
}
