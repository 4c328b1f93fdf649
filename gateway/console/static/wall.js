// The grid of pictures: which tiles are open, in which layout, which one is enlarged.

import { Tile } from "./tile.js";

const LAYOUTS = ["auto", "1", "2", "3", "4"];
const LAYOUT_KEY = "camera-gateway.layout";
const MOST = 16;

export class Wall extends EventTarget {
  #link;
  #sites;
  #tiles = [];
  #layout = LAYOUTS.includes(localStorage.getItem(LAYOUT_KEY)) ? localStorage.getItem(LAYOUT_KEY) : "auto";

  constructor(link, sites, element, layouts) {
    super();
    this.#link = link;
    this.#sites = sites;
    this.element = element;
    this.empty = document.createElement("div");
    this.empty.className = "empty";
    for (const [className, key] of [["empty-title", "emptyTitle"], ["empty-text", "emptyText"], ["empty-keys", "emptyKeys"]]) {
      const line = document.createElement("p");
      line.className = className;
      line.dataset.say = key;
      this.empty.append(line);
    }
    element.append(this.empty);
    this.layoutButtons = LAYOUTS.map((layout) => this.#layoutButton(layout, layouts));
    this.#arrange();
  }

  #layoutButton(layout, parent) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.layout = layout;
    if (layout === "auto") button.dataset.say = "auto";
    else button.textContent = layout === "1" ? "1" : `${layout}×${layout}`;
    button.onclick = () => this.choose(layout);
    parent.append(button);
    return button;
  }

  get tiles() {
    return this.#tiles;
  }

  #capacity() {
    return this.#layout === "auto" ? MOST : Number(this.#layout) ** 2;
  }

  choose(layout) {
    this.#layout = layout;
    localStorage.setItem(LAYOUT_KEY, layout);
    while (this.#tiles.length > this.#capacity()) this.close(this.#tiles[0]);
    this.#arrange();
  }

  find(gw, cam) {
    return this.#tiles.find((tile) => tile.gw === gw && tile.cam === cam);
  }

  // Opens a tile, or shows where it already is. A full wall gives up its oldest.
  watch(gw, cam, clickedMs = performance.now()) {
    const open = this.find(gw, cam);
    if (open) {
      this.#point(open);
      return open;
    }
    const tile = new Tile(this.#link, this.#sites, gw, cam, clickedMs, this);
    this.#tiles.push(tile);
    this.element.append(tile.element);
    if (this.#tiles.length > this.#capacity()) this.close(this.#tiles[0]);
    this.#arrange();
    return tile;
  }

  close(tile) {
    const at = this.#tiles.indexOf(tile);
    if (at === -1) return;
    const focused = tile.element.contains(document.activeElement);
    this.#tiles.splice(at, 1);
    tile.close();
    this.#arrange();
    if (focused) (this.#tiles[Math.min(at, this.#tiles.length - 1)]?.closeButton ?? this.element).focus();
  }

  enlarge(tile) {
    const already = tile?.element.classList.contains("enlarged");
    for (const each of this.#tiles) {
      const chosen = each === tile && !already;
      each.element.classList.toggle("enlarged", chosen);
      each.element.inert = !chosen && tile != null && !already;
      each.paint();
    }
  }

  #point(tile) {
    tile.face.focus();
    tile.element.classList.remove("pointed");
    void tile.element.offsetWidth;
    tile.element.classList.add("pointed");
  }

  #arrange() {
    if (!this.#tiles.some((tile) => tile.element.classList.contains("enlarged"))) {
      for (const tile of this.#tiles) tile.element.inert = false;
    }
    const shown = this.#layout === "auto" ? this.#tiles.length : this.#capacity();
    const columns = Math.max(1, Math.ceil(Math.sqrt(shown)));
    this.element.dataset.columns = columns;
    this.element.dataset.rows = Math.max(1, Math.ceil(shown / columns));
    this.empty.hidden = this.#tiles.length > 0;
    for (const button of this.layoutButtons) {
      button.setAttribute("aria-pressed", String(button.dataset.layout === this.#layout));
    }
    this.dispatchEvent(new Event("changed"));
  }

  paint() {
    for (const tile of this.#tiles) tile.paint();
  }
}
