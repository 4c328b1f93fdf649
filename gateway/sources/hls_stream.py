"""A live HLS stream: playlists and segments fetched from one camera, as one container.

Whatever a playlist names is looked at by the URL policy anew, and must be at the scheme, host and
port of the playlist, whose address stays the one connected to: it is asked with the camera's login.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from ipaddress import ip_network
from urllib.parse import quote, urldefrag, urlsplit

from gateway.demuxing.messages import ContainerFormat
from gateway.hls.live_window import LiveWindow
from gateway.hls.playlist import (
    MOST_BYTES,
    MediaPlaylist,
    Segment,
    Variant,
    parse_playlist,
)
from gateway.hls.segment_joint import SegmentJoint
from gateway.model.errors import CodecUnsupported, SourceRefused, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtp.packet import Malformed
from gateway.rtsp.budget import CameraBudget
from gateway.rtsp.errors import error_of_redirect
from gateway.runtime.plain_text import printable
from gateway.runtime.url_policy import MAX_URL_CHARS, Target, UrlPolicy, UrlScheme
from gateway.sources.http_client import HttpAnswer, HttpClient, whole_within

CONTENT_TYPES = frozenset(
    {
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
    }
)
"""RFC 8216 §4, and what servers send as well."""

MOST_INIT_BYTES = 1_048_576
MOST_MISSING = 3
"""Segments in a row that are not there any more when we ask for them, or have nothing in them."""

STALLED_TARGETS = 3
"""So many target durations without a new segment: the camera has stopped."""

LEAST_RELOAD_S = 0.2
REFUSED_PARK_S = 300.0
CORRUPT_PAUSE_S = 30.0

_SAFE = "%/:=&?~+!$,;'@()*[]#"
_BOXES = (b"ftyp", b"styp", b"moof", b"sidx", b"emsg", b"prft")
_TOLD_BYTES = 8
"""From so many on it is told which container they begin."""
_SHOWABLE = ("avc1", "avc3", "hvc1", "hev1")


def is_playlist(content_type: str, path: str) -> bool:
    """Return whether an answer of *content_type* at *path* is an HLS playlist (RFC 8216 §4)."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in CONTENT_TYPES or path.partition("?")[0].lower().endswith((".m3u8", ".m3u"))


