// Runs first, as a classic script without imports: whatever breaks afterwards, a module that does
// not load included, is said in a sentence with a way on. The sentences stand in index.html.

"use strict";

{
  const START_LIMIT_MS = 15_000;
  const RELOAD_AFTER_MS = 30_000;
  const DETAIL_LENGTH = 300;
  /** Said by browsers when a row has grown while it was measured; nothing is lost. */
  const HARMLESS = /^ResizeObserver loop/;
  /** Controls and formats, which modules show as escapes (plain-text.js). */
  const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;
  const root = document.documentElement;
  let faults = 0;

  /** @param {string} detail */
  const report = (detail) => {
    if (HARMLESS.test(detail)) return;
    faults += 1;
    root.dataset.faults = String(faults);
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", () => show(detail), { once: true });
    else show(detail);
  };

  /** @param {string} detail */
  const show = (detail) => {
    const [bar, text, started, notStarted] = ["fault", "fault-detail", "fault-running", "fault-start"].map((id) => document.getElementById(id));
    if (!bar || !text || !started || !notStarted) return;
    text.textContent = detail.slice(0, DETAIL_LENGTH).replace(UNSEEN, "\u00b7");
    started.hidden = !root.hasAttribute("data-ready");
    notStarted.hidden = root.hasAttribute("data-ready");
    bar.hidden = false;
  };

  addEventListener("error", (event) => {
    const { target } = event;
    if (target instanceof HTMLScriptElement) report(`${target.src}?`);
    else if (target instanceof HTMLLinkElement && target.rel === "stylesheet") report(`${target.href}?`);
    else if (event instanceof ErrorEvent) report(event.message);
  }, true);
  addEventListener("unhandledrejection", ({ reason }) => report(reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason)));

  addEventListener("DOMContentLoaded", () => {
    document.getElementById("fault-close")?.addEventListener("click", () => {
      const bar = document.getElementById("fault");
      if (bar) bar.hidden = true;
    });
  });
  setTimeout(() => {
    if (!root.hasAttribute("data-ready")) report(`${START_LIMIT_MS / 1000} s`);
  }, START_LIMIT_MS);
  // A wall that nobody attends tries again by itself.
  setTimeout(() => {
    if (!root.hasAttribute("data-ready")) location.reload();
  }, RELOAD_AFTER_MS);
}
