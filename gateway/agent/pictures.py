"""How large a stream's pictures are, read from the parameter sets in front of its keyframe."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

from gateway.media.stream import SHORT_BYTES, Stream
from gateway.model.media import Codec
from gateway.rtp.codecs import GRAMMARS
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import nal_units
from gateway.rtp.picture import Picture
from gateway.rtp.sets import ParameterSets


def picture_of(stream: Stream) -> Picture | None:
    """Return what *stream* shows; None until it has said so."""
    video = stream.video
    if video is None:
        return None
    return _picture(video.codec, stream.opening) or _picture(video.codec, video.parameter_sets)


@lru_cache(maxsize=1024)
def _picture(codec: Codec, payloads: tuple[bytes, ...]) -> Picture | None:
    sets = ParameterSets(GRAMMARS[codec], (), limit=SHORT_BYTES)
    with suppress(Malformed):  # the picture's own fragments follow; the sets came before them
        for nal in nal_units(GRAMMARS[codec].shape, payloads):
            sets.learn(nal)
    return sets.picture
