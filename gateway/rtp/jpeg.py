"""JPEG pictures: out of RTP payloads, and what stands in front of the coded samples.

Over RTP only the coded samples travel; what a decoder reads in front of them is made here from a
few fields of each packet. A camera with more than 2,040 pixels in a line leaves out the size, which
then comes in an RTP header extension (ONVIF) or in the session description.

References: RFC 2435; ITU-T T.81 annexes B and K; ONVIF Streaming Specification (JPEG over RTP).
"""

from __future__ import annotations

import struct
from functools import lru_cache

from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_HEAD_BYTES, MAX_PICTURE_BYTES, CodedPicture
from gateway.rtp.video_info import VideoInfo

START, END = b"\xff\xd8", b"\xff\xd9"
SCAN, FRAME, TABLES, RESTART, HUFFMAN = 0xDA, 0xC0, 0xDB, 0xDD, 0xC4
EXTENSION = 0xFFD8
"""Profile of the header extension in which ONVIF cameras send the segments (DQT, SOF, ...)."""
MOST_SEGMENTS = 64
"""In front of the samples; a camera writes about ten."""
_COLOURS = b"\xff\xee\x00\x0eAdobe"
"""Begins the application data that says in which colours the samples are (APP14)."""
PROFILES = {0xC0: "Baseline", 0xC1: "Extended", 0xC2: "Progressive"}

_MAIN = struct.Struct("!B3sBBBB")
_QUANTISATION = struct.Struct("!xBH")
_LENGTH = struct.Struct("!H")
_STATED_TABLES = 128  # Q from here on: the tables travel in the packet
_RESTARTS = 64  # added to the type: a restart header follows
_KEPT_TABLES = 16  # different Q whose tables are kept; a camera uses one

_ZIGZAG = (
    "0 1 8 16 9 2 3 10 17 24 32 25 18 11 4 5 12 19 26 33 40 48 41 34 27 20 13 6 7 14 21 28 35 42 49"
    " 56 57 50 43 36 29 22 15 23 30 37 44 51 58 59 52 45 38 31 39 46 53 60 61 54 47 55 62 63"
)
# T.81 table K.1 and K.2, row by row.
_LUMA = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80"
    " 62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 "
    " 98 112 100 103 99"
)
_CHROMA = (
    "17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66" + " 99" * 38
)
# T.81 tables K.3 to K.6: how many codes of each length, and their values.
_HUFFMAN_TABLES = (
    (0x00, "00010501010101010100000000000000", "000102030405060708090a0b"),
    (
        0x10,
        "0002010303020403050504040000017d",
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a"
        "25262728292a3435363738393a434445464748494a535455565758595a636465666768696a73747576777879"
        "7a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9"
        "cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
    ),
    (0x01, "00030101010101010101010000000000", "000102030405060708090a0b"),
    (
        0x11,
        "00020102040403040705040400010277",
        "0001020311040521310612415107617113223281081442"
        + "91a1b1c109233352f0156272d10a162434e125f1"
        "1718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a7374757677"
        "78797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6"
        "c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
    ),
)


def _segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes((marker,)) + _LENGTH.pack(len(body) + 2) + body


_HUFFMAN = b"".join(
    _segment(HUFFMAN, bytes((kind,)) + bytes.fromhex(counts) + bytes.fromhex(values))
    for kind, counts, values in _HUFFMAN_TABLES
)
_SCAN = _segment(SCAN, bytes.fromhex("03010002110311003f00"))


