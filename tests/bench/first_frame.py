"""Scenario `first-frame`: from the offer to the first picture presented, in a real Chromium.

One page holds one viewer at a time; signalling is in Python for every relay alike, so that each
pays the same for it. The clock is the page's own: from just before the peer connection is made
(for Janus, which offers itself: before it is asked for the stream) to the first call of
``requestVideoFrameCallback``. That picture may be an old one, of a GOP that is sent again; so
``live`` tells when the picture is of now: from then on pictures are stamped as the camera made
them, no longer squeezed. What is alike for all:

- Another viewer watches all the time, so that the camera has been pulled long since.
- Each relay first serves one viewing that does not count: it opens signalling connections.
- Viewings begin at moments spread evenly over the GOP, from a seed.
- The offer carries all host candidates, as addresses: behind mDNS names, which Chromium would
  otherwise give, some relays take a second for resolving; that is not what is measured.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from gateway.demo.browser_check import ARGUMENTS, CHROMIUM, summary
from tests.bench.measure import SETTLE_S, log, machine, playing, select_relays
from tests.bench.relays import Relay
from tests.bench.signalling import Dialect, dialect
from tests.bench.testbed import Load, NotStarted, Testbed
from tests.bench.throughput import OURS

PICTURES_PER_S = 25
LIVE_STEP_MS = 30
"""Between pictures; 40 as the camera makes them."""
PATIENCE_S = 10.0
"""Beyond one GOP; a picture that has not come by then comes never."""

QUIET_MS = 5
"""After the last candidate; Chromium has them in 5 ms, and ends gathering 120 ms later."""

PAGE = "<!doctype html><video autoplay muted playsinline width=640 height=360></video>"
SCRIPT = """() => {
  const video = document.querySelector("video");
  const gathered = peer => new Promise(resolve => {
    let timer;
    peer.onicecandidate = () => {
      clearTimeout(timer);
      timer = setTimeout(resolve, QUIET_MS);
    };
  });
  let peer, live, first, began, connected;
  const watch = resolve => {
    const mine = peer;
    let last = null;
    const look = (_, seen) => {
      if (peer !== mine) return;
      const now = performance.now() - began;
      first ??= now;
      const step = last && (seen.rtpTimestamp - last.rtpTimestamp) / 90;
      if (last && step >= STEP_MS * (seen.presentedFrames - last.presentedFrames))
        return resolve([first, last.at, connected]);
      last = {rtpTimestamp: seen.rtpTimestamp, presentedFrames: seen.presentedFrames, at: now};
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  };
  const here = async description => {
    const candidates = gathered(peer);
    await peer.setLocalDescription(description);
    await candidates;
    return peer.localDescription.sdp;
  };
  window.bench = {
    begin() {
      first = connected = null;
      began = performance.now();
      peer = new RTCPeerConnection();
      live = new Promise(watch);
      peer.ontrack = event => { video.srcObject = new MediaStream([event.track]); };
      peer.onconnectionstatechange = event => {
        if (event.target.connectionState === "connected") connected ??= performance.now() - began;
      };
    },
    async offer() {
      peer.addTransceiver("video", {direction: "recvonly"});
      return here(await peer.createOffer());
    },
    accept: sdp => peer.setRemoteDescription({type: "answer", sdp}),
    async answer(sdp) {
      await peer.setRemoteDescription({type: "offer", sdp});
      return here(await peer.createAnswer());
    },
    live: () => live,
    first: () => first,
    connected: () => connected,
    stats: () => peer.getStats(),
    end() {
      peer.close();
      video.srcObject = null;
    },
  };
}""".replace("QUIET_MS", str(QUIET_MS)).replace("STEP_MS", str(LIVE_STEP_MS))


class PageViewer:
    """The viewer in the page (`tests.bench.signalling.Viewer`)."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def begin(self) -> None:
        """Make the peer connection and start the clock."""
        await self._page.evaluate("() => bench.begin()")

    async def offer(self) -> str:
        """Return its offer."""
        return str(await self._page.evaluate("() => bench.offer()"))

    async def accept(self, answer: str) -> None:
        """Take the answer."""
        await self._page.evaluate("sdp => bench.accept(sdp)", answer)

    async def answer(self, offer: str) -> str:
        """Return its answer."""
        return str(await self._page.evaluate("sdp => bench.answer(sdp)", offer))

    async def live(self) -> Viewing:
        """Return when the first pictures were presented, as soon as they are live."""
        return Viewing(*await self._page.evaluate("() => bench.live()"))

    async def end(self) -> None:
        """Close the peer connection."""
        await self._page.evaluate("() => bench.end()")


@dataclass(frozen=True, slots=True)
class Viewing:
    """One viewing, in ms since its beginning; None for what did not come."""

    first_ms: float | None = None
    live_ms: float | None = None
    connected_ms: float | None = None


async def view(talk: Dialect, page: Page, late_s: float) -> Viewing:
    """Watch until the picture is live, for *late_s* at most."""
    viewer = PageViewer(page)
    await viewer.begin()
    try:
        async with asyncio.timeout(late_s):
            await talk.connect(0, viewer)
            return await viewer.live()
    except (TimeoutError, RuntimeError) as error:
        log(f"no picture: {error!r}")
        return Viewing()
    finally:
        await viewer.end()


async def many(browser: Browser, word: str, gop_s: int, viewings: int) -> list[Viewing]:
    """Return that many viewings of the relay that speaks *word*."""
    chance = random.Random(gop_s)
    # A fresh page for each relay; `about:blank` may open peer connections on loopback.
    page = await browser.new_page()
    talk = dialect(word)
    found = []
    try:
        await page.set_content(PAGE)
        await page.evaluate(SCRIPT)
        await view(talk, page, gop_s + PATIENCE_S)
        for _ in range(viewings):
            await asyncio.sleep(chance.uniform(0, gop_s))  # the moment within the GOP
            found.append(await view(talk, page, gop_s + PATIENCE_S))
    finally:
        with suppress(RuntimeError):  # Janus may have let the session go
            await talk.close()
        await page.close()
    return found


async def _browse(word: str, gop_s: int, viewings: int) -> list[Viewing]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*ARGUMENTS, "--disable-features=WebRtcHideLocalIpsWithMdns"],
            headless=True,
        )
        try:
            return await many(browser, word, gop_s, viewings)
        finally:
            await browser.close()


