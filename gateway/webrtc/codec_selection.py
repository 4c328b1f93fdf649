"""Which of a camera's streams a viewer gets, and as which payload type (JSEP, RFC 8829)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.model.errors import ViewerRejected
from gateway.model.media import Codec, VideoFormat
from gateway.model.quality import StreamQuality, ViewLevel
from gateway.model.reasons import Reason
from gateway.runtime.lateness import time_limit
from gateway.streams.camera_streams import CameraStreams
from gateway.streams.reader import Reader
from gateway.streams.slate import Slate
from gateway.streams.stream import Stream
from gateway.webrtc.camera_absence import NO_SLATE, SlateOffer
from gateway.webrtc.level_choice import Choice, StreamFacts, choose
from gateway.webrtc.sdp_offer import OfferedCodec, ViewerOffer

OPENING_S = 8.0
"""How long an offer waits for a camera whose codec is not yet known."""


_RELAYED: tuple[Codec, ...] = ("h264", "h265")

NAMED_CODECS = 8
"""How many of a viewer's codecs a refusal names."""


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """How a stream is sent to one viewer.

    Attributes:
        offer: The viewer's.
        codec: The payload type chosen, of the first stream.
        others: Those of lesser streams, as far as they are of other codecs.
        pace_bps: The most to be put on the line to this viewer, in bits per second.
        why: Why it is not the main stream; None: it is, or another was asked for.
        refused: Returns why this machine cannot carry a stream for a lesser level, or nothing.
        slates: What is shown while nothing comes of the camera.
    """

    offer: ViewerOffer
    codec: OfferedCodec
    pace_bps: float
    why: Reason | None = None
    others: tuple[OfferedCodec, ...] = ()
    refused: Callable[[Stream], str] = lambda _stream: ""
    slates: SlateOffer = NO_SLATE

    def takes(self, video: VideoFormat | None) -> bool:
        """Return whether *video* can be sent as what was chosen; an unknown one may."""
        return video is None or any(video.codec == each.name for each in self.codecs)

    @property
    def codecs(self) -> tuple[OfferedCodec, ...]:
        """All that may be sent, that of the first stream first."""
        return self.codec, *self.others


async def negotiate(
    offer: ViewerOffer,
    camera: CameraStreams,
    *,
    profile: str | None,
    pace_bps: float,
    slates: bool = False,
) -> tuple[dict[ViewLevel, Stream], NegotiatedMedia]:
    """Return the streams that *offer* gets, best first, and how they are sent.

    The first is what it gets; the others are for when the line does not carry that.

    Opens the camera if it is not known yet what it sends; that takes `OPENING_S` at most.

    Args:
        offer: The viewer's.
        camera: What there is to watch.
        profile: The only one the viewer wants; None: the best that it can decode.
        pace_bps: The most to be put on the line to this viewer, in bits per second.
        slates: Whether the viewer wants to be shown why nothing comes; else it is shown only why a
            transcode does not come of a camera that works.

    Raises:
        ViewerRejected: 404 no such profile, 480 the camera does not work, 488 the viewer cannot
            decode what the camera sends, 503 it would have to be transcoded and this machine
            cannot carry one more.
    """
    streams = {name: stream for name, stream in camera.streams if profile in (None, name)}
    if not streams:
        raise ViewerRejected(404, Reason.NOT_FOUND, "the camera has no such profile")
    for stream in streams.values():
        video = stream.video or await _learn_format(stream, camera)
        if pick_codec(offer, video.codec) is not None and not camera.obstacle(stream):
            break
    facts = [_facts(name, stream, camera) for name, stream in camera.streams]
    chosen = choose(
        facts,
        takes=lambda codec: pick_codec(offer, codec) is not None,
        transcoder=bool(camera.transcodes),
        asked=None if profile is None else StreamQuality(profile),
    )
    codec = pick_codec(offer, chosen[0].codec) if chosen and chosen[0].codec else None
    if codec is None:
        sent = [(name, each.video.codec) for name, each in streams.items() if each.video]
        raise nothing_in_common(offer, sent, oversized=not all(each.decodable for each in facts))
    levels = {ViewLevel(each.quality.value): _stream_of(each, camera) for each in chosen}
    if chosen[0].quality is StreamQuality.TRANSCODED:
        refused = camera.admit_transcode(levels[ViewLevel.TRANSCODED])
        if refused:
            raise ViewerRejected(503, Reason.TRANSCODING_FULL, refused)
    made = [levels.get(each) for each in (ViewLevel.TRANSCODED, ViewLevel.REDUCED)]
    return levels, NegotiatedMedia(
        offer,
        codec,
        pace_bps,
        why=_why(chosen[0], facts, profile),
        others=tuple(_others(offer, chosen)),
        refused=lambda stream: camera.admit_transcode(stream) if stream in made else "",
        slates=_slates(camera, chosen[0].codec, only_made=not slates),
    )