class HlsStream:
    """One live stream. `gateway.sources.container.ContainerStream`, again for each `begin`.

    Args:
        client: Asks the camera.
        target: Where the first playlist is.
        stall_s: How long nothing may come of an answer.
        clock: Monotonic.

    Attributes:
        segment_s: How long the segment is that was fetched last; what is shown is later by that.
        variants: How many qualities there were to choose from; 1: no master playlist.
        missing: Segments that had gone before we could fetch them, or had nothing in them.
    """

    def __init__(
        self,
        client: HttpClient,
        target: Target,
        *,
        stall_s: float,
        clock: Clock,
    ) -> None:
        self._client = client
        self._target = target
        self._url = target.url
        scheme = UrlScheme(target.scheme, target.default_port, frozenset({target.port}))
        self._policy = UrlPolicy((ip_network(target.address),), (scheme,))
        self._stall_s = stall_s
        self._clock = clock
        self._window = LiveWindow()
        self._queue: deque[Segment] = deque()
        self._asked_s = self._fresh_s = clock.now()
        self._target_s = 1.0
        self._missing_in_a_row = self._empty_in_a_row = 0
        self._pending: Segment | None = None
        self._begun: tuple[Segment, HttpAnswer, bytes] | None = None
        self._format: ContainerFormat = "mpegts"
        self.segment_s = 0.0
        self.variants = 1
        self.missing = 0

    @property
    def format(self) -> ContainerFormat:
        """Which container the segments are; known behind `begin`."""
        return self._format

    @property
    def budget(self) -> CameraBudget:
        """What the camera may cost."""
        return self._client.budget

    @property
    def stalled_s(self) -> float:
        """How long no segment may come before the camera counts as stopped."""
        return max(self._stall_s, STALLED_TARGETS * self._target_s)

    @property
    def target_s(self) -> float:
        """No segment is longer than this, by more than half a second."""
        return self._target_s

    async def open(self, answer: HttpAnswer) -> None:
        """Take the playlist in *answer*, and where it is a master playlist, the best one behind it.

        Raises:
            SourceUnavailable: It is no playlist (`CORRUPT`).
            SourceRefused: It leads elsewhere.
            CodecUnsupported: It is encrypted.
            GatewayError: As `HttpClient.get`.
        """
        self._asked_s = self._clock.now()
        playlist = await self._playlist(answer)
        if not isinstance(playlist, MediaPlaylist):
            self.variants = len(playlist)
            self._url = _best(playlist).url
            playlist = await self._media()
        self._take(playlist)

    async def begin(self) -> bool:
        """Wait for the segment that comes next and its first bytes; False if there is none.

        Raises:
            SourceStalled: The camera publishes no more.
            SourceUnavailable: More than `MOST_MISSING` segments in a row are empty (`CORRUPT`).
            CodecUnsupported: The segments are encrypted, or in no container.
            GatewayError: As `open`.
        """
        segment = self._pending or await self._next()
        self._pending = None
        while segment is not None:
            head = await self._init(segment) if segment.init_url else b""
            answer = await self._fetch(segment)
            beginning = b"" if answer is None else await self._beginning(answer)
            if answer is not None and beginning:
                self._format = _format_of(head + beginning)
                self._begun = segment, answer, head + beginning
                return True
            segment = await self._next()
        return False

    async def receive(self) -> AsyncGenerator[bytes, None]:
        """Yield segments one behind the other, until one that does not follow from the last.

        Raises:
            GatewayError: As `begin`.
        """
        assert self._begun is not None
        segment, answer, head = self._begun
        joint = SegmentJoint(marked=False)
        while True:
            yield joint.push(head)
            while piece := await answer.read(self._stall_s):
                yield joint.push(piece)
            yield joint.finish()
            before, following = segment, await self._next()
            if following is None:
                return
            segment = following
            found = None
            if not segment.discontinuity and segment.init == before.init:
                found = await self._fetch(segment)
            if found is None:
                self._pending = segment
                return
            head, answer = await self._beginning(found), found
            joint = SegmentJoint(marked=self._format == "mpegts")

    async def _next(self) -> Segment | None:
        """Return the segment that comes next, once it is published; None: the stream has ended."""
        while not self._queue:
            if self._window.ended:
                return None
            if self._clock.now() - self._fresh_s > self.stalled_s:
                detail = f"no new segment for {self.stalled_s:g} s"
                raise SourceStalled(Reason.STALLED, detail)
            wait_s = self._asked_s + self._window.reload_s - self._clock.now()
            await self._clock.sleep(max(LEAST_RELOAD_S, wait_s))
            self._take(await self._media())
        segment = self._queue.popleft()
        self.segment_s = segment.duration_s
        if segment.encrypted:
            detail = f"the segments are encrypted ({printable(segment.encrypted[:40])})"
            raise CodecUnsupported(Reason.ENCRYPTED, detail, park_s=REFUSED_PARK_S)
        return segment

    async def _media(self) -> MediaPlaylist:
        self._asked_s = self._clock.now()
        playlist = await self._playlist(await self._client.get(self._path(self._url)))
        if not isinstance(playlist, MediaPlaylist):
            raise SourceUnavailable(Reason.CORRUPT, "a master playlist where segments should be")
        return playlist

    def _take(self, playlist: MediaPlaylist) -> None:
        self._target_s = playlist.target_s
        fresh = self._window.take(playlist)
        if fresh:
            self._fresh_s = self._clock.now()
        self._queue.extend(fresh)

    async def _playlist(self, answer: HttpAnswer) -> MediaPlaylist | tuple[Variant, ...]:
        body = await self._whole(answer, MOST_BYTES)
        try:
            return parse_playlist(body, self._url)
        except Malformed as error:
            raise SourceUnavailable(Reason.CORRUPT, str(error), pause_s=CORRUPT_PAUSE_S) from error

    async def _init(self, segment: Segment) -> bytes:
        answer = await self._client.get(self._path(segment.init_url), part=segment.init_part)
        return await self._whole(answer, MOST_INIT_BYTES)

    async def _fetch(self, segment: Segment) -> HttpAnswer | None:
        """Return the answer with *segment*; None if it is not there any more.

        Raises:
            GatewayError: As `HttpClient.get`; also if `MOST_MISSING` in a row are not there.
        """
        try:
            answer = await self._client.get(self._path(segment.url), part=segment.part)
        except SourceRefused as error:
            self._missing_in_a_row += 1
            if error.reason is not Reason.NOT_FOUND or self._missing_in_a_row > MOST_MISSING:
                raise
            self.missing += 1
            return None
        self._missing_in_a_row = 0
        return answer

    async def _beginning(self, answer: HttpAnswer) -> bytes:
        """Return the first bytes of a segment; empty if it has too few to be one.

        Raises:
            SourceUnavailable: So it was with more than `MOST_MISSING` in a row.
        """
        head = b""
        async with whole_within(2 * self._stall_s):
            while len(head) < _TOLD_BYTES and (piece := await answer.read(self._stall_s)):
                head += piece
        if len(head) >= _TOLD_BYTES:
            self._empty_in_a_row = 0
            return head
        self.missing += 1
        self._empty_in_a_row += 1
        if self._empty_in_a_row > MOST_MISSING:
            detail = f"{self._empty_in_a_row} segments in a row are empty"
            raise SourceUnavailable(Reason.CORRUPT, detail, pause_s=CORRUPT_PAUSE_S)
        return b""

    async def _whole(self, answer: HttpAnswer, most: int) -> bytes:
        body = bytearray()
        async with whole_within(2 * self._stall_s):
            while piece := await answer.read(self._stall_s):
                body += piece
                if len(body) > most:
                    detail = f"more than {most} bytes where a playlist or header should be"
                    raise SourceUnavailable(Reason.CORRUPT, detail, pause_s=CORRUPT_PAUSE_S)
        return bytes(body)

    def _path(self, url: str) -> str:
        """Return path and query of *url*, which a playlist has named.

        Raises:
            SourceRefused: It must not be opened (`POLICY_DENIED`), or is elsewhere
                (`REDIRECT_REFUSED`).
        """
        target = self._target
        plain = quote(urldefrag(url).url, safe=_SAFE)
        parts = urlsplit(plain)
        if (parts.scheme, parts.netloc.lower()) not in (
            (target.scheme, target.authority),
            (target.scheme, f"{target.authority}:{target.port}"),
        ):
            raise error_of_redirect(plain)
        # Not the path, which is encoded already: the camera's login may stand in it.
        fault = self._policy.check(f"{parts.scheme}://{parts.netloc}/")
        if fault is not None or len(plain) > MAX_URL_CHARS:
            said = "it is too long" if fault is None else fault.message
            raise SourceRefused(
                Reason.POLICY_DENIED,
                f"a place that the playlist names must not be opened: {said}",
                park_s=REFUSED_PARK_S,
            )
        return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


def _best(variants: tuple[Variant, ...]) -> Variant:
    """Return the one with most bits whose video we can pass on, as far as they say."""

    def rank(variant: Variant) -> tuple[bool, int]:
        codecs = variant.codecs.lower()
        return not codecs or any(each in codecs for each in _SHOWABLE), variant.bandwidth

    return max(variants, key=rank)


def _format_of(head: bytes) -> ContainerFormat:
    """Return what begins with *head*."""
    if head[:1] == b"\x47":
        return "mpegts"
    if head[4:8] in _BOXES:
        return "mp4"
    raise CodecUnsupported(
        Reason.UNSUPPORTED_CODEC,
        "the segments are neither MPEG-TS nor fragmented MP4",
        park_s=REFUSED_PARK_S,
    )
