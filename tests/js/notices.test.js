import assert from "node:assert/strict";
import { test } from "node:test";

import "./support/browser.js";
import { Notices } from "../../gateway/console/static/notices.js";

test("a notice is a sentence that can be put away", () => {
  const element = document.createElement("div");
  const notices = new Notices(element);

  notices.show("noticeStorage");
  notices.show("noticeStorage");

  assert.equal(element.children.length, 1);
  assert.match(element.textContent ?? "", /Trình duyệt không cho lưu/);
  element.querySelector("button")?.click();
  assert.equal(element.children.length, 0);
});