def _slates(camera: CameraStreams, codec: Codec | None, *, only_made: bool) -> SlateOffer:
    """Return what is shown of *camera* while it is gone, to a viewer who gets it as *codec*.

    Args:
        camera: Which one.
        codec: None: nothing can be shown.
        only_made: The viewer learns from the camera's state that it is gone. That a transcode does
            not come of a camera that works is not in it, and is shown all the same.
    """
    made = [stream for _, stream in (*camera.transcodes, *camera.reduced)]

    def find(stream: Stream) -> Slate | None:
        if codec is None or (only_made and (stream not in made or camera.trouble() is not None)):
            return None
        return camera.slate(stream, codec)

    return SlateOffer(find, lambda: not only_made and camera.trouble() is not None)


def _others(offer: ViewerOffer, chosen: Sequence[Choice]) -> Iterator[OfferedCodec]:
    """Yield the payload types that lesser levels need besides the first; an unknown one any."""
    needed = {each.codec for each in chosen}
    for codec in _RELAYED:
        found = pick_codec(offer, codec)
        if found is not None and codec != chosen[0].codec and needed & {codec, None}:
            yield found


def _facts(name: str, stream: Stream, camera: CameraStreams) -> StreamFacts:
    codec = None if stream.video is None else stream.video.codec
    return StreamFacts(
        StreamQuality(name),
        codec,
        camera.obstacle(stream),
        stream.bps,
        stream.playing,
        decodable=not camera.oversized(stream),
    )


def _why(choice: Choice, facts: list[StreamFacts], profile: str | None) -> Reason | None:
    """Return why the viewer is not sent the first stream, or the one it has asked for, as it is."""
    wanted = facts[0].quality if profile is None else StreamQuality(profile)
    return None if choice.quality is wanted else Reason.UNSUPPORTED_CODEC


def _stream_of(choice: Choice, camera: CameraStreams) -> Stream:
    made = {
        StreamQuality.TRANSCODED: camera.transcodes,
        StreamQuality.REDUCED: camera.reduced,
    }
    return dict(made.get(choice.quality, camera.streams))[choice.source.value]


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


def nothing_in_common(
    offer: ViewerOffer, streams: list[tuple[str, Codec]], *, oversized: bool = False
) -> ViewerRejected:
    """Return the refusal that says whose the obstacle is.

    A viewer without H.264 lacks what every browser has. One without H.265 is an ordinary one: it
    is the camera that has no stream for it.
    """
    sent = ", ".join(f"{profile}: {codec}" for profile, codec in streams)
    offered = sorted({codec.name[:32] for codec in offer.codecs})
    takes = ", ".join(offered[:NAMED_CODECS]) or "nothing that has an rtpmap"
    detail = f"the camera sends {sent}; the viewer takes {takes}"
    if oversized:
        detail += "; pictures above 4096x2304 are not transcoded"
    if any(codec == "h264" for _, codec in streams):
        if "h264" in offered:
            detail += ", but H.264 without packetization-mode=1 (RFC 6184 §6.3)"
        return ViewerRejected(488, Reason.VIEWER_CODEC, detail)
    return ViewerRejected(488, Reason.UNSUPPORTED_CODEC, detail)


async def _learn_format(stream: Stream, camera: CameraStreams) -> VideoFormat:
    """Open *stream* to learn what it sends. Raises ViewerRejected (480) if it does not say so."""
    waiting = Reader(lambda _unit: True)
    trouble = camera.trouble() if camera.refused else None
    if trouble is None:
        stream.attach(waiting)
        try:
            async with time_limit(OPENING_S):
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
