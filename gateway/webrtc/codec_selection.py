"""Which of a camera's streams a viewer gets, and as which payload type (JSEP, RFC 8829)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from aiortc import RTCIceCandidate

from gateway.model.errors import ViewerRejected
from gateway.model.media import Codec, VideoFormat
from gateway.model.reasons import Reason
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.reader import Reader
from gateway.streams.stream import Stream
from gateway.webrtc.sdp_offer import OfferedCodec, ViewerOffer

OPENING_S = 8.0
"""How long an offer waits for a camera whose codec is not yet known."""


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """How a stream is sent to one viewer.

    Attributes:
        offer: The viewer's.
        codec: The payload type chosen.
        candidates: The viewer's addresses that may be checked.
        pace_bps: The most to be put on the line to this viewer, in bits per second.
    """

    offer: ViewerOffer
    codec: OfferedCodec
    candidates: tuple[RTCIceCandidate, ...]
    pace_bps: float


async def negotiate(
    offer: ViewerOffer,
    camera: CameraStreams,
    *,
    profile: str | None,
    candidates: tuple[RTCIceCandidate, ...],
    pace_bps: float,
) -> tuple[Stream, NegotiatedMedia]:
    """Return the stream that *offer* gets, and how it is sent.

    Opens the camera if it is not known yet what it sends; that takes `OPENING_S` at most.

    Args:
        offer: The viewer's.
        camera: What there is to watch.
        profile: The only one the viewer wants; None: the best that it can decode.
        candidates: The viewer's addresses that may be checked.
        pace_bps: The most to be put on the line to this viewer, in bits per second.

    Raises:
        ViewerRejected: 404 no such profile, 480 the camera does not work, 488 the viewer cannot
            decode what the camera sends, 503 it would have to be transcoded and this machine
            cannot carry one more.
    """
    streams = {name: stream for name, stream in camera.streams if profile in (None, name)}
    if not streams:
        raise ViewerRejected(404, Reason.NOT_FOUND, "the camera has no such profile")
    formats: list[tuple[str, VideoFormat]] = []
    for name, stream in streams.items():
        video = stream.video or await _learn_format(stream, camera)
        formats.append((name, video))
        if pick_codec(offer, video.codec) is not None and not camera.obstacle(stream):
            return stream, _media(offer, video.codec, candidates, pace_bps)
    transcoded = [stream for name, stream in camera.transcodes if name in streams]
    if transcoded and pick_codec(offer, "h264") is not None:
        refused = camera.admit_transcode(transcoded[-1])
        if refused:
            raise ViewerRejected(503, Reason.TRANSCODING_FULL, refused)
        return transcoded[-1], _media(offer, "h264", candidates, pace_bps)
    chosen, codec = choose_profile(offer, formats)
    return streams[chosen], NegotiatedMedia(offer, codec, candidates, pace_bps)


def _media(
    offer: ViewerOffer,
    codec: Codec,
    candidates: tuple[RTCIceCandidate, ...],
    pace_bps: float,
) -> NegotiatedMedia:
    chosen = pick_codec(offer, codec)
    assert chosen is not None
    return NegotiatedMedia(offer, chosen, candidates, pace_bps)


def pick_codec(offer: ViewerOffer, codec: Codec) -> OfferedCodec | None:
    """Return the payload type of *offer* that carries *codec*; None if the viewer has none.

    For H.264 only packetization-mode 1 will do, since cameras send FU-A (RFC 6184 §6.3); among
    those constrained baseline comes first.
    """
    fitting = [c for c in offer.codecs if c.name == codec]
    if codec == "h264":
        fitting = [c for c in fitting if c.parameters.get("packetization-mode") == "1"]
        fitting.sort(key=lambda c: not c.parameters.get("profile-level-id", "").startswith("42e0"))
    return fitting[0] if fitting else None


def choose_profile(
    offer: ViewerOffer, formats: Iterable[tuple[str, VideoFormat]]
) -> tuple[str, OfferedCodec]:
    """Return the first profile of *formats* that the viewer can decode, and the payload type.

    Raises:
        ViewerRejected: 488, naming what the camera sends and what the viewer lacks.
    """
    seen = []
    for profile, video in formats:
        codec = pick_codec(offer, video.codec)
        if codec is not None:
            return profile, codec
        seen.append(f"{profile}: {video.codec}")
    raise ViewerRejected(
        488, Reason.UNSUPPORTED_CODEC, f"the viewer takes none of {', '.join(seen)}"
    )


async def _learn_format(stream: Stream, camera: CameraStreams) -> VideoFormat:
    """Open *stream* to learn what it sends. Raises ViewerRejected (480) if it does not say so."""
    waiting = Reader(lambda _unit: True)
    trouble = camera.trouble() if camera.refused else None
    if trouble is None:
        stream.attach(waiting)
        try:
            async with asyncio.timeout(OPENING_S):
                await stream.until_opened()
        except TimeoutError:
            trouble = camera.trouble() or (
                Reason.TIMEOUT,
                f"the camera has not answered within {OPENING_S:g} s",
            )
        finally:
            stream.detach(waiting)
    if trouble is not None or stream.video is None:
        reason, detail = trouble or (Reason.TIMEOUT, "the camera has not said what it sends")
        raise ViewerRejected(480, reason, detail)
    return stream.video
