"""RTCP between bytes and values: what viewers and cameras report, and what we report to them.

Pure functions; encryption (SRTCP) and timing are the caller's. Parsing is bounded and never raises,
whatever a datagram holds.

References: RFC 3550 §6 (SR, RR, SDES, BYE), RFC 4585 §6 (NACK, PLI), RFC 5104 §4.3.1 (FIR),
RFC 5506 (reduced size: a compound may begin with anything), draft-alvestrand-rmcat-remb-03 (REMB).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

SR, RR, SDES, BYE, RTPFB, PSFB, XR = 200, 201, 202, 203, 205, 206, 207

MAX_PACKETS = 32
"""RTCP packets looked at in one datagram."""

_NACK, _PLI, _FIR, _AFB = 1, 1, 4, 15
_BLOCK = struct.Struct("!IIIIII")
_PAIR = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class SenderReport:
    """A sender says which of its RTP times is which wall time.

    Attributes:
        ssrc: The sender.
        ntp_64: Wall time, NTP format: seconds since 1900 in the upper 32 bits.
        rtp_time: The same instant in RTP ticks.
        packets: Sent so far, modulo 2**32.
        octets: Payload bytes sent so far, modulo 2**32.
    """

    ssrc: int
    ntp_64: int
    rtp_time: int
    packets: int
    octets: int


NTP_EPOCH_S = 2_208_988_800
"""From 1900, where NTP begins, to 1970."""

_FIRST_UNIX_S, _LAST_NTP_S = 631_152_000, 2**32


def unix_of_ntp(ntp_64: int) -> float | None:
    """Return *ntp_64* as seconds since 1970; None: it is no wall time.

    RFC 3550 §6.4.1 lets a sender without a clock say 0, or the time since it was started; others
    count from 1970. All that is before 1990 is taken for one of these.
    """
    unix_s = ntp_64 / 2**32 - NTP_EPOCH_S
    return unix_s if _FIRST_UNIX_S <= unix_s < _LAST_NTP_S - NTP_EPOCH_S else None


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """How one receiver fares with one of our streams (a report block of an RR or SR).

    Attributes:
        ssrc: The receiver.
        source_ssrc: The stream reported on.
        fraction_lost: Lost since the last report, in 1/256.
        cumulative_lost: Lost since the beginning; negative when packets came twice.
        highest_seq: Extended highest sequence number received.
        jitter: In RTP ticks.
        lsr: Middle 32 bits of the NTP time of the last SR it has; 0: none yet.
        dlsr: Time since that SR, in 1/65536 s.
    """

    ssrc: int
    source_ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_seq: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(frozen=True, slots=True)
class Nack:
    """A receiver misses packets.

    Attributes:
        sender_ssrc: The receiver.
        media_ssrc: The stream.
        pairs: The FCI as it came: PID and BLP, 4 bytes each (RFC 4585 §6.2.1).
    """

    sender_ssrc: int
    media_ssrc: int
    pairs: bytes

    @property
    def lost(self) -> Iterator[int]:
        """Yield the 16-bit sequence numbers in the order asked, up to 17 for each pair.

        Decoded one by one: who takes only some of them pays for those only.
        """
        for first, mask in _PAIR.iter_unpack(self.pairs):
            yield first
            while mask:
                lowest = mask & -mask
                yield (first + lowest.bit_length()) & 0xFFFF
                mask ^= lowest


@dataclass(frozen=True, slots=True)
class Pli:
    """A receiver has lost the picture and needs a keyframe."""

    sender_ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Fir:
    """A receiver asks for a keyframe of *media_ssrc*; the same *seq* again is the same request."""

    sender_ssrc: int
    media_ssrc: int
    seq: int


@dataclass(frozen=True, slots=True)
class Remb:
    """A receiver estimates what the path to it carries (draft-alvestrand-rmcat-remb-03 §2.2).

    Attributes:
        sender_ssrc: The receiver.
        bps: All streams to it together, in bits per second. libwebrtc judges by how the delay
            grows, and says at most 1.5 times what it receives.
    """

    sender_ssrc: int
    bps: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """These sources have left (BYE)."""

    ssrcs: tuple[int, ...]


Feedback = SenderReport | ReceiverReport | Nack | Pli | Fir | Remb | Goodbye


def parse_compound(datagram: bytes) -> tuple[Feedback, ...]:
    """Return what *datagram* says, in order: all that `iter_compound` yields."""
    return tuple(iter_compound(datagram))


def iter_compound(datagram: bytes) -> Iterator[Feedback]:
    """Yield what *datagram* says, in order, each parsed when it is asked for.

    Packet types that we do not use are skipped; from the first malformed packet on, or after
    `MAX_PACKETS`, the rest of the datagram is ignored. Never raises.
    """
    at, left = 0, MAX_PACKETS
    while len(datagram) - at >= 4 and left:
        first, kind, words = struct.unpack_from("!BBH", datagram, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(datagram):
            break
        stop = end - datagram[end - 1] if first & 0x20 else end
        if stop < at + 4:
            break
        parse = _PARSERS.get(kind)
        if parse is not None:
            yield from parse(first & 0x1F, datagram[at + 4 : stop])
        at, left = end, left - 1


def fills(datagram: bytes | memoryview) -> bool:
    """Return whether *datagram* is RTCP packets one behind the other, up to its last byte."""
    at = 0
    while len(datagram) - at >= 4:
        first, kind, words = struct.unpack_from("!BBH", datagram, at)
        if first >> 6 != 2 or not SR <= kind <= XR:
            return False
        at += 4 + 4 * words
    return 0 < at == len(datagram)


def _parse_sr(count: int, body: bytes) -> Iterator[Feedback]:
    if len(body) >= 24:
        yield SenderReport(*struct.unpack_from("!IQIII", body))
        yield from _blocks(count, body, 24)


def _parse_rr(count: int, body: bytes) -> Iterator[Feedback]:
    if len(body) >= 4:
        yield from _blocks(count, body, 4)


def _blocks(count: int, body: bytes, at: int) -> Iterator[ReceiverReport]:
    (ssrc,) = struct.unpack_from("!I", body)
    for block_at in range(at, min(at + 24 * count, len(body) - 23), 24):
        source, loss, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(body, block_at)
        cumulative = loss & 0xFFFFFF
        if cumulative & 0x800000:
            cumulative -= 0x1000000
        yield ReceiverReport(ssrc, source, loss >> 24, cumulative, highest, jitter, lsr, dlsr)


def _parse_bye(count: int, body: bytes) -> Iterator[Feedback]:
    count = min(count, len(body) // 4)
    yield Goodbye(struct.unpack_from(f"!{count}I", body))


def _parse_rtpfb(fmt: int, body: bytes) -> Iterator[Feedback]:
    if fmt != _NACK or len(body) < 12:
        return
    sender, media = struct.unpack_from("!II", body)
    yield Nack(sender, media, body[8 : len(body) & ~3])


def _parse_psfb(fmt: int, body: bytes) -> Iterator[Feedback]:
    if len(body) < 8:
        return
    sender, media = struct.unpack_from("!II", body)
    if fmt == _PLI:
        yield Pli(sender, media)
    elif fmt == _FIR:
        for at in range(8, min(len(body) - 7, 8 + 8 * MAX_PACKETS), 8):
            target, seq = struct.unpack_from("!IB", body, at)
            yield Fir(sender, target, seq)
    elif fmt == _AFB and len(body) >= 16 and body[8:12] == b"REMB":
        (rate,) = struct.unpack_from("!I", body, 12)
        yield Remb(sender, (rate & 0x3FFFF) << (rate >> 18 & 0x3F))


_PARSERS = {SR: _parse_sr, RR: _parse_rr, BYE: _parse_bye, RTPFB: _parse_rtpfb, PSFB: _parse_psfb}


_CNAME = 1
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


def remb(sender_ssrc: int, bps: int) -> bytes:
    """Return a REMB of *bps*, cut to the 18 bits that it has room for."""
    exponent = max(0, bps.bit_length() - 18)
    rate = 1 << 24 | exponent << 18 | bps >> exponent
    head = struct.pack("!BBHII", 0x80 | _AFB, PSFB, 5, sender_ssrc, 0)
    return head + b"REMB" + struct.pack("!II", rate, sender_ssrc)


def goodbye(ssrc: int) -> bytes:
    """Return a BYE of *ssrc*."""
    return struct.pack("!BBHI", 0x81, BYE, 1, ssrc)


@lru_cache(maxsize=2_048)  # every report of a session ends in the same
def _sdes(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    chunk = struct.pack("!IBB", ssrc, _CNAME, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)  # at least one zero byte ends the items
    return struct.pack("!BBH", 0x81, SDES, len(chunk) // 4) + chunk
