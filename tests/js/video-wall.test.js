import assert from "node:assert/strict";
import { test } from "node:test";

import { clock } from "./support/browser.js";
import { openCentre, SITE } from "./support/centre.js";
import { VideoWall } from "../../gateway/console/static/video-wall.js";

function createWall() {
  const centre = openCentre();
  const element = document.createElement("main");
  const layouts = document.createElement("div");
  const wall = new VideoWall(centre.connection, centre.store, element, layouts);
  return { ...centre, element, layouts, wall };
}

/** @param {string[]} cams */
function wallWith(...cams) {
  const made = createWall();
  for (const cam of cams) made.wall.watch(SITE, cam);
  return made;
}

/** @param {VideoWall} wall */
const camsOf = (wall) => wall.tiles.map(({ cam }) => cam);

/** @param {number} count */
const numbered = (count) => Array.from({ length: count }, (_, at) => `c${at}`);

test("an empty wall says what to do", () => {
  assert.equal(createWall().wall.hint.hidden, false);
});

test("a wall with a tile says nothing", () => {
  assert.equal(wallWith("c01").wall.hint.hidden, true);
});

test("a camera that is watched already is not opened again", () => {
  const { wall } = wallWith("c01");
  const [tile] = wall.tiles;

  assert.equal(wall.watch(SITE, "c01"), tile);
  assert.equal(wall.tiles.length, 1);
});

test("a camera that is watched already is pointed out", () => {
  const { wall } = wallWith("c01");

  const tile = wall.watch(SITE, "c01");

  assert.ok(tile.element.classList.contains("highlighted"));
});

test("the same camera id of another site is another camera", () => {
  const { wall } = wallWith("c01");

  wall.watch("hn-01", "c01");

  assert.equal(wall.tiles.length, 2);
});

/** @type {[tiles: number, columns: string, rows: string][]} */
const AUTOMATIC = [[0, "1", "1"], [1, "1", "1"], [2, "2", "1"], [4, "2", "2"], [5, "3", "2"], [9, "3", "3"], [13, "4", "4"]];
for (const [tiles, columns, rows] of AUTOMATIC) {
  test(`${tiles} tiles are in ${columns} columns and ${rows} rows by themselves`, () => {
    const { element } = wallWith(...numbered(tiles));

    assert.equal(element.dataset.columns, columns);
    assert.equal(element.dataset.rows, rows);
  });
}

test("a seventeenth tile takes the place of the oldest", () => {
  const { wall } = wallWith(...numbered(17));

  assert.deepEqual(camsOf(wall), numbered(17).slice(1));
});

test("a chosen layout has its places, filled or not", () => {
  const { wall, element } = wallWith("c01");

  wall.setLayout("3");

  assert.equal(element.dataset.columns, "3");
  assert.equal(element.dataset.rows, "3");
});

test("what does not fit into a smaller layout is on the next page", () => {
  const { wall } = wallWith("c01", "c02", "c03", "c04", "c05");

  wall.setLayout("2");
  const first = camsOf(wall);
  wall.showPage(1);

  assert.deepEqual([first, camsOf(wall)], [["c01", "c02", "c03", "c04"], ["c05"]]);
});

const all = (/** @type {number} */ count) => numbered(count).map((cam) => ({ site: SITE, cam }));

test("all of 32 cameras are two pages of 16, and no offer is thrown away", async () => {
  const { wall, socket } = createWall();

  wall.watchAll(all(32));
  await clock.tickAsync(0);
  const first = camsOf(wall);
  assert.deepEqual(socket.sentOf("offer").map(({ cam }) => cam), numbered(16));
  wall.showPage(1);

  assert.deepEqual([wall.pages, first, camsOf(wall)], [2, numbered(32).slice(0, 16), numbered(32).slice(16)]);
});

test("pages are told and turned", () => {
  const { wall } = createWall();
  assert.equal(wall.pager.hidden, true);
  wall.watchAll(all(32));

  wall.nextButton.click();

  assert.equal(wall.pager.hidden, false);
  assert.equal(wall.pageText.textContent, "Trang 2/2");
  assert.deepEqual([wall.previousButton.disabled, wall.nextButton.disabled], [false, true]);
});

