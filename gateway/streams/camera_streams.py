"""What may be watched of one camera, for whoever attaches readers to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.streams.slate import Slate
from gateway.streams.stream import Stream


@dataclass(frozen=True, slots=True)
class CameraStreams:
    """A camera that is configured and enabled, whether or not it works now.

    Attributes:
        streams: Profile and stream, best first. Never empty.
        trouble: Returns reason and detail of what keeps a viewer waiting; None while the camera
            works, is idle or is being opened.
        refused: Whether it will not work until something is changed, so that waiting is useless.
        transcodes: Profile of the source, and its stream as H.264 that every browser shows, in the
            same order as `streams`. Empty: nothing is transcoded here.
        reduced: The same as a small picture for a very narrow line.
        admit_transcode: Called with one of these two before a viewer is given it; returns why this
            machine cannot carry it, or nothing.
        slate: Returns what stands in for a stream that does not come, for viewers who get it as a
            codec; None: there is nothing.
        obstacle: Returns why no browser shows a stream of `streams` as it is; empty: one may.
        oversized: Returns whether the pictures of a stream of `streams` are too large to be
            transcoded.
    """

    streams: tuple[tuple[str, Stream], ...]
    trouble: Callable[[], tuple[Reason, str] | None] = lambda: None
    refused: bool = False
    transcodes: tuple[tuple[str, Stream], ...] = ()
    reduced: tuple[tuple[str, Stream], ...] = ()
    obstacle: Callable[[Stream], str] = lambda _stream: ""
    oversized: Callable[[Stream], bool] = lambda _stream: False
    admit_transcode: Callable[[Stream], str] = lambda _stream: ""
    slate: Callable[[Stream, Codec], Slate | None] = lambda _stream, _codec: None
