// Who has delivered which monthly document.

import { createElement, elementById, setText, setTextOrHide } from "./dom.js";
import { dateTimeText } from "./time-text.js";

/**
 * @typedef {{at: string, vi: string, en: string}} Fault
 * @typedef {{province: string, name: string, kind: string, state: "missing" | "receiving" | "kept" | "refused",
 *   late: boolean, site_name?: string, file?: string, settled_ms?: number | null, faults?: Fault[]}} Row
 * @typedef {{id: string, name: string, due_ms: number, kept: number}} Kind
 * @typedef {{month: string, months: string[], provinces: number, kinds: Kind[], rows: Row[]}} Overview
 */

const REFRESH_MS = 60_000;
const chosen = elementById("month", HTMLSelectElement);
const STATES = { missing: "chưa có", receiving: "đang nhận", kept: "đã nhận", refused: "bị từ chối" };

/**
 * @param {keyof HTMLElementTagNameMap} tag
 * @param {string} text
 * @param {Record<string, string>} [attributes]
 */
function made(tag, text, attributes = {}) {
  const element = createElement(tag, "", null, attributes);
  setText(element, text);
  return element;
}

/** @param {string} month As 2026-05. */
function shownMonth(month) {
  return `${month.slice(5)}/${month.slice(0, 4)}`;
}

/** @param {Row} row */
function cellOf(row) {
  const cell = made("td", row.late ? `${STATES[row.state]} – trễ hạn` : STATES[row.state]);
  cell.className = row.late ? `${row.state} late` : row.state;
  if (row.file !== undefined) cell.append(made("small", `${row.file} – ${row.site_name ?? ""}`));
  if (row.settled_ms) cell.append(made("small", dateTimeText(row.settled_ms)));
  for (const fault of row.faults ?? []) {
    cell.append(made("small", `${fault.at} ${fault.vi}`, { title: fault.en }));
  }
  return cell;
}

/** @param {Overview} overview */
function show(overview) {
  chosen.replaceChildren(...overview.months.map((month) => {
    const option = document.createElement("option");
    option.value = month;
    option.textContent = shownMonth(month);
    option.selected = month === overview.month;
    return option;
  }));
  const counts = overview.kinds.map((kind) => `${kind.name}: ${kind.kept}/${overview.provinces}, hạn ${dateTimeText(kind.due_ms)}`);
  setText(elementById("summary", HTMLElement), counts.join(" · "));
  elementById("head", HTMLElement).replaceChildren(
    made("th", "Tỉnh, thành phố"), ...overview.kinds.map((kind) => made("th", kind.name)),
  );
  /** @type {Map<string, HTMLTableRowElement>} */
  const lines = new Map();
  for (const row of overview.rows) {
    let line = lines.get(row.province);
    if (line === undefined) {
      line = document.createElement("tr");
      line.dataset.province = row.province;
      line.append(made("th", `${row.province} ${row.name}`));
      lines.set(row.province, line);
    }
    line.append(cellOf(row));
  }
  elementById("rows", HTMLElement).replaceChildren(...lines.values());
}

/** @param {string} text Empty: nothing to say. */
function notify(text) {
  setTextOrHide(elementById("notice", HTMLElement), text);
}

/** @param {string} month Empty: the last. */
async function load(month) {
  try {
    const response = await fetch(month ? `documents.json?month=${month}` : "documents.json");
    if (response.status === 404) {
      notify("Trung tâm này chưa bật nhận báo cáo tháng. This centre takes no monthly documents.");
      return;
    }
    if (!response.ok) throw new Error(String(response.status));
    show(await response.json());
    notify("");
  } catch {
    notify("Không liên lạc được với trung tâm. The centre cannot be reached.");
  }
}

chosen.addEventListener("change", () => load(chosen.value));
setInterval(() => load(chosen.value), REFRESH_MS);
await load("");
