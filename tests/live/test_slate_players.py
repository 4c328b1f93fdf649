"""Players that nobody here wrote show a camera, its slate, and the camera again: one session."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from gateway.demo.encoder import EncoderSettings
from gateway.model.media import Codec
from gateway.model.signalling import Answer
from tests.bench.first_frame import PAGE, SCRIPT, PageViewer
from tests.bench.narrow import received
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.decoding import is_slate, media_of
from tests.fixtures.site import cameras, site
from tests.fixtures.viewer import Packet
from tests.live.test_slates import one_camera, shown_after, until_seen, watch

pytestmark = pytest.mark.live

RECEIVER = Path(__file__).parents[1] / "fixtures" / "gst_receiver.py"

_DARK = """() => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [64, 36];
  const context = canvas.getContext("2d");
  context.drawImage(document.querySelector("video"), 0, 0, 64, 36);
  const pixels = context.getImageData(0, 0, 64, 36).data;
  let dark = 0;
  for (let at = 0; at < pixels.length; at += 4) dark += pixels[at] < 40;
  return dark / (64 * 36);
}"""
"""The share of the picture that is nearly black: most of a slate, little of a camera."""


async def until_shown(page: Page, *, slate: bool, pictures: int) -> dict[str, Any]:
    """Return Chromium's counters once it shows what is meant, and so many pictures more."""
    first = None
    async with asyncio.timeout(HANG_S):
        while True:
            found = await received(page)
            dark = await page.evaluate(_DARK) if found and found.get("framesDecoded") else None
            if found is not None and dark is not None and (dark > 0.7) is slate:
                first = found["framesDecoded"] if first is None else first
                if found["framesDecoded"] >= first + pictures:
                    return found
            await asyncio.sleep(0.1)


async def test_chromium_shows_both_in_one_session(
    tmp_path: Path, broker: Broker, chromium: Browser
) -> None:
    """The camera, the slate, and the camera again, without being told anything."""
    page = await (await chromium.new_context()).new_page()
    await page.set_content(PAGE)
    await page.evaluate(SCRIPT)
    viewer = PageViewer(page)
    async with site(tmp_path, broker, cameras(1)) as running:
        await viewer.begin()
        said = await running.ask(0, await viewer.offer())
        assert isinstance(said, Answer), said
        await viewer.accept(said.sdp)
        before = await until_shown(page, slate=False, pictures=5)
        running.recorders[0].kill()
        shown = await until_shown(page, slate=True, pictures=3)
        await running.recorders[0].open_port()
        after = await until_shown(page, slate=False, pictures=10)

    assert before["ssrc"] == shown["ssrc"] == after["ssrc"]
    assert before["codecId"] == after["codecId"]
    assert (shown["frameWidth"], shown["frameHeight"]) == (320, 180)
    assert shown["keyFramesDecoded"] > before["keyFramesDecoded"]


def raw(packet: Packet) -> bytes:
    """Return *packet* as it was sent."""
    second = packet.marker << 7 | packet.payload_type
    head = bytes([0x80, second]) + packet.seq.to_bytes(2, "big") + packet.time.to_bytes(4, "big")
    return head + packet.ssrc.to_bytes(4, "big") + packet.payload


def shown_by(decoder: str, codec: Codec, packets: list[Packet]) -> dict[str, Any]:
    """Return what GStreamer's *decoder* makes of *packets*."""
    pieces = [raw(packet) for packet in packets]
    done = subprocess.run(
        ["/usr/bin/python3", str(RECEIVER), codec, decoder],
        input=b"".join(len(piece).to_bytes(2, "big") + piece for piece in pieces),
        stdout=subprocess.PIPE,
        timeout=HANG_S,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("codec", "decoders"),
    [("h264", ("avdec_h264", "openh264dec")), ("h265", ("avdec_h265", "libde265dec"))],
)
async def test_gstreamer_decodes_both_in_one_stream(
    tmp_path: Path, broker: Broker, codec: Codec, decoders: tuple[str, ...]
) -> None:
    """By its own depacketizer, and by decoders of different makers."""
    settings = EncoderSettings(codec, 640, 360, 25, 1.0, 300_000)
    async with site(tmp_path, broker, one_camera(settings)) as running:
        viewer = await watch(running, codec)
        await until_seen(viewer, lambda pictures: len(pictures) > 5, codec)
        running.recorders[0].kill()
        await until_seen(viewer, lambda pictures: bool(shown_after(pictures, 2)), codec)
        await running.recorders[0].open_port()
        await until_seen(viewer, lambda pictures: not is_slate(pictures[-1]), codec)
        media = media_of(viewer)
    whole = media[: max(at for at, packet in enumerate(media) if packet.marker) + 1]

    for decoder in decoders:
        found = shown_by(decoder, codec, whole)

        assert found["error"] == ""
        assert found["pictures"] == len({packet.time for packet in whole}), decoder
        assert found["sizes"] == [[640, 360]]