def once(relay: Relay, load: Load, gop_s: int, viewings: int) -> list[Viewing]:
    """Return the viewings of *relay*; none, aloud, if it does not come up."""
    with Testbed() as testbed:
        try:
            url = testbed.camera(load)
            with playing(testbed, relay, load, [url]) as (running, _):
                time.sleep(SETTLE_S + gop_s)
                return asyncio.run(_browse(running.dialect, gop_s, viewings))
        except NotStarted as error:
            log(f"{relay.name} with a GOP of {gop_s} s: {error}")
            return []


def figures(name: str, gop_s: int, seen: Sequence[Viewing]) -> dict[str, Any]:
    """Return what is printed of one relay with one GOP."""
    first = summary([each.first_ms for each in seen])
    live = summary([each.live_ms for each in seen])["first_frame_ms"]
    connected = summary([each.connected_ms for each in seen])["first_frame_ms"]
    return {
        "relay": name,
        "gop_s": gop_s,
        **{f"{cut}_ms": value for cut, value in first["first_frame_ms"].items()},
        "never": first["never"],
        "live_p50_ms": live["p50"],
        "live_p95_ms": live["p95"],
        "connected_p50_ms": connected["p50"],
    }


def first_frame(
    names: str | None, load: Load, gops: Sequence[int], viewings: int
) -> dict[str, Any]:
    """Return the time to the first picture for each relay and GOP; ratios are of medians."""
    relays = select_relays(names, joining=True)
    results = []
    for gop_s in gops:
        # Two that watch all the time: a relay is told that viewers share the camera.
        asked = replace(load, viewers=2, gop=gop_s * PICTURES_PER_S)
        block = []
        for relay in relays:
            if seen := once(relay, asked, gop_s, viewings):
                block.append(figures(relay.name, gop_s, seen))
                log(" ".join(f"{key}={value}" for key, value in block[-1].items()))
        ours = next((each["p50_ms"] for each in block if each["relay"] == OURS), None)
        for each in block:
            p50_ms = each["p50_ms"]
            each["ratio_to_us"] = round(p50_ms / ours, 2) if ours and p50_ms else None
        results += block
    return {
        "scenario": "first-frame",
        "mbps": load.kbps / 1000,
        "obedient": load.obedient,
        "beside": load.beside,
        "viewings": viewings,
        "machine": machine(),
        "results": results,
    }