@lru_cache(maxsize=128)
def _scaled_tables(quality: int) -> tuple[bytes, bytes]:
    """Return the quantisation tables of a Q from 1 to 99 (RFC 2435 §4.2), in zigzag order."""
    factor = 5000 // quality if quality < 50 else 200 - 2 * quality
    order = [int(place) for place in _ZIGZAG.split()]

    def scaled(text: str) -> bytes:
        table = [min(255, max(1, (int(step) * factor + 50) // 100)) for step in text.split()]
        return bytes(table[place] for place in order)

    return scaled(_LUMA), scaled(_CHROMA)


def make_head(
    kind: int, size: tuple[int, int], tables: tuple[bytes, ...], restart_interval: int
) -> bytes:
    """Return what stands in front of the samples of a picture (RFC 2435 appendix B).

    Args:
        kind: 0 for 4:2:2, 1 for 4:2:0.
        size: Width and height.
        tables: One or two quantisation tables, of 64 bytes, or of 128 where a step has 16 bits.
        restart_interval: In MCUs; 0: no restart markers.
    """
    width, height = size
    last = len(tables) - 1
    luma = 0x21 if kind == 0 else 0x22
    frame = struct.pack(
        "!BHHB9B", 8, height, width, 3, 1, luma, 0, 2, 0x11, min(last, 1), 3, 0x11, min(last, 1)
    )
    return b"".join(
        [
            START,
            *(
                _segment(TABLES, bytes((index | (len(table) > 64) << 4,)) + table)
                for index, table in enumerate(tables)
            ),
            _segment(RESTART, _LENGTH.pack(restart_interval)) if restart_interval else b"",
            _segment(FRAME if all(len(table) == 64 for table in tables) else 0xC1, frame),
            _HUFFMAN,
            _SCAN,
        ]
    )


class JpegAssembler:
    """Makes one picture after the other out of RTP payloads.

    Args:
        size: Width and height by the session description, for pictures that do not tell theirs.
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        self._size = size
        self._stated: dict[int, tuple[bytes, ...]] = {}
        self.clear()

    def clear(self) -> None:
        """Forget the picture that has begun."""
        self._head = b""
        self._samples: list[bytes] = []
        self._length = 0

    @property
    def begun(self) -> bool:
        """Whether a picture has."""
        return bool(self._samples)

    @property
    def keyframe(self) -> bool:
        """True: every picture is."""
        return True

    def continues(self, payload: bytes) -> bool:
        """Return whether *payload* is the rest of a picture, not the beginning of one."""
        return any(payload[1:4])

    def push(self, payload: bytes, extension: tuple[int, bytes] | None = None) -> None:
        """Add the next payload of the picture.

        Args:
            payload: Behind the RTP header.
            extension: Profile and body of the RTP header extension; None: there is none.

        Raises:
            Malformed: It does not follow the one before, or is not what RFC 2435 says.
        """
        if len(payload) < _MAIN.size:
            raise Malformed("shorter than a JPEG header")
        _, place, kind, quality, width, height = _MAIN.unpack_from(payload)
        if int.from_bytes(place) != self._length:
            raise Malformed("a fragment in the wrong place")
        interval, at = _restart_interval(kind, payload)
        if not self._samples:
            size = self._size_of(width * 8, height * 8, extension)
            tables, at = self._tables(payload, at, quality)
            self._head = make_head(kind & ~_RESTARTS, size, tables, interval)
        self._samples.append(payload[at:])
        self._length += len(payload) - at
        if self._length > MAX_PICTURE_BYTES:
            raise Malformed("larger than a picture may be")

    def build(self) -> tuple[CodedPicture]:
        """Return the picture, whose last payload has come."""
        samples = b"".join(self._samples)
        head = self._head
        self.clear()
        if not samples.endswith(END):
            samples += END
        return (CodedPicture(head, samples, True),)

    def _size_of(
        self, width: int, height: int, extension: tuple[int, bytes] | None
    ) -> tuple[int, int]:
        if extension is not None and extension[0] == EXTENSION:
            stated = _size_in(extension[1])
            if stated is not None:
                return stated
        if width and height:
            return width, height
        if self._size is None:
            raise Malformed("a picture of unknown size")
        return self._size

    def _tables(self, payload: bytes, at: int, quality: int) -> tuple[tuple[bytes, ...], int]:
        """Return the tables of *quality*, and where those end that *payload* states at *at*.

        Reference: RFC 2435 §3.1.8.
        """
        if quality < _STATED_TABLES:
            if not 1 <= quality <= 99:
                raise Malformed(f"JPEG of quality {quality}")
            return _scaled_tables(quality), at
        if len(payload) < at + 4:
            raise Malformed("quantisation header cut off")
        precision, length = _QUANTISATION.unpack_from(payload, at)
        at += 4
        if not length:
            known = self._stated.get(quality)
            if known is None or quality == 255:
                raise Malformed("quantisation tables that never came")
            return known, at
        end = at + length
        if end > len(payload):
            raise Malformed("quantisation tables cut off")
        stated = _split_tables(payload[at:end], precision)
        if quality in self._stated or len(self._stated) < _KEPT_TABLES:
            self._stated[quality] = stated
        return stated, end


def _split_tables(data: bytes, precision: int) -> tuple[bytes, ...]:
    """Return the first two quantisation tables in *data*; a bit of *precision* is of each."""
    tables: list[bytes] = []
    at = 0
    while at < len(data) and len(tables) < 2:
        step = 128 if precision >> len(tables) & 1 else 64
        if at + step > len(data):
            raise Malformed("quantisation tables cut off")
        tables.append(data[at : at + step])
        at += step
    return tuple(tables)


def _restart_interval(kind: int, payload: bytes) -> tuple[int, int]:
    """Return the restart interval, 0 if there is none, and where the headers behind it begin."""
    at = _MAIN.size
    if kind & ~_RESTARTS > 1:
        raise Malformed(f"JPEG of type {kind}")
    if not kind & _RESTARTS:
        return 0, at
    if len(payload) < at + 4:
        raise Malformed("restart header cut off")
    return _LENGTH.unpack_from(payload, at)[0], at + 4


def _size_in(segments: bytes) -> tuple[int, int] | None:
    """Return width and height by the SOF among *segments*; None if there is none."""
    try:
        for marker, start, end in _segments(segments, 0):
            if marker in PROFILES:
                return _size_at(segments, start, end)
    except Malformed:
        pass
    return None


def _segments(data: bytes, at: int) -> list[tuple[int, int, int]]:
    """Return marker, start and end of the body of each segment, up to and with SOS.

    Raises:
        Malformed: They are cut off, or more than `MOST_SEGMENTS`.
    """
    found: list[tuple[int, int, int]] = []
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise Malformed("no JPEG marker")
        marker = data[at + 1]
        if marker in (0xFF, 0xD8):  # filling, or the start once more
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + _LENGTH.unpack_from(data, at + 2)[0]
        if end < at + 4 or end > len(data):
            raise Malformed("a JPEG segment cut off")
        found.append((marker, at + 4, end))
        if marker == SCAN:
            return found
        if len(found) > MOST_SEGMENTS:
            raise Malformed(f"more than {MOST_SEGMENTS} JPEG segments")
        at = end
    return found


def _size_at(data: bytes, start: int, end: int) -> tuple[int, int]:
    if end - start < 6:
        raise Malformed("a JPEG frame header cut off")
    height, width = struct.unpack_from("!HH", data, start + 1)
    if not width or not height:
        raise Malformed("a JPEG of no size")
    return width, height


def split_picture(jpeg: bytes) -> CodedPicture:
    """Return a whole JPEG file as head and samples.

    Comments and application data are left out, but for the one by which a decoder knows RGB.

    Raises:
        Malformed: It is none, or larger than a picture may be.
    """
    if not jpeg.startswith(START):
        raise Malformed("no JPEG")
    if len(jpeg) > MAX_PICTURE_BYTES:
        raise Malformed("larger than a picture may be")
    segments = _segments(jpeg, 2)
    if not segments or segments[-1][0] != SCAN or not any(each[0] in PROFILES for each in segments):
        raise Malformed("a JPEG without a picture")
    kept = [
        jpeg[start - 4 : end]
        for marker, start, end in segments
        if _is_needed(marker) or jpeg[start - 4 : end].startswith(_COLOURS)
    ]
    head = START + b"".join(kept)
    if len(head) > MAX_HEAD_BYTES:
        raise Malformed("a JPEG with too much in front of its samples")
    return CodedPicture(head, jpeg[segments[-1][2] :], True)


def _is_needed(marker: int) -> bool:
    return not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def parse_head(head: bytes) -> VideoInfo:
    """Return what *head* says, the beginning of a JPEG. Raises Malformed."""
    for marker, start, end in _segments(head, 0):
        if marker in PROFILES:
            width, height = _size_at(head, start, end)
            return VideoInfo(width, height, PROFILES[marker], marker, "", 0, False)
    raise Malformed("a JPEG without a frame header")
