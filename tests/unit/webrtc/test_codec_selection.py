"""Which stream an offer gets: untouched where the viewer can show it, else transcoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model.errors import ViewerRejected
from gateway.model.media import Codec, SourceCounters, VideoFormat
from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason
from gateway.ports import Sink
from gateway.runtime.clock import SystemClock
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.gop_cache import GopCache
from gateway.streams.slate import Slate
from gateway.streams.stream import Stream
from gateway.webrtc.codec_selection import negotiate
from gateway.webrtc.sdp_offer import ViewerOffer, parse_offer

CHROMIUM = (Path(__file__).parents[2] / "data/sdp/chromium.sdp").read_bytes().decode()


class Nothing:
    """A source that is never opened."""

    def __init__(self) -> None:
        self.counters = SourceCounters()

    async def run(self, sink: Sink) -> None:
        raise AssertionError(sink)

    async def check(self) -> None:
        return None


def stream(codec: Codec) -> Stream:
    made = Stream(
        Nothing(),
        warm=False,
        linger_s=0,
        gop=GopCache(limit_bytes=1000, limit_s=1),
        clock=SystemClock(),
    )
    made.video = VideoFormat(codec)
    return made


class Camera:
    """A camera whose profiles have these codecs; in *obstacles* no browser shows them."""

    def __init__(self, transcodes: bool = True, obstacles: str = "", **codecs: Codec) -> None:
        self.streams = {name: stream(codec) for name, codec in codecs.items()}
        self.transcodes = {name: stream("h264") for name in codecs if transcodes}
        self.reduced = {name: stream("h264") for name in codecs if transcodes}
        self.offer = CameraStreams(
            tuple(self.streams.items()),
            transcodes=tuple(self.transcodes.items()),
            reduced=tuple(self.reduced.items()),
            obstacle=lambda each: (
                "B-frames" if each in map(self.streams.get, obstacles.split()) else ""
            ),
        )


async def choose(
    camera: Camera, profile: str | None = None, offer: ViewerOffer | None = None
) -> str:
    """Return which stream a Chromium without H.265 gets."""
    chosen, media = await negotiate(
        offer or parse_offer(CHROMIUM), camera.offer, profile=profile, pace_bps=1e6
    )
    assert media.codec.name == "h264"
    plain = {each: name for name, each in camera.streams.items()}
    transcoded = {each: f"{name} transcoded" for name, each in camera.transcodes.items()}
    return (plain | transcoded)[next(iter(chosen.values()))]


@pytest.mark.parametrize(
    ("camera", "profile", "chosen"),
    [
        (Camera(main="h264", sub="h264"), None, "main"),
        (Camera(main="h265", sub="h264"), None, "sub"),
        (Camera(main="h265", sub="h264"), "main", "main transcoded"),
        (Camera(main="h265"), None, "main transcoded"),
        (Camera(main="h265", sub="h265"), None, "sub transcoded"),
        (Camera(main="h264", obstacles="main"), None, "main transcoded"),
        (Camera(main="h264", sub="h264", obstacles="main"), None, "sub"),
        (Camera(main="h264", sub="h264", obstacles="main sub"), None, "sub transcoded"),
        (Camera(main="h264", obstacles="main", transcodes=False), None, "main"),
    ],
)
async def test_what_a_viewer_gets(camera: Camera, profile: str | None, chosen: str) -> None:
    """Untouched first, the sub-stream too; then the transcode of the cheapest that was asked for.

    Without transcoding B-frames are sent as ever.
    """
    assert await choose(camera, profile) == chosen


async def test_without_transcoding_a_viewer_without_h265_is_refused() -> None:
    """488 with what there is."""
    with pytest.raises(ViewerRejected, match="main: h265"):
        await choose(Camera(main="h265", transcodes=False))


async def test_a_viewer_without_h264_is_refused() -> None:
    """A transcode is H.264 as well."""
    offer = parse_offer(CHROMIUM.replace("H264", "VP9"))
    with pytest.raises(ViewerRejected, match="main: h265"):
        await choose(Camera(main="h265"), offer=offer)


async def test_the_least_of_a_viewer_is_the_reduced_picture() -> None:
    """Made of what is open for it already; this machine is asked before it is."""
    camera = Camera(main="h264", sub="h264")
    asked: list[Stream] = []

    def refuse(each: Stream) -> str:
        asked.append(each)
        return "full"

    offer = replace(camera.offer, admit_transcode=refuse)

    chosen, media = await negotiate(parse_offer(CHROMIUM), offer, profile=None, pace_bps=1e6)

    assert list(chosen) == [each for each in ViewLevel if each is not ViewLevel.KEYFRAMES]
    least = chosen[ViewLevel.REDUCED]
    assert least is camera.reduced["main"]
    assert [media.refused(each) for each in chosen.values()] == ["", "", "full", "full"]
    assert asked == [chosen[ViewLevel.TRANSCODED], least]


MODERN = CHROMIUM.replace("a=rtpmap:43 H264", "a=rtpmap:43 H265")
"""As of a browser that has H.265 as well."""


@pytest.mark.parametrize(
    ("camera", "offered", "codecs"),
    [
        (Camera(main="h265", sub="h264"), MODERN, "h265 h264"),
        (Camera(main="h265", sub="h265"), MODERN, "h265 h264"),
        (Camera(main="h265", sub="h265", transcodes=False), MODERN, "h265"),
        (Camera(main="h264", sub="h265"), MODERN, "h264 h265"),
        (Camera(main="h264", sub="h264"), MODERN, "h264"),
        (Camera(main="h265", sub="h264"), CHROMIUM, "h264"),
    ],
)
async def test_lesser_levels_may_be_of_another_codec(
    camera: Camera, offered: str, codecs: str
) -> None:
    """A viewer with both goes from an H.265 main stream to an H.264 sub-stream, or a transcode."""
    _, media = await negotiate(parse_offer(offered), camera.offer, profile=None, pace_bps=1e6)

    assert [each.name for each in media.codecs] == codecs.split()
    every: tuple[Codec, ...] = ("h264", "h265")
    taken = [each for each in every if media.takes(VideoFormat(each))]
    assert sorted(taken) == sorted(codecs.split())


@pytest.mark.parametrize(
    ("asked", "trouble", "shown"),
    [
        (True, None, "main transcoded"),
        (True, Reason.UNREACHABLE, "main transcoded"),
        (False, None, "transcoded"),
        (False, Reason.UNREACHABLE, ""),
    ],
)
async def test_of_which_streams_a_slate_stands_in(
    asked: bool, trouble: Reason | None, shown: str
) -> None:
    """Who reads the camera's state is shown only what is not in it: a transcode that fails."""
    camera = Camera(main="h265")
    streams = {"main": camera.streams["main"], "transcoded": camera.transcodes["main"]}
    offer = replace(
        camera.offer,
        trouble=lambda: None if trouble is None else (trouble, ""),
        slate=lambda each, _codec: Slate(Reason.STALLED, each),
    )
    _, media = await negotiate(
        parse_offer(CHROMIUM), offer, profile=None, pace_bps=1e6, slates=asked
    )

    found = [name for name, each in streams.items() if media.slates.find(each) is not None]
    assert " ".join(found) == shown
    assert media.slates.troubled() == (asked and trouble is not None)
