"""Which depacketizer a video needs."""

from __future__ import annotations

from gateway.model.media import SourceCounters
from gateway.rtp.codecs import PICTURE_HEADS
from gateway.rtsp.budget import CameraBudget
from gateway.rtsp.sdp import Description
from gateway.sources.depacketizer import Depacketizer
from gateway.sources.marker_trust import MarkerTrust
from gateway.sources.picture_depacketizer import PictureDepacketizer, picture_assembler
from gateway.sources.timeline import Timeline


def create_depacketizer(
    description: Description,
    *,
    timeline: Timeline,
    counters: SourceCounters,
    payload_bytes: int,
    budget: CameraBudget | None,
    markers: MarkerTrust | None = None,
) -> Depacketizer | PictureDepacketizer:
    """Return what makes access units of the video that *description* offers.

    Args:
        description: Of one session.
        timeline: Gives each picture its time; outlives the session.
        counters: Where losses and the rest are counted.
        payload_bytes: Largest payload to deliver, where payloads are sent to viewers.
        budget: What the camera may cost; None: as much as it sends.
        markers: What is known of its marker bits, also from sessions before; None: nothing.
    """
    video, payload_type = description.video, description.payload_type
    if video.codec in PICTURE_HEADS:
        return PictureDepacketizer(
            picture_assembler(video, description.size),
            payload_type=payload_type,
            timeline=timeline,
            counters=counters,
            budget=budget,
        )
    return Depacketizer(
        video,
        payload_type=payload_type,
        timeline=timeline,
        counters=counters,
        payload_bytes=payload_bytes,
        budget=budget,
        markers=markers,
    )
