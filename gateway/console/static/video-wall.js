// The video wall: which tiles are open, in which layout, which one is enlarged.

import { createElement } from "./dom.js";
import { Tile } from "./tile.js";

/** @import { Connection } from "./connection.js" */
/** @import { SiteStore } from "./site-store.js" */

const LAYOUTS = /** @type {const} */ (["auto", "1", "2", "3", "4"]);
const LAYOUT_KEY = "camera-gateway.layout";
const MOST_TILES = 16;

/** @typedef {typeof LAYOUTS[number]} Layout "auto", or how many columns and rows. */

/** Sends `change` when a tile has been opened or closed, or the layout is another. */
export class VideoWall extends EventTarget {
  #connection;
  #store;
  /** @type {Tile[]} The oldest first. */
  #tiles = [];
  #layout = LAYOUTS.find((layout) => layout === localStorage.getItem(LAYOUT_KEY)) ?? "auto";

  /**
   * @param {Connection} connection
   * @param {SiteStore} store
   * @param {HTMLElement} element
   * @param {HTMLElement} layoutChoice Where the buttons go.
   */
  constructor(connection, store, element, layoutChoice) {
    super();
    this.#connection = connection;
    this.#store = store;
    this.element = element;
    this.hint = createElement("div", "empty", element);
    createElement("p", "empty-title", this.hint, { "data-i18n": "emptyTitle" });
    createElement("p", "empty-text", this.hint, { "data-i18n": "emptyText" });
    createElement("p", "empty-keys", this.hint, { "data-i18n": "emptyKeys" });
    this.layoutButtons = LAYOUTS.map((layout) => this.#createLayoutButton(layout, layoutChoice));
    this.#arrange();
  }

  /**
   * @param {Layout} layout
   * @param {HTMLElement} parent
   */
  #createLayoutButton(layout, parent) {
    const button = createElement("button", "", parent, { type: "button", "data-layout": layout });
    if (layout === "auto") button.dataset.i18n = "auto";
    else button.textContent = layout === "1" ? "1" : `${layout}×${layout}`;
    button.onclick = () => this.setLayout(layout);
    return button;
  }

  /** @returns {readonly Tile[]} */
  get tiles() {
    return this.#tiles;
  }

  #capacity() {
    return this.#layout === "auto" ? MOST_TILES : Number(this.#layout) ** 2;
  }

  /** @param {Layout} layout Remembered in this browser. */
  setLayout(layout) {
    this.#layout = layout;
    localStorage.setItem(LAYOUT_KEY, layout);
    this.#closeSurplus();
    this.#arrange();
  }

  /**
   * @param {string} site Its key.
   * @param {string} cam
   */
  find(site, cam) {
    return this.#tiles.find((tile) => tile.site === site && tile.cam === cam);
  }

  /**
   * Opens a tile, or shows where it already is. A full wall gives up its oldest.
   * @param {string} site Its key.
   * @param {string} cam
   * @param {number} [clickedMs] Page time of the click.
   */
  watch(site, cam, clickedMs = performance.now()) {
    const open = this.find(site, cam);
    if (open) {
      this.#highlight(open);
      return open;
    }
    const tile = new Tile(this.#connection, this.#store, site, cam, clickedMs, this);
    this.#tiles.push(tile);
    this.element.append(tile.element);
    this.#closeSurplus();
    this.#arrange();
    return tile;
  }

  /** @param {Tile} tile */
  close(tile) {
    const index = this.#tiles.indexOf(tile);
    if (index === -1) return;
    const focused = tile.element.contains(document.activeElement);
    this.#tiles.splice(index, 1);
    tile.close();
    this.#arrange();
    if (focused) (this.#tiles[Math.min(index, this.#tiles.length - 1)]?.closeButton ?? this.element).focus();
  }

  #closeSurplus() {
    for (const tile of this.#tiles.slice(0, Math.max(0, this.#tiles.length - this.#capacity()))) this.close(tile);
  }

  /** @param {Tile | null} tile Null, or the one that is enlarged already: back to the grid. */
  enlarge(tile) {
    const enlarged = tile && !tile.element.classList.contains("enlarged") ? tile : null;
    for (const each of this.#tiles) {
      each.element.classList.toggle("enlarged", each === enlarged);
      each.element.inert = enlarged !== null && each !== enlarged;
      each.render();
    }
  }

  /** @param {Tile} tile */
  #highlight(tile) {
    tile.face.focus();
    tile.element.classList.remove("highlighted");
    void tile.element.offsetWidth; // layout in between, so that the animation runs again
    tile.element.classList.add("highlighted");
  }

  #arrange() {
    if (!this.#tiles.some((tile) => tile.element.classList.contains("enlarged"))) {
      for (const tile of this.#tiles) tile.element.inert = false;
    }
    const places = this.#layout === "auto" ? this.#tiles.length : this.#capacity();
    const columns = Math.max(1, Math.ceil(Math.sqrt(places)));
    this.element.dataset.columns = String(columns);
    this.element.dataset.rows = String(Math.max(1, Math.ceil(places / columns)));
    this.hint.hidden = this.#tiles.length > 0;
    for (const button of this.layoutButtons) {
      button.setAttribute("aria-pressed", String(button.dataset.layout === this.#layout));
    }
    this.dispatchEvent(new Event("change"));
  }

  render() {
    for (const tile of this.#tiles) tile.render();
  }
}
