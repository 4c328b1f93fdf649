"""A container over HTTP: which one it is, by its type and its first bytes, and what comes of it.

Pictures that are called otherwise are told by their first bytes as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from gateway.demuxing.messages import ContainerFormat
from gateway.model.errors import CodecUnsupported, SourceRefused
from gateway.model.reasons import Reason
from gateway.rtp.mpeg_ts import TS_BYTES, TS_SYNC
from gateway.rtp.packet import Malformed
from gateway.rtsp.budget import CameraBudget
from gateway.runtime.plain_text import printable
from gateway.sources.http_client import HttpAnswer, whole_within
from gateway.sources.multipart import boundary_in, boundary_of

_TYPES: dict[str, ContainerFormat] = {
    "video/x-flv": "flv",
    "video/flv": "flv",
    "application/x-flv": "flv",
    "video/mp2t": "mpegts",
    "video/mpeg": "mpegts",
    "video/mpegts": "mpegts",
    "video/x-mpegts": "mpegts",
    "video/vnd.dlna.mpeg-tts": "mpegts",
    "video/mp4": "mp4",
    "application/mp4": "mp4",
}
_PICTURES = frozenset(("image/jpeg", "image/jpg"))
_PAGE = (b"<html", b"<!doctype")
_MP4_BOXES = frozenset((b"ftyp", b"styp", b"moov", b"moof", b"sidx"))
SNIFFED_BYTES = 4 * TS_BYTES


def sniff(head: bytes) -> ContainerFormat | None:
    """Return which container begins with *head*; None if it looks like none, or is too short.

    MPEG-TS may begin anywhere within a packet. References: Adobe FLV 10.1 annex E, ISO/IEC 13818-1
    §2.4.3, ISO/IEC 14496-12 §4.2.
    """
    if head.startswith(b"FLV"):
        return "flv"
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    for at in range(min(TS_BYTES, len(head) - 2 * TS_BYTES)):
        if all(head[at + step * TS_BYTES] == TS_SYNC for step in range(3)):
            return "mpegts"
    return None


class HttpContainer:
    """`gateway.sources.container.ContainerStream` over HTTP.

    Args:
        answer: The body has been read up to *head*.
        container_format: Which it is.
        head: What has been read of it.
        stall_s: How long nothing may come.

    Attributes:
        format: Which container it is.
    """

    def __init__(
        self, answer: HttpAnswer, container_format: ContainerFormat, head: bytes, stall_s: float
    ) -> None:
        self.format = container_format
        self._answer = answer
        self._head = head
        self._stall_s = stall_s

    @property
    def budget(self) -> CameraBudget:
        """What the camera may cost."""
        return self._answer.budget

    async def receive(self) -> AsyncGenerator[bytes, None]:
        """Yield the body; see `gateway.sources.container.ContainerStream`."""
        yield self._head
        while piece := await self._answer.read(self._stall_s):
            yield piece


def other_type(head: bytes) -> str:
    """Return as which type *head* begins that is no container; empty: none that can be taken.

    One JPEG, a stream of them, or a playlist.
    """
    if head.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        return "application/vnd.apple.mpegurl"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    boundary = boundary_in(head)
    return f'multipart/x-mixed-replace; boundary="{boundary}"' if boundary else ""


async def container_of(answer: HttpAnswer, stall_s: float) -> HttpContainer | None:
    """Return the container that *answer* brings; None if it is of another type.

    What it begins with counts for more than what the camera says that it is: an answer that
    begins with pictures or a playlist is given their type (`HttpAnswer.take_back`).

    Raises:
        CodecUnsupported: It looks like none, and like no picture.
        SourceRefused: It is a web page, or another text (`NOT_FOUND`).
        GatewayError: As `HttpAnswer.read` and `whole_within`.
    """
    kind = answer.content_type.partition(";")[0].strip().lower()
    stated = _TYPES.get(kind)
    multipart = kind.startswith("multipart/")
    nameless = multipart and not _names_boundary(answer.content_type)
    if kind in _PICTURES or (multipart and not nameless):
        return None
    head, other = b"", ""
    found: ContainerFormat | None = None
    async with whole_within(2 * stall_s):
        while found is None and not other and len(head) < SNIFFED_BYTES:
            piece = await answer.read(stall_s)
            if not piece:
                break
            head += piece
            found, other = sniff(head), other_type(head)
    if other and not found:
        answer.take_back(head, other)
        return None
    if nameless:
        return None
    chosen = found or stated
    page = kind.startswith("text/") or head.lstrip()[:9].lower().startswith(_PAGE)
    if chosen is None and page:
        raise _web_page(kind)
    if chosen is None:
        said = printable(kind[:60]) or "nothing of a type"
        raise CodecUnsupported(
            Reason.UNSUPPORTED_CODEC,
            f"the camera sends {said}, which begins like no JPEG, FLV, MPEG-TS, MP4 or "
            "HLS playlist",
            park_s=300.0,
        )
    return HttpContainer(answer, chosen, head, stall_s)


def _web_page(kind: str) -> SourceRefused:
    """Return what to raise for a page of type *kind*, shown to people, instead of video."""
    detail = f"there is a web page ({printable(kind[:60])}), no video: another path has that"
    return SourceRefused(Reason.NOT_FOUND, detail, park_s=300.0)


def _names_boundary(content_type: str) -> bool:
    try:
        boundary_of(content_type)
    except Malformed:
        return False
    return True
