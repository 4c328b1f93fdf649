// The video wall: which cameras are on it, in which layout, on which page, which one is enlarged.
// Only the cameras of the page that is shown have a tile and a session.

import { createElement, setText } from "./dom.js";
import { translate } from "./i18n.js";
import { settings } from "./storage.js";
import { Tile } from "./tile.js";

/** @import { Connection } from "./connection.js" */
/** @import { SiteStore } from "./site-store.js" */

const LAYOUTS = /** @type {const} */ (["auto", "1", "2", "3", "4"]);
const LAYOUT_KEY = "camera-gateway.layout";
const MOST_TILES = 16;
const MOST_CAMERAS = 512;

/** @typedef {typeof LAYOUTS[number]} Layout "auto", or how many columns and rows. */
/** @typedef {{site: string, cam: string}} Place A camera: the key of its site, and its id. */

/** Sends `change` when a tile has been opened or closed, or the layout is another. */
export class VideoWall extends EventTarget {
  #connection;
  #store;
  /** @type {Place[]} All cameras, of all pages. */
  #cameras = [];
  #page = 0;
  /** @type {Tile[]} Of the page that is shown, in its order. */
  #tiles = [];
  #layout = LAYOUTS.find((layout) => layout === settings.get(LAYOUT_KEY)) ?? "auto";

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
    this.pager = createElement("div", "choice pager", null, { role: "group", "data-i18n-label": "pages" });
    layoutChoice.after(this.pager);
    this.previousButton = this.#createPageButton("‹", "previousPage", -1);
    this.pageText = createElement("span", "page-text", this.pager, { role: "status" });
    this.pageWord = createElement("span", "page-word", this.pageText);
    this.pageNumber = createElement("span", "", this.pageText);
    this.nextButton = this.#createPageButton("›", "nextPage", 1);
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

  /**
   * @param {string} sign
   * @param {"previousPage" | "nextPage"} label
   * @param {number} step
   */
  #createPageButton(sign, label, step) {
    const button = createElement("button", "", this.pager, { type: "button", "data-i18n-label": label, "data-i18n-title": label });
    button.textContent = sign;
    button.onclick = () => this.showPage(this.#page + step);
    return button;
  }

  /** @returns {readonly Tile[]} */
  get tiles() {
    return this.#tiles;
  }

  /** All cameras of the wall, also those of other pages. */
  get cameras() {
    return [...this.#cameras];
  }

  get page() {
    return this.#page;
  }

  get pages() {
    return Math.max(1, Math.ceil(this.#cameras.length / this.#capacity()));
  }

  #capacity() {
    return this.#layout === "auto" ? MOST_TILES : Number(this.#layout) ** 2;
  }

  /** @param {Layout} layout Remembered in this browser. */
  setLayout(layout) {
    const first = this.#page * this.#capacity();
    this.#layout = layout;
    settings.set(LAYOUT_KEY, layout);
    this.showPage(Math.floor(first / this.#capacity()));
  }

  /** @param {number} page From 0; another than there are is the nearest. */
  showPage(page) {
    this.#page = Math.max(0, Math.min(page, this.pages - 1));
    this.#openPage();
  }

  /**
   * @param {string} site Its key.
   * @param {string} cam
   */
  find(site, cam) {
    return this.#tiles.find((tile) => tile.site === site && tile.cam === cam);
  }

  /**
   * @param {string} site Its key.
   * @param {string} cam
   */
  has(site, cam) {
    return this.#cameras.some((camera) => camera.site === site && camera.cam === cam);
  }

  /**
   * Opens a tile, or shows where it already is. A full page gives up its oldest.
   * @param {string} site Its key.
   * @param {string} cam
   * @param {number} [clickedMs] Page time of the click.
   */
  watch(site, cam, clickedMs = performance.now()) {
    const known = this.#cameras.findIndex((camera) => camera.site === site && camera.cam === cam);
    if (known !== -1) this.showPage(Math.floor(known / this.#capacity()));
    const open = this.find(site, cam);
    if (open) {
      this.#highlight(open);
      return open;
    }
    const first = this.#page * this.#capacity();
    if (this.#tiles.length >= this.#capacity()) this.#cameras.splice(first, 1);
    this.#cameras.splice(Math.min(first + this.#capacity() - 1, this.#cameras.length), 0, { site, cam });
    return /** @type {Tile} */ (this.#openPage(clickedMs));
  }

  /**
   * Opens all of them. What does not fit on one page is on the next ones, before what was open.
   * @param {readonly Place[]} cameras
   * @param {number} [clickedMs] Page time of the click.
   */
  watchAll(cameras, clickedMs = performance.now()) {
    const added = cameras.filter(({ site, cam }) => !this.has(site, cam));
    if (this.#cameras.length + added.length <= this.#capacity()) {
      this.#cameras.push(...added);
    } else {
      const others = this.#cameras.filter((each) => !cameras.some(({ site, cam }) => site === each.site && cam === each.cam));
      this.#cameras = [...cameras, ...others].slice(0, MOST_CAMERAS);
      this.#page = 0;
    }
    this.#openPage(clickedMs);
  }

  /** @param {Tile} tile */
  close(tile) {
    const index = this.#tiles.indexOf(tile);
    if (index === -1) return;
    const focused = tile.element.contains(document.activeElement);
    this.#cameras = this.#cameras.filter(({ site, cam }) => site !== tile.site || cam !== tile.cam);
    this.showPage(this.#page);
    if (focused) (this.#tiles[Math.min(index, this.#tiles.length - 1)]?.closeButton ?? this.element).focus();
  }

  /**
   * Gives each camera of the page its tile, in order, and takes those of other pages away. Returns
   * the tile that was opened last, if any.
   * @param {number} [clickedMs]
   */
  #openPage(clickedMs = performance.now()) {
    const first = this.#page * this.#capacity();
    const wanted = this.#cameras.slice(first, first + this.#capacity());
    for (const tile of this.#tiles) {
      if (!wanted.some(({ site, cam }) => tile.site === site && tile.cam === cam)) tile.close();
    }
    /** @type {Tile | undefined} */
    let opened;
    this.#tiles = wanted.map((place) => this.find(place.site, place.cam) ?? (opened = this.#openTile(place, clickedMs)));
    for (const [index, { element }] of this.#tiles.entries()) {
      if (element.parentElement !== this.element) this.element.append(element);
      element.style.order = String(index); // moved in the document a video would stop
    }
    this.#arrange();
    return opened;
  }

  /**
   * @param {Place} place
   * @param {number} clickedMs
   */
  #openTile({ site, cam }, clickedMs) {
    return new Tile(this.#connection, this.#store, site, cam, clickedMs, this);
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
    this.#renderPager();
    this.dispatchEvent(new Event("change"));
  }

  #renderPager() {
    const { pages } = this;
    this.pager.hidden = pages === 1;
    setText(this.pageWord, `${translate("page")} `);
    setText(this.pageNumber, `${this.#page + 1}/${pages}`);
    this.previousButton.disabled = this.#page === 0;
    this.nextButton.disabled = this.#page === pages - 1;
  }

  render() {
    this.#renderPager();
    for (const tile of this.#tiles) tile.render();
  }
}
