"""What a viewer's offer and a camera come to: which stream, and how it is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiortc import RTCIceCandidate

from gateway.model.errors import ViewerRejected
from gateway.model.media import VideoFormat
from gateway.model.reasons import Reason
from gateway.model.signalling import Offer
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.reader import Reader
from gateway.streams.stream import Stream
from gateway.webrtc.ice_candidates import Network, usable_candidates
from gateway.webrtc.sdp_answer import choose, pick_codec
from gateway.webrtc.sdp_offer import OfferedCodec, ViewerOffer, parse_offer

OPENING_S = 8.0
"""How long an offer waits for a camera whose codec is not yet known."""


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """What offer and camera came to.

    Attributes:
        offer: The viewer's.
        codec: The payload type chosen.
        candidates: The viewer's addresses that we may check.
        pace_bps: The most we put on the line to this viewer.
    """

    offer: ViewerOffer
    codec: OfferedCodec
    candidates: tuple[RTCIceCandidate, ...]
    pace_bps: float


async def negotiate(
    offer: Offer, watchable: CameraStreams, *, forbidden: tuple[Network, ...], pace_bps: float
) -> tuple[Stream, NegotiatedMedia]:
    """Return the stream that *offer* gets and how, opening the camera if that must be learnt.

    Raises:
        ViewerRejected: 400 the offer is not valid, 404 no such profile, 480 the camera does not
            work, 488 the viewer cannot decode what the camera sends.
    """
    said = parse_offer(offer.sdp)
    streams = [
        (profile, stream)
        for profile, stream in watchable.streams
        if offer.profile in (None, profile)
    ]
    if not streams:
        raise ViewerRejected(404, Reason.NOT_FOUND, "the camera has no such profile")
    formats: list[tuple[str, VideoFormat]] = []
    for profile, stream in streams:
        video = stream.video or await _opened_video(stream, watchable)
        formats.append((profile, video))
        if pick_codec(said, video.codec) is not None:
            break
    profile, codec = choose(said, formats)
    candidates = usable_candidates(said.candidates, forbidden=forbidden)
    return dict(streams)[profile], NegotiatedMedia(said, codec, candidates, pace_bps)


async def _opened_video(stream: Stream, watchable: CameraStreams) -> VideoFormat:
    """Open *stream* to learn what it sends."""
    waiting = Reader(lambda _unit: True)
    trouble = watchable.trouble() if watchable.refused else None
    if trouble is None:
        stream.attach(waiting)
        try:
            async with asyncio.timeout(OPENING_S):
                await stream.until_opened()
        except TimeoutError:
            trouble = watchable.trouble() or (
                Reason.TIMEOUT,
                f"the camera has not answered within {OPENING_S:g} s",
            )
        finally:
            stream.detach(waiting)
    if trouble is not None or stream.video is None:
        reason, detail = trouble or (Reason.TIMEOUT, "the camera has not said what it sends")
        raise ViewerRejected(480, reason, detail)
    return stream.video
