"""The order of choice for a viewer who comes: a pure function.

The main stream untouched; the sub-stream untouched; a transcode of the cheaper; a small picture,
a few times a second, of the cheapest that is open, so that it comes at once. The first is what
the viewer gets, the others are for when the line does not carry that. Where nothing can be
transcoded a stream with an obstacle is better than none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.model.media import Codec
from gateway.model.quality import StreamQuality

TRANSCODED_CODEC: Codec = "h264"


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What is known of one of a camera's own streams.

    Attributes:
        quality: ``MAIN`` or ``SUB``.
        codec: What it sends; None: not known yet.
        obstacle: Why no browser shows it as it is (B-frames, interlace, pixels that are not
            square, or not 4:2:0 of 8 bits); empty: one may.
        bps: Its mean rate; None: not known.
        playing: Whether it is open, and pictures have come.
        decodable: Whether it can be transcoded, as far as is known.
    """

    quality: StreamQuality
    codec: Codec | None
    obstacle: str = ""
    bps: float | None = None
    playing: bool = False
    decodable: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """One level of a viewer.

    Attributes:
        quality: ``MAIN`` or ``SUB`` untouched, ``TRANSCODED`` or ``REDUCED``.
        source: Which of the camera's streams that is, or is made of.
        codec: What is sent; None: that of the first, as far as is known.
    """

    quality: StreamQuality
    source: StreamQuality
    codec: Codec | None


def choose(
    streams: Sequence[StreamFacts],
    *,
    takes: Callable[[Codec], bool],
    transcoder: bool,
    asked: StreamQuality | None = None,
    line_bps: float | None = None,
) -> tuple[Choice, ...]:
    """Return what a viewer may be sent, best first; none if it can show nothing of the camera.

    They may be of several codecs, of all of which the viewer has payload types.

    Args:
        streams: The camera's, best first; at least one.
        takes: Whether the viewer has a payload type for a codec.
        transcoder: Whether streams can be transcoded here.
        asked: The only one that the viewer wants; None: the best that it can show.
        line_bps: What its line carries, if that is known.
    """
    wanted = [each for each in streams if asked in (None, each.quality)]
    listed = [
        Choice(each.quality, each.quality, each.codec)
        for each in streams
        if not each.obstacle and (each.codec is None or takes(each.codec))
    ]
    if listed and listed[0].quality not in [each.quality for each in wanted]:
        first = [each for each in listed if each.quality is asked]
        listed = listed[listed.index(first[0]) :] if first else []
    decodable = [each for each in wanted if each.decodable]
    if transcoder and takes(TRANSCODED_CODEC) and decodable:
        listed.append(Choice(StreamQuality.TRANSCODED, decodable[-1].quality, TRANSCODED_CODEC))
        open_ones = [each.quality for each in decodable if each.playing]
        same = [each.quality for each in decodable if each.quality is listed[0].source]
        source = (open_ones or same or [decodable[-1].quality])[-1]
        listed.append(Choice(StreamQuality.REDUCED, source, TRANSCODED_CODEC))
    if line_bps is not None:
        wide = {each.quality for each in streams if (each.bps or 0.0) > line_bps}
        listed = [each for each in listed if each.quality not in wide] or listed
    while listed and listed[0].codec is None:
        listed.pop(0)
    if not listed:
        shown = (each for each in wanted if each.codec is not None and takes(each.codec))
        return tuple(Choice(each.quality, each.quality, each.codec) for each in shown)[:1]
    return tuple(listed)
