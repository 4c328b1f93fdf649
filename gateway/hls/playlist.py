"""HLS playlists: what a camera sends of them is bounded, and made plain.

Only the lines that a live stream of video needs are given to the library; all others are left out
before.

Reference: RFC 8216 §4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from m3u8.parser import ParseError, parse

from gateway.rtp.packet import Malformed

MOST_BYTES = 262_144
MOST_LINE_CHARS = 4_096
MOST_SEGMENTS = 4_096
"""Recorders that never drop old segments: four hours of four seconds each."""
MOST_VARIANTS = 64
MOST_KEYS = 64
LONGEST_S = 60.0
"""No segment is longer, nor is a playlist's target."""

_FIRST = "#EXTM3U"
_TARGET = "#EXT-X-TARGETDURATION:"
_TAGS = (
    "#EXTINF:",
    _TARGET,
    "#EXT-X-MEDIA-SEQUENCE:",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-KEY:",
    "#EXT-X-MAP:",
    "#EXT-X-BYTERANGE:",
    "#EXT-X-ENDLIST",
    "#EXT-X-STREAM-INF:",
    "#EXT-X-GAP",
)
_PART = re.compile(r"([0-9]{1,15})(?:@([0-9]{1,15}))?")
_NOT_OURS = ("#EXT-X-DISCONTINUITY-SEQUENCE",)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the stream.

    Attributes:
        number: Media sequence number.
        url: Where it is; made absolute.
        duration_s: How long it says it is.
        discontinuity: Whether its times, or its video, do not follow from the one before.
        init_url: Where what stands before it is (EXT-X-MAP); empty: nothing does.
        encrypted: By which method; empty: it is not.
        part: Which bytes of the file it is (EXT-X-BYTERANGE), never none; None: all.
        init_part: Likewise of what stands before it.
        gap: Whether it is missing.
    """

    number: int
    url: str
    duration_s: float
    discontinuity: bool = False
    init_url: str = ""
    encrypted: str = ""
    part: range | None = None
    init_part: range | None = None
    gap: bool = False

    @property
    def init(self) -> tuple[str, range | None]:
        """What stands before it; segments that have it in common follow each other."""
        return self.init_url, self.init_part


@dataclass(frozen=True, slots=True)
class MediaPlaylist:
    """The segments that there are now.

    Attributes:
        segments: Oldest first.
        target_s: No segment is longer, by more than half a second.
        ended: Whether no more will come.
    """

    segments: tuple[Segment, ...]
    target_s: float
    ended: bool


@dataclass(frozen=True, slots=True)
class Variant:
    """One quality of a master playlist.

    Attributes:
        url: Of its media playlist; made absolute.
        bandwidth: In bits a second, at most; 0 if it does not say.
        codecs: As RFC 6381 has them; empty if it does not say.
    """

    url: str
    bandwidth: int
    codecs: str


def parse_playlist(data: bytes, base_url: str) -> MediaPlaylist | tuple[Variant, ...]:
    """Return the media playlist in *data*, or the variants of a master playlist, never none.

    Args:
        data: As received.
        base_url: Where it was; what it names is relative to that.

    Raises:
        Malformed: It is no playlist, or beyond our bounds.
    """
    try:
        found = parse("\n".join(_lines(data)))
        if found["is_variant"]:
            return _variants(found, base_url)
        return _media(found, base_url)
    except Malformed:
        raise
    except (ParseError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise Malformed(f"a playlist that cannot be read: {type(error).__name__}") from error


def _lines(data: bytes) -> list[str]:
    """Return the lines that we need."""
    if len(data) > MOST_BYTES:
        raise Malformed(f"a playlist of more than {MOST_BYTES} bytes")
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    if not lines or not lines[0].strip().startswith(_FIRST):
        raise Malformed(f"a playlist that does not begin with {_FIRST}")
    kept = [_in_whole_seconds(line.strip()) for line in lines if _is_needed(line.strip())]
    if any(len(line) > MOST_LINE_CHARS for line in kept):
        raise Malformed(f"a playlist with a line of more than {MOST_LINE_CHARS} characters")
    count = sum(not line.startswith("#") for line in kept)
    if count > MOST_SEGMENTS:
        raise Malformed(f"a playlist of {count} segments; at most {MOST_SEGMENTS} are taken")
    if sum(line.startswith("#EXT-X-KEY:") for line in kept) > MOST_KEYS:
        raise Malformed(f"a playlist of more than {MOST_KEYS} keys")
    return kept


def _in_whole_seconds(line: str) -> str:
    """Return *line*, with a target duration as the library wants it: some servers write ``2.0``."""
    if not line.startswith(_TARGET):
        return line
    return f"{_TARGET}{math.ceil(_seconds(line.removeprefix(_TARGET)))}"


def _is_needed(line: str) -> bool:
    if not line.startswith("#"):
        return bool(line)
    return line.startswith(_TAGS) and not line.startswith(_NOT_OURS)


def _variants(found: Mapping[str, Any], base_url: str) -> tuple[Variant, ...]:
    listed = found["playlists"]
    if not 0 < len(listed) <= MOST_VARIANTS:
        raise Malformed(f"a master playlist of {len(listed)} streams")
    return tuple(
        Variant(
            urljoin(base_url, str(each["uri"])),
            max(0, int(each["stream_info"].get("bandwidth") or 0)),
            str(each["stream_info"].get("codecs") or ""),
        )
        for each in listed
    )


def _media(found: Mapping[str, Any], base_url: str) -> MediaPlaylist:
    first = int(found["media_sequence"] or 0)
    segments: list[Segment] = []
    for index, each in enumerate(found["segments"]):
        if "uri" in each:
            before = segments[-1] if segments else None
            segments.append(_segment(each, first + index, base_url, before))
    longest_s = max((each.duration_s for each in segments), default=1.0)
    target_s = _seconds(found.get("targetduration") or longest_s)
    return MediaPlaylist(tuple(segments), max(target_s, 0.1), bool(found["is_endlist"]))


def _segment(
    found: Mapping[str, Any], number: int, base_url: str, before: Segment | None
) -> Segment:
    start = found.get("init_section") or {}
    key = found.get("key") or {}
    method = str(key.get("method") or "")
    url = urljoin(base_url, str(found["uri"]))
    follows = before.part if before is not None and before.url == url else None
    return Segment(
        number,
        url,
        _seconds(found["duration"]),
        discontinuity=bool(found.get("discontinuity")),
        init_url=urljoin(base_url, str(start["uri"])) if start else "",
        encrypted="" if method == "NONE" else method,
        part=_part(found, None if follows is None else follows.stop),
        init_part=_part(start, 0),
        gap=bool(found.get("gap_tag")),
    )


def _part(found: Mapping[str, Any], begin: int | None) -> range | None:
    """Return which bytes of its file *found* is; from *begin* on where it does not say.

    Reference: RFC 8216 §4.3.2.2.
    """
    if "byterange" not in found:
        return None
    match = _PART.fullmatch(str(found["byterange"]).strip())
    begin = begin if match is None or match[2] is None else int(match[2])
    if match is None or begin is None or not int(match[1]):
        raise Malformed("a segment that is no part of its file (EXT-X-BYTERANGE)")
    return range(begin, begin + int(match[1]))


def _seconds(number: object) -> float:
    seconds = float(str(number))
    if not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_S:
        raise Malformed(f"a playlist with segments of {seconds:g} s")
    return seconds
