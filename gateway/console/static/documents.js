// Who has delivered which monthly document. Text is set as text, never as markup.

/**
 * @typedef {{at: string, vi: string, en: string}} Fault
 * @typedef {{province: string, name: string, kind: string, state: "missing" | "receiving" | "kept" | "refused",
 *   late: boolean, site_name?: string, file?: string, settled_ms?: number | null, faults?: Fault[]}} Row
 * @typedef {{id: string, name: string, due_ms: number, kept: number}} Kind
 * @typedef {{month: string, months: string[], provinces: number, kinds: Kind[], rows: Row[]}} Overview
 */

const REFRESH_MS = 60_000;
const STATES = { missing: "chưa có", receiving: "đang nhận", kept: "đã nhận", refused: "bị từ chối" };

/** @param {string} id */
function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new TypeError(`documents.html has no #${id}`);
  return element;
}

/**
 * @param {string} tag
 * @param {string} text
 */
function made(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
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

/** @param {string} month As 2026-05. */
function shownMonth(month) {
  return `${month.slice(5)}/${month.slice(0, 4)}`;
}

/** @param {Row} row */
function cellOf(row) {
  const cell = made("td", row.late ? `${STATES[row.state]} – trễ hạn` : STATES[row.state]);
  cell.className = row.late ? `${row.state} late` : row.state;
  if (row.file !== undefined) cell.append(made("small", `${row.file} – ${row.site_name ?? ""}`));
  if (row.settled_ms) cell.append(made("small", localTime(row.settled_ms)));
  for (const fault of row.faults ?? []) {
    const line = made("small", `${fault.at} ${fault.vi}`);
    line.title = fault.en;
    cell.append(line);
  }
  return cell;
}

/** @param {Overview} overview */
function show(overview) {
  const months = byId("month");
  months.replaceChildren(...overview.months.map((month) => {
    const option = document.createElement("option");
    option.value = month;
    option.textContent = shownMonth(month);
    option.selected = month === overview.month;
    return option;
  }));
  byId("summary").textContent = overview.kinds
    .map((kind) => `${kind.name}: ${kind.kept}/${overview.provinces}, hạn ${localTime(kind.due_ms)}`)
    .join(" · ");
  byId("head").replaceChildren(
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
  byId("rows").replaceChildren(...lines.values());
}

/** @param {string} text Empty: nothing to say. */
function notify(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = text === "";
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

const chosen = /** @type {HTMLSelectElement} */ (byId("month"));
chosen.addEventListener("change", () => load(chosen.value));
setInterval(() => load(chosen.value), REFRESH_MS);
await load("");

export {};
