// What the test has found, what to change on the recorder, and what a save changes.

import { createElement, elementById, explain, say } from "./dom.js";

/** @import { Change, Channel, State, StreamTest } from "../messages.d.ts" */

const PROFILES = { main: ["Luồng chính", "Main stream"], sub: ["Luồng phụ", "Sub-stream"] };
const CHANGES = { "+": ["thêm", "added"], "~": ["đổi", "changed"], "-": ["bỏ", "removed"] };

let rendered = "";

/** @param {State} state */
export function renderResults(state) {
  const chosen = state.channels.filter((channel) => channel.chosen);
  const key = JSON.stringify(chosen);
  if (key === rendered) return;
  rendered = key;
  const tested = chosen.filter((channel) => channel.tests.length > 0);
  const working = tested.filter((channel) => level(channel) !== "bad");
  say(elementById("test-summary", HTMLElement), `${working.length} trong ${chosen.length} camera dùng được`, `${working.length} of ${chosen.length} cameras work`);
  elementById("test-list", HTMLUListElement).replaceChildren(...tested.map(renderCamera));
  const rows = tested.flatMap((channel) => channel.tests.flatMap((test) => test.advice.map((advice) => adviceRow(channel, test, advice))));
  elementById("advice-rows", HTMLTableSectionElement).replaceChildren(...rows);
  elementById("advice", HTMLElement).hidden = rows.length === 0;
}

/**
 * @param {Element} list
 * @param {Change[]} changes
 */
export function renderChanges(list, changes) {
  list.replaceChildren(...changes.map(([kind, id, name]) => {
    const [vi, en] = CHANGES[/** @type {keyof typeof CHANGES} */ (kind)] ?? [kind, kind];
    const row = createElement("li", null);
    say(row, `${kind} ${name} (${id}): ${vi}`, `· ${en}`);
    return row;
  }));
}

/**
 * Returns "good", "warn" or "bad" for a camera: whether all, some or none of its streams work.
 * @param {Channel} channel
 */
export function level(channel) {
  if (channel.tests.every((test) => test.ok && test.wording === null)) return "good";
  return channel.tests.some((test) => test.ok) ? "warn" : "bad";
}

/** @param {Channel} channel */
function renderCamera(channel) {
  const row = createElement("li", null, { "data-level": level(channel) });
  createElement("strong", row).textContent = `${channel.name} · ${channel.key}`;
  for (const test of channel.tests) renderStream(row, test);
  return row;
}

/**
 * @param {Element} row
 * @param {StreamTest} test
 */
function renderStream(row, test) {
  const [vi, en] = PROFILES[test.profile];
  const line = createElement("p", row, { class: "stream" });
  createElement("span", line, { class: test.ok ? "good" : "bad" }).textContent = test.ok ? "✓ " : "✗ ";
  say(createElement("span", line), vi, `${en}:`);
  line.append(` ${test.measured}`);
  if (test.wording === null) return;
  const why = createElement("div", row, { class: test.ok ? "warning" : "bad" });
  explain(why, test.wording);
  if (test.fact) createElement("p", why, { class: "todo" }).textContent = test.fact;
}

/**
 * @param {Channel} channel
 * @param {StreamTest} test
 * @param {import("../messages.d.ts").Advice} advice
 */
function adviceRow(channel, test, advice) {
  const row = createElement("tr", null);
  const [vi, en] = PROFILES[test.profile];
  say(createElement("th", row, { scope: "row" }), `${channel.number} · ${channel.name} · ${vi}`, en);
  say(createElement("td", row, { "data-label": "Mục" }), advice.vi, advice.en);
  createElement("td", row, { "data-label": "Đang là" }).textContent = advice.now;
  createElement("td", row, { "data-label": "Đổi thành" }).textContent = advice.to;
  return row;
}
