import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, NOW_MS } from "./support/browser.js";
import { serverNowMs, setServerTime } from "../../gateway/console/static/server-clock.js";

test("until the server has told, its time is this screen's", () => {
  assert.equal(serverNowMs(), NOW_MS);
});

test("a screen whose clock is an hour late shows the server's time", () => {
  setServerTime(NOW_MS + 3_600_000);

  assert.equal(serverNowMs(), NOW_MS + 3_600_000);
});

test("the server's time goes on", () => {
  setServerTime(NOW_MS - 60_000);

  clock.tick(5_000);

  assert.equal(serverNowMs(), NOW_MS - 55_000);
});
