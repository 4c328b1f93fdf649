"""RTCP written: what we report to viewers and cameras.

Pure functions from figures to datagrams; encrypting (SRTCP) and timing are the caller's.

References: RFC 3550 §6 (SR, RR, SDES, BYE), RFC 4585 §6 (NACK, PLI).
"""

from __future__ import annotations

import struct
from functools import lru_cache

from gateway.rtp.rtcp import BYE, PSFB, RR, RTPFB, SDES, SR, ReceiverReport

_NACK, _PLI = 1, 1
_CNAME = 1
_BLOCK = struct.Struct("!IIIIII")
_REPORT = struct.Struct("!BBHIQIII")


def sender_report(
    ssrc: int, ntp_64: int, rtp_time: int, packets: int, octets: int, cname: str
) -> bytes:
    """Return an SR without report blocks, and the SDES with *cname* that belongs behind it.

    Counters and times are taken modulo their width on the wire.
    """
    report = _REPORT.pack(
        0x80,
        SR,
        6,
        ssrc,
        ntp_64 & 0xFFFF_FFFF_FFFF_FFFF,
        rtp_time & 0xFFFF_FFFF,
        packets & 0xFFFF_FFFF,
        octets & 0xFFFF_FFFF,
    )
    return report + _sdes(ssrc, cname)


def receiver_report(ssrc: int, cname: str, report: ReceiverReport | None = None) -> bytes:
    """Return an RR of *ssrc* with *report* as its block, if any, and the SDES behind it."""
    if report is None:
        return struct.pack("!BBHI", 0x80, RR, 1, ssrc) + _sdes(ssrc, cname)
    block = _BLOCK.pack(
        report.source_ssrc,
        report.fraction_lost << 24 | _clamp24(report.cumulative_lost),
        report.highest_seq & 0xFFFF_FFFF,
        report.jitter,
        report.lsr,
        report.dlsr,
    )
    return struct.pack("!BBHI", 0x81, RR, 7, ssrc) + block + _sdes(ssrc, cname)


def _clamp24(lost: int) -> int:
    return max(-0x800000, min(0x7FFFFF, lost)) & 0xFFFFFF


def nack(sender_ssrc: int, media_ssrc: int, lost: tuple[int, ...]) -> bytes:
    """Return a generic NACK asking for *lost*, in that order; each run of 17 takes four bytes."""
    pairs: list[tuple[int, int]] = []
    for seq in lost:
        if pairs and 1 <= (gap := (seq - pairs[-1][0]) & 0xFFFF) <= 16:
            pairs[-1] = (pairs[-1][0], pairs[-1][1] | 1 << gap - 1)
        else:
            pairs.append((seq, 0))
    fields = [field for pair in pairs for field in pair]
    head = struct.pack("!BBHII", 0x80 | _NACK, RTPFB, 2 + len(pairs), sender_ssrc, media_ssrc)
    return head + struct.pack(f"!{len(fields)}H", *fields)


def pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    """Return a picture loss indication: please send a keyframe."""
    return struct.pack("!BBHII", 0x80 | _PLI, PSFB, 2, sender_ssrc, media_ssrc)


def goodbye(ssrc: int) -> bytes:
    """Return a BYE of *ssrc*."""
    return struct.pack("!BBHI", 0x81, BYE, 1, ssrc)


@lru_cache(maxsize=2_048)  # every report of a session ends in the same
def _sdes(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    chunk = struct.pack("!IBB", ssrc, _CNAME, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)  # at least one zero byte ends the items
    return struct.pack("!BBH", 0x81, SDES, len(chunk) // 4) + chunk
