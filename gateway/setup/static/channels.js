// The channels with their pictures: tick, name, place.

import { createElement, elementById, placeRows, say } from "./dom.js";

/** @import { Channel, State } from "../messages.d.ts" */

const list = () => elementById("channel-list", HTMLUListElement);

/** @param {State} state */
export function renderChannels(state) {
  placeRows(list(), state.channels, (channel) => channel.key, (channel) => createCard(channel, state));
  for (const channel of state.channels) renderCard(channel);
  renderCount();
}

/** Returns what is ticked, as the server takes it. */
export function choicesMade() {
  return [...list().querySelectorAll(".card[data-chosen=true]")].map((card) => ({
    key: card.getAttribute("data-key") ?? "",
    name: field(card, "name").value,
    place: field(card, "place").value,
  }));
}

/** Ticks every channel that has a picture. */
export function tickAllWithPicture() {
  for (const card of list().children) {
    if (card.querySelector("img")) setChosen(card, true);
  }
  renderCount();
}

/** Leads to the first ticked channel without a name; returns whether there is one. */
export function focusFirstUnnamed() {
  for (const card of list().querySelectorAll(".card[data-chosen=true]")) {
    const name = field(card, "name");
    if (name.value.trim() === "") {
      name.focus();
      return true;
    }
  }
  return false;
}

/**
 * @param {Channel} channel
 * @param {State} state
 */
function createCard(channel, state) {
  const card = createElement("li", null, { class: "card", "data-key": channel.key });
  const tick = createElement("label", card, { class: "tick" });
  const box = createElement("input", tick, { type: "checkbox" });
  const device = state.devices.length > 1 ? `${state.devices.find(({ id }) => id === channel.device)?.host ?? ""} · ` : "";
  const label = channel.label ? ` · ${channel.label}` : "";
  say(createElement("span", tick), `${device}Kênh ${channel.number}${label}`, `Channel ${channel.number}`);
  createElement("div", card, { class: "frame" });
  for (const [name, vi, en, most, placeholder] of [["name", "Tên", "Name", "120", `Quầy ${channel.number}`], ["place", "Vị trí", "Place", "200", "Tầng 1"]]) {
    const wrapper = createElement("label", card, { class: "field" });
    say(createElement("span", wrapper), vi, en);
    const input = createElement("input", wrapper, { "data-field": name, maxlength: most, placeholder, autocomplete: "off" });
    if (name === "place") input.setAttribute("list", "places");
  }
  field(card, "name").value = channel.name || channel.label;
  field(card, "place").value = channel.place;
  setChosen(card, channel.chosen);
  box.addEventListener("change", () => {
    setChosen(card, box.checked);
    renderCount();
  });
  field(card, "name").addEventListener("input", () => {
    setChosen(card, true);
    renderCount();
  });
  field(card, "place").addEventListener("change", renderPlaces);
  return card;
}

/** @param {Channel} channel */
function renderCard(channel) {
  const card = list().querySelector(`[data-key="${channel.key}"]`);
  const frame = card?.querySelector(".frame");
  if (!frame) return;
  const shown = channel.picture ?? JSON.stringify([channel.looked, channel.trouble]);
  if (frame.getAttribute("data-shown") === shown) return;
  frame.setAttribute("data-shown", shown);
  frame.replaceChildren();
  if (channel.picture !== null) {
    createElement("img", frame, { src: channel.picture, alt: `Hình kênh ${channel.number} · picture of channel ${channel.number}`, loading: "lazy" });
    return;
  }
  const text = createElement("p", frame);
  if (channel.trouble) say(text, channel.trouble.vi, channel.trouble.en);
  else if (!channel.looked) say(text, "Đang chờ hình…", "Waiting for the picture…");
}

/**
 * @param {Element} card
 * @param {boolean} chosen
 */
function setChosen(card, chosen) {
  card.setAttribute("data-chosen", String(chosen));
  const box = card.querySelector("input[type=checkbox]");
  if (box instanceof HTMLInputElement) box.checked = chosen;
}

function renderCount() {
  const count = list().querySelectorAll(".card[data-chosen=true]").length;
  say(elementById("chosen-count", HTMLElement), `Đã chọn ${count}`, `· ${count} ticked`);
}

/** Offers every place that was written before. */
function renderPlaces() {
  const places = new Set([...list().children].map((card) => field(card, "place").value).filter((place) => place !== ""));
  elementById("places", HTMLDataListElement).replaceChildren(...[...places].map((place) => createElement("option", null, { value: place })));
}

/**
 * @param {Element} card
 * @param {string} name
 * @returns {HTMLInputElement}
 */
function field(card, name) {
  const input = card.querySelector(`[data-field=${name}]`);
  if (!(input instanceof HTMLInputElement)) throw new TypeError(`a card has no ${name}`);
  return input;
}
