"""MPEG-4 Visual: pictures out of RTP payloads, and what their headers say.

The payload is the byte stream itself; the headers (VOS, VO, VOL) stand in the session description,
in front of keyframes, or both.

References: RFC 6416; ISO/IEC 14496-2 §6.2.
"""

from __future__ import annotations

from gateway.rtp.bit_reader import BitReader
from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_HEAD_BYTES, MAX_PICTURE_BYTES, CodedPicture
from gateway.rtp.video_info import VideoInfo

_PREFIX = b"\x00\x00\x01"
_VOP, _GROUP = _PREFIX + b"\xb6", _PREFIX + b"\xb3"
_LAYERS = range(0x20, 0x30)
_INTRA = 0
_OBJECT_TYPES = {1: "Simple", 2: "Simple Scalable", 3: "Core", 4: "Main", 17: "Advanced Simple"}
_ASPECTS = {1: (1, 1), 2: (12, 11), 3: (10, 11), 4: (16, 11), 5: (40, 33)}
_EXTENDED_PAR = 15
MOST_PICTURES = 60
"""Of one timestamp: those of a second."""
_MOST_CODES = 16
"""Start codes that are looked at in headers; a camera writes four."""
_VBV_BITS = 79


class Mpeg4Assembler:
    """Makes one picture after the other out of RTP payloads.

    Args:
        config: The headers by the session description; empty: they come in band.
    """

    def __init__(self, config: bytes = b"") -> None:
        self._config = config
        self._pieces: list[bytes] = []
        self._length = 0

    def clear(self) -> None:
        """Forget the picture that has begun."""
        self._pieces, self._length = [], 0

    @property
    def begun(self) -> bool:
        """Whether a picture has."""
        return bool(self._pieces)

    @property
    def keyframe(self) -> bool:
        """Whether the picture that has begun is a keyframe, by its first payload."""
        first = self._pieces[0] if self._pieces else b""
        at = first.find(_VOP) + len(_VOP)
        return len(_VOP) <= at < len(first) and first[at] >> 6 == _INTRA

    def continues(self, payload: bytes) -> bool:
        """Return whether *payload* is the rest of a picture, not the beginning of one."""
        return not payload.startswith(_PREFIX)

    def push(self, payload: bytes, extension: tuple[int, bytes] | None = None) -> None:  # noqa: ARG002
        """Add the next payload of the picture; see `gateway.rtp.picture.PictureAssembler`."""
        if not self._pieces and self.continues(payload):
            raise Malformed("the rest of a picture")
        self._pieces.append(payload)
        self._length += len(payload)
        if self._length > MAX_PICTURE_BYTES:
            raise Malformed("larger than a picture may be")

    def build(self) -> tuple[CodedPicture, ...]:
        """Return the picture, whose last payload has come; some senders put several into a packet.

        Raises:
            Malformed: It is none, or they are more than `MOST_PICTURES`.
        """
        coded = b"".join(self._pieces)
        self.clear()
        vop = coded.find(_VOP)
        if vop < 0 or vop + 4 >= len(coded):
            self._config = headers_of(coded) or self._config
            raise Malformed("no picture")
        self._config = headers_of(coded[:vop]) or self._config
        pieces = coded[vop + len(_VOP) :].split(_VOP, MOST_PICTURES)
        if len(pieces) > MOST_PICTURES or not all(pieces):
            raise Malformed("too many pictures at once, or one that is empty")
        return tuple(map(self._picture, pieces))

    def _picture(self, piece: bytes) -> CodedPicture:
        keyframe = piece[0] >> 6 == _INTRA and bool(self._config)
        return CodedPicture(self._config if keyframe else b"", _VOP + piece, keyframe)


def headers_of(data: bytes) -> bytes:
    """Return the headers that *data* begins with; empty if no layer (VOL) is described."""
    end = data.find(_GROUP)
    head = data if end < 0 else data[:end]
    return head if len(head) <= MAX_HEAD_BYTES and _layer(head) >= 0 else b""


def _layer(head: bytes) -> int:
    """Return where the first VOL begins, behind its start code; -1: there is none."""
    at = -1
    for _ in range(_MOST_CODES):
        at = head.find(_PREFIX, at + 1)
        if at < 0 or at + 3 >= len(head):
            return -1
        if head[at + 3] in _LAYERS:
            return at + 4
    return -1


def parse_head(head: bytes) -> VideoInfo:
    """Return what the headers say (ISO/IEC 14496-2 §6.2.3). Raises Malformed."""
    at = _layer(head)
    if at < 0:
        raise Malformed("no video object layer")
    bits = BitReader(head[at:], escaped=False)
    bits.flag()
    kind = bits.u(8)
    if bits.flag():
        bits.u(7)
    pixel_aspect = _pixel_aspect(bits)
    reordered = 0 if _low_delay(bits) else None
    if bits.u(2):
        raise Malformed("a shape that is no rectangle")
    resolution = bits.u(18) >> 1 & 0xFFFF  # marker bits are in front of all and behind them
    if bits.flag():
        bits.u(max(1, (resolution - 1).bit_length()))
    width = bits.u(14) & 0x1FFF
    height = bits.u(14) & 0x1FFF
    interlaced = bits.u(2) & 1 == 1
    if not width or not height:
        raise Malformed("a picture of no size")
    name = _OBJECT_TYPES.get(kind, f"object type {kind}")
    return VideoInfo(width, height, name, kind, "", reordered, interlaced, pixel_aspect)


def _pixel_aspect(bits: BitReader) -> tuple[int, int] | None:
    """Return the shape of a pixel; None: it does not say, or nonsense."""
    aspect = bits.u(4)
    if aspect != _EXTENDED_PAR:
        return _ASPECTS.get(aspect)
    width, height = bits.u(8), bits.u(8)
    return (width, height) if width and height else None


def _low_delay(bits: BitReader) -> bool:
    """Return whether it says that there are no B-frames."""
    if not bits.flag():
        return False
    bits.u(2)
    low_delay = bits.flag()
    if bits.flag():
        bits.u(_VBV_BITS)
    return low_delay
