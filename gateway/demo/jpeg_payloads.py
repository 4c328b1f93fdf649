"""JPEG pictures as RTP payloads (RFC 2435), as a virtual camera sends them."""

from __future__ import annotations

from gateway.rtp.jpeg import parse_head, split_picture

TABLES_STATED = 255
"""Q: the quantisation tables travel with each picture."""
_KIND = b"\x01"  # 4:2:0, without restart markers
_TABLE = b"\xff\xdb\x00\x43"


def jpeg_payloads(jpeg: bytes, limit: int, *, quality: int = TABLES_STATED) -> list[bytes]:
    """Return the payloads of *jpeg*, the tables in the first.

    Args:
        jpeg: Baseline, 4:2:0, with the usual Huffman tables and 8-bit steps, each quantisation
            table in a segment of its own; at most 2,040 pixels a side, multiples of eight.
        limit: Most bytes of samples in one payload.
        quality: Q; below 128 the receiver makes the tables itself, whatever is sent here.
    """
    picture = split_picture(jpeg)
    tables = b"".join(part[1:65] for part in picture.head.split(_TABLE)[1:])
    shown = parse_head(picture.head)
    size = bytes((shown.width // 8, shown.height // 8))
    payloads = []
    for at in range(0, len(picture.body), limit):
        head = b"\x00" + at.to_bytes(3) + _KIND + bytes((quality,)) + size
        if not at:
            head += bytes(2) + len(tables).to_bytes(2) + tables
        payloads.append(head + picture.body[at : at + limit])
    return payloads
