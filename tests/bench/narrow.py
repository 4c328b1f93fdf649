"""Scenario `narrow`: what a real Chromium shows of a camera over a line that cannot carry it.

The camera sends 1080p at 4 Mb/s with a keyframe every 2 s, and a sub-stream of 1 Mb/s where it is
told to; both are recorded once and sent in a loop. The line (`tests.bench.line`) lies between the
relay and the browser. Told of each viewing: the first frame and the frames decoded in each second
after it, freezes as the browser counts them, the picture's height, and how much was sent for that.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.async_api import Page, async_playwright

from gateway.demo.browser_check import ARGUMENTS, CHROMIUM
from tests.bench.first_frame import PAGE, SCRIPT, PageViewer
from tests.bench.line import Line, LineQuality, without_candidates
from tests.bench.measure import log, machine, select_relays
from tests.bench.relays import Relay
from tests.bench.relays.ours import CameraGateway
from tests.bench.signalling import dialect
from tests.bench.testbed import NotStarted, Testbed, python

CALM_S = 2.0
SAMPLE_S = 0.25

_READ = """async () => {
  const report = await bench.stats();
  return [...report.values()].find(each => each.type === "inbound-rtp" && each.kind === "video");
}"""


@dataclass(frozen=True, slots=True)
class Case:
    """One line and one camera.

    Attributes:
        name: Of the case.
        line: How bad the line is.
        sub: Whether the camera has a sub-stream.
    """

    name: str
    line: LineQuality
    sub: bool


CASES = (
    Case("4 over 2.5 Mb/s, sub", LineQuality(mbps=2.5), True),
    Case("4 over 2.5 Mb/s, no sub", LineQuality(mbps=2.5), False),
    Case("4 over 0.3 Mb/s, sub", LineQuality(mbps=0.3), True),
    Case("4 over 0.3 Mb/s, no sub", LineQuality(mbps=0.3), False),
    Case("5 % lost at random", LineQuality(loss=0.05), False),
    Case("a good line", LineQuality(), True),
)


class LineViewer(PageViewer):
    """A viewer behind *line*: neither end learns the other's address."""

    def __init__(self, page: Page, line: Line) -> None:
        super().__init__(page)
        self._line = line

    async def offer(self) -> str:
        """Return its offer."""
        return without_candidates(await super().offer())

    async def accept(self, answer: str) -> None:
        """Take the answer."""
        await super().accept(self._line.through(answer))

    async def answer(self, offer: str) -> str:
        """Return its answer."""
        return without_candidates(await super().answer(self._line.through(offer)))


async def watch(word: str, quality: LineQuality, seconds: float) -> dict[str, Any]:
    """Return what Chromium shows in *seconds* of the relay that speaks *word*."""
    async with async_playwright() as playwright, Line(quality) as line:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*ARGUMENTS, "--disable-features=WebRtcHideLocalIpsWithMdns"],
            headless=True,
        )
        talk = dialect(word)
        try:
            page = await browser.new_page()
            await page.set_content(PAGE)
            await page.evaluate(SCRIPT)
            viewer = LineViewer(page, line)
            await viewer.begin()
            began_s = time.monotonic()
            connecting = asyncio.create_task(talk.connect(0, viewer), name="connect")
            samples = await _sample(page, began_s, seconds)
            await connecting
            first_ms, connected_ms = await page.evaluate("() => [bench.first(), bench.connected()]")
        finally:
            await talk.close()
            await browser.close()
        return figures(samples, first_ms, seconds) | {
            "connected_ms": round(connected_ms) if connected_ms else None,
            "sent_mbps": round(line.down.passed_bytes * 8e-6 / seconds, 2),
            "line_dropped": line.down.dropped,
        }


async def received(page: Page) -> dict[str, Any] | None:
    """Return Chromium's counters of the video (W3C ``RTCInboundRtpStreamStats``), if there are."""
    found: dict[str, Any] | None = await page.evaluate(_READ)
    return found