test("what was open stays, behind what does not fit beside it", () => {
  const { wall } = wallWith("x1");

  wall.watchAll(all(16));

  assert.deepEqual(wall.cameras.map(({ cam }) => cam), [...numbered(16), "x1"]);
  assert.deepEqual(camsOf(wall), numbered(16));
});

test("what fits beside what is open is added", () => {
  const { wall } = wallWith("x1");

  wall.watchAll(all(3));

  assert.deepEqual(camsOf(wall), ["x1", ...numbered(3)]);
});

test("a camera of another page is shown there", () => {
  const { wall } = createWall();
  wall.watchAll(all(32));

  wall.watch(SITE, "c20");

  assert.equal(wall.page, 1);
  assert.equal(wall.cameras.length, 32);
});

test("the last camera of a page takes the page along", () => {
  const { wall } = createWall();
  wall.watchAll(all(17));
  wall.showPage(1);

  wall.close(/** @type {any} */ (wall.tiles[0]));

  assert.deepEqual([wall.page, wall.pages, camsOf(wall)], [0, 1, numbered(16)]);
});

test("the chosen layout's button is pressed", () => {
  const { wall, layouts } = createWall();

  wall.setLayout("2");

  assert.deepEqual(Array.from(layouts.querySelectorAll("[aria-pressed=true]"), ({ textContent }) => textContent), ["2×2"]);
});

test("a click on a layout chooses it", () => {
  const { layouts, element } = createWall();

  /** @type {HTMLButtonElement | null} */ (layouts.querySelector("[data-layout='4']"))?.click();

  assert.equal(element.dataset.columns, "4");
});

test("the layout is remembered", () => {
  createWall().wall.setLayout("3");

  assert.equal(createWall().element.dataset.columns, "3");
});

test("a layout that is not known is not used", () => {
  localStorage.setItem("camera-gateway.layout", "99");

  assert.equal(createWall().layouts.querySelector("[aria-pressed=true]")?.getAttribute("data-layout"), "auto");
});

test("a tile that is closed is gone, and its session has said bye", async () => {
  const { wall, socket, element } = wallWith("c01");

  wall.close(/** @type {any} */ (wall.tiles[0]));

  assert.equal(element.querySelectorAll(".tile").length, 0);
  assert.equal(socket.sentOf("bye").length, 1);
});

test("a tile that is closed twice is closed once", () => {
  const { wall, socket } = wallWith("c01", "c02");
  const tile = /** @type {any} */ (wall.tiles[0]);

  wall.close(tile);
  wall.close(tile);

  assert.deepEqual(camsOf(wall), ["c02"]);
  assert.equal(socket.sentOf("bye").length, 1);
});

test("an enlarged tile is the only one that can be reached", () => {
  const { wall } = wallWith("c01", "c02", "c03");
  const tile = /** @type {any} */ (wall.find(SITE, "c02"));

  wall.enlarge(tile);

  assert.ok(tile.element.classList.contains("enlarged"));
  assert.deepEqual(wall.tiles.map(({ element }) => element.inert), [true, false, true]);
});

test("enlarging it again goes back to the grid", () => {
  const { wall } = wallWith("c01", "c02");
  const tile = /** @type {any} */ (wall.find(SITE, "c02"));
  wall.enlarge(tile);

  wall.enlarge(tile);

  assert.equal(tile.element.classList.contains("enlarged"), false);
  assert.deepEqual(wall.tiles.map(({ element }) => element.inert), [false, false]);
});

test("enlarging nothing goes back to the grid", () => {
  const { wall, element } = wallWith("c01", "c02");
  wall.enlarge(/** @type {any} */ (wall.find(SITE, "c02")));

  wall.enlarge(null);

  assert.equal(element.querySelector(".enlarged"), null);
});

test("when the enlarged tile is closed the others can be reached", () => {
  const { wall } = wallWith("c01", "c02");
  const tile = /** @type {any} */ (wall.find(SITE, "c02"));
  wall.enlarge(tile);

  wall.close(tile);

  assert.deepEqual(wall.tiles.map(({ element }) => element.inert), [false]);
});

test("opening and closing are announced", () => {
  const { wall } = createWall();
  let changes = 0;
  wall.addEventListener("change", () => { changes += 1; });

  const tile = wall.watch(SITE, "c01");
  wall.close(tile);

  assert.equal(changes, 2);
});