async def _sample(page: Page, began_s: float, seconds: float) -> list[tuple[float, dict[str, Any]]]:
    """Return the counters of the received video, with their times since *began_s*."""
    samples = []
    while (at_s := time.monotonic() - began_s) < seconds:
        found = await received(page)
        if found is not None:
            samples.append((at_s, found))
        await asyncio.sleep(SAMPLE_S)
    return samples


def figures(
    samples: Sequence[tuple[float, dict[str, Any]]], first_ms: float | None, seconds: float
) -> dict[str, Any]:
    """Return what is printed of one viewing."""
    last = samples[-1][1] if samples else {}
    decoded = [(at_s, each.get("framesDecoded", 0)) for at_s, each in samples]
    per_s = []
    for second in range(int(seconds)):
        before = [count for at_s, count in decoded if at_s <= second]
        until = [count for at_s, count in decoded if at_s <= second + 1]
        per_s.append((until[-1] if until else 0) - (before[-1] if before else 0))
    rest = per_s[int((first_ms or 0) / 1000) + 1 :] if first_ms else []
    changes = [at_s for (at_s, a), (_, b) in zip(decoded[1:], decoded, strict=False) if a > b]
    gaps = [b - a for a, b in pairwise([*changes, seconds])]
    return {
        "first_ms": round(first_ms) if first_ms else None,
        "frames_per_s": per_s,
        "fps_after": round(sum(rest) / len(rest), 1) if rest else 0.0,
        "least_per_s": min(rest, default=0),
        "longest_gap_s": round(max(gaps, default=0.0), 1),
        "freezes": last.get("freezeCount", 0),
        "freezes_at_s": [
            round(at_s, 1)
            for (_, a), (at_s, b) in pairwise(samples)
            if b.get("freezeCount", 0) > a.get("freezeCount", 0)
        ],
        "freezes_s": round(last.get("totalFreezesDuration", 0.0), 1),
        "heights": list(dict.fromkeys(each.get("frameHeight") for _, each in samples)),
        "pli": last.get("pliCount", 0),
        "nack": last.get("nackCount", 0),
        "lost": last.get("packetsLost", 0),
        "received": last.get("packetsReceived", 0),
    }


def start_camera(testbed: Testbed, size: str, bps: int) -> str:
    """Start a camera; return its URL."""
    command = python("gateway.demo.cameras", "--count", 1, "--recorded", "--noise")
    command += ["--size", size, "--bitrate", str(bps)]
    process = testbed.start(command, talks=True)
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["cameras"][0]["url"])


def once(relay: Relay, case: Case, seconds: float) -> dict[str, Any]:
    """Return what is seen of *relay* in *case*."""
    with Testbed() as testbed:
        try:
            main = start_camera(testbed, "1920x1080", 4_000_000)
            sub = start_camera(testbed, "640x360", 1_000_000) if case.sub else None
            if sub is not None and isinstance(relay, CameraGateway):
                relay = CameraGateway(subs=[sub])  # the others know nothing of sub-streams
            running = relay.start(testbed, [main], 2)
            time.sleep(CALM_S)
            seen = asyncio.run(watch(running.dialect, case.line, seconds))
        except (NotStarted, ValueError, RuntimeError, OSError) as error:
            log(f"{relay.name}, {case.name}: {error!r}")
            seen = {"failed": str(error) or type(error).__name__}
    return {"relay": relay.name, "case": case.name, **seen}


def narrow(names: str | None, rounds: int, seconds: float, only: str | None) -> dict[str, Any]:
    """Return what each relay shows in each case, in turn; *only*: part of the cases' names."""
    relays = select_relays(names, joining=True)
    results = []
    for _ in range(rounds):
        for case in CASES:
            if only is None or only in case.name:
                for relay in relays:
                    results.append(once(relay, case, seconds))
                    log(json.dumps(results[-1]))
    return {"scenario": "narrow", "machine": machine(), "results": results}
