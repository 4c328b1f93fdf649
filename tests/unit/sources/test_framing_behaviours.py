"""What real devices do with fragments, aggregates, RTP times and sources.

As in `test_camera_behaviours`: all pictures come out as they were, by Python and by the fast path.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest

from gateway.model.media import Codec, VideoFormat
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.payload import END, START, aggregate, nal_units
from tests.fixtures import captures
from tests.fixtures.camera_cases import WHOLE, outcome_of
from tests.fixtures.camera_sender import (
    CODECS,
    Behaviour,
    Sender,
    both,
    is_set,
    new_depacketizer,
    pictures,
    plainly,
    sei,
    sent,
)

Fragments = Callable[[int, list[bytes]], list[bytes]]
"""Changes the fragments of one NAL unit, whose FU header stands at that place."""


def with_header(piece: bytes, at: int, header: int) -> bytes:
    return piece[:at] + bytes((header,)) + piece[at + 1 :]


def fragmented(change: Fragments) -> Behaviour:
    """Return the behaviour of sending fragments as *change* makes them."""

    def behaviour(sender: Sender, nals: list[bytes]) -> None:
        at = sender.payload_format.header_bytes
        payloads: list[bytes] = []
        for nal in nals:
            pieces = sender.payloads(nal)
            payloads += change(at, pieces) if len(pieces) > 1 else pieces
        sender.picture(payloads)

    return behaviour


def later_types(kind: int) -> Fragments:
    """Only the first fragment tells the type of the NAL unit (Tiandy)."""
    return lambda at, pieces: [
        pieces[0],
        *(with_header(each, at, each[at] & (START | END) | kind) for each in pieces[1:]),
    ]


def later_importance(at: int, pieces: list[bytes]) -> list[bytes]:
    """Only the first has the importance (H.264) or the temporal layer (H.265) of the NAL unit."""
    bit = 0x20 if at == 1 else 0x02
    return [pieces[0], *(with_header(each, at - 1, each[at - 1] ^ bit) for each in pieces[1:])]


def reserved_bit(at: int, pieces: list[bytes]) -> list[bytes]:
    """Set in each FU header (Longse); H.265 has none."""
    return [with_header(each, at, each[at] | 0x20) for each in pieces] if at == 1 else pieces


def empty_in_the_middle(at: int, pieces: list[bytes]) -> list[bytes]:
    empty = with_header(pieces[0][: at + 1], at, pieces[0][at] & ~START)
    return [pieces[0], empty, *pieces[1:]]


def empty_at_the_end(at: int, pieces: list[bytes]) -> list[bytes]:
    last = pieces[-1]
    return [*pieces[:-1], with_header(last, at, last[at] & ~END), last[: at + 1]]


def empty_at_the_start(at: int, pieces: list[bytes]) -> list[bytes]:
    first = pieces[0]
    return [first[: at + 1], with_header(first, at, first[at] & ~START), *pieces[1:]]


def single_fragments(sender: Sender, nals: list[bytes]) -> None:
    """Small NAL units in one fragment, both the first and the last (CostarHD, OpenIPC)."""
    at = sender.payload_format.header_bytes
    fragment = sender.payload_format.fragment
    payloads: list[bytes] = []
    for nal in nals:
        pieces = sender.payloads(nal)
        if len(pieces) == 1:
            head = sender.payload_format.with_nal_type(nal, fragment)
            kind = sender.payload_format.nal_type(nal)
            pieces = [head + bytes((kind | START | END,)) + nal[at:]]
        payloads += pieces
    sender.picture(payloads)


def filled_aggregates(filling: bytes) -> Behaviour:
    """Return the behaviour of aggregating the parameter sets, with *filling* behind them."""

    def behaviour(sender: Sender, nals: list[bytes]) -> None:
        sets = [nal for nal in nals if is_set(sender.codec, nal)]
        rest = plainly(sender, [nal for nal in nals if not is_set(sender.codec, nal)])
        front = [aggregate(sender.payload_format, sets) + filling] if sets else []
        sender.picture([*front, *rest])

    return behaviour


def aggregates_of_one(sender: Sender, nals: list[bytes]) -> None:
    payloads = plainly(sender, nals)
    fragment = sender.payload_format.fragment
    sender.picture(
        [
            each
            if sender.payload_format.nal_type(each) == fragment
            else aggregate(sender.payload_format, [each])
            for each in payloads
        ]
    )


def marked_information(sender: Sender, nals: list[bytes]) -> None:
    """With the marker, in front of each picture (H264DVR)."""
    sender.send(sei(sender.codec), marker=True)
    sender.picture(plainly(sender, nals))


def information_behind(sender: Sender, nals: list[bytes]) -> None:
    """Of the same time, behind the marker."""
    sender.picture(plainly(sender, nals))
    sender.send(sei(sender.codec), marker=True)


def end_of_sequence(sender: Sender, nals: list[bytes]) -> None:
    end = b"\x0a" if sender.codec == "h264" else b"\x48\x01"
    sender.picture([*plainly(sender, nals), end])


def sets_of_another_time(back_90k: int, *, marked: bool) -> Behaviour:
    """Return the behaviour of sending the sets with a time before that of their picture."""

    def behaviour(sender: Sender, nals: list[bytes]) -> None:
        for nal in nals:
            if is_set(sender.codec, nal):
                sender.time -= back_90k
                sender.send(nal, marker=marked)
                sender.time += back_90k
        rest = [nal for nal in nals if not is_set(sender.codec, nal)]
        sender.picture(plainly(sender, rest))

    return behaviour


def time_that_runs(sender: Sender, nals: list[bytes]) -> None:
    """A little later with each packet of a picture."""
    began = sender.time
    payloads = plainly(sender, nals)
    for index, payload in enumerate(payloads):
        sender.time = began + index
        sender.send(payload, marker=index == len(payloads) - 1)
    sender.time = began


def new_source_each_keyframe(step: int) -> Behaviour:
    """Return the behaviour of another SSRC each GOP (Uniview), numbered from elsewhere."""

    def behaviour(sender: Sender, nals: list[bytes]) -> None:
        if len(nals) > 1:
            sender.source += 1
            sender.seq += step
        sender.picture(plainly(sender, nals))

    return behaviour


FRAMING: dict[str, Behaviour] = {
    "later_type_0": fragmented(later_types(0)),
    "later_type_7": fragmented(later_types(7)),
    "later_importance": fragmented(later_importance),
    "reserved_bit": fragmented(reserved_bit),
    "empty_in_the_middle": fragmented(empty_in_the_middle),
    "empty_at_the_end": fragmented(empty_at_the_end),
    "empty_at_the_start": fragmented(empty_at_the_start),
    "single_fragments": single_fragments,
    "filled_1": filled_aggregates(b"\x00"),
    "filled_2": filled_aggregates(bytes(2)),
    "filled_9": filled_aggregates(bytes(9)),
    "aggregates_of_one": aggregates_of_one,
    "marked_information": marked_information,
    "information_behind": information_behind,
    "end_of_sequence": end_of_sequence,
    "sets_of_the_time_before": sets_of_another_time(7_500, marked=False),
    "sets_of_the_time_before_marked": sets_of_another_time(7_500, marked=True),
    "sets_of_their_own_time": sets_of_another_time(10, marked=True),
    "time_that_runs": time_that_runs,
}
SOURCES = {f"new_source_{step}": new_source_each_keyframe(step) for step in (0, -30, -700, 500)}


@pytest.mark.parametrize("name", FRAMING | SOURCES)
@pytest.mark.parametrize("codec", CODECS)
def test_all_pictures_come_out(codec: Codec, name: str) -> None:
    """Without parameter sets in the description."""
    packets = sent(codec, (FRAMING | SOURCES)[name])

    python, fast_path = both(codec, packets, VideoFormat(codec))

    assert fast_path.report == python.report
    assert outcome_of(python.stream.units, codec) == WHOLE
    assert (python.counters.lost, python.counters.discarded) == (0, 0)


@pytest.mark.parametrize("name", FRAMING)
@pytest.mark.parametrize("codec", CODECS)
def test_a_loss_is_never_presented_as_a_picture(codec: Codec, name: str) -> None:
    """Whichever packet is missing: what comes out is whole."""
    payload_format = CODEC_SYNTAX[codec].payload_format
    whole = {nal for picture in pictures(codec) for nal in picture}
    packets = sent(codec, FRAMING[name])[:45]

    for missing in range(1, len(packets)):
        depacketizer = new_depacketizer(codec)
        units = depacketizer.push_packets(packets[:missing] + packets[missing + 1 :], 1.0)

        nals = {nal for unit in units for nal in nal_units(payload_format, unit.payloads)}
        slices = {nal for nal in nals if payload_format.nal_type(nal) in payload_format.slice_types}
        assert slices <= whole, missing


def unmarked(packet: bytes, later: int) -> bytes:
    """Return *packet* without its marker, so much later."""
    time = int.from_bytes(packet[4:8]) + later & 0xFFFF_FFFF
    return packet[:1] + bytes((packet[1] & 0x7F,)) + packet[2:4] + time.to_bytes(4) + packet[8:]


def test_the_time_may_run_between_the_slices_of_a_picture() -> None:
    """Without markers as well: a slice that is not the first goes on with the picture."""
    running: list[bytes] = []
    for _, group in groupby(captures.packets_of("h264-slices"), key=lambda packet: packet[4:8]):
        picture = list(group)
        with_sets = any(packet[12] & 0x1F == 7 for packet in picture)  # before each slice there
        running += [
            unmarked(packet, 0 if with_sets else index) for index, packet in enumerate(picture)
        ]
    depacketizer = new_depacketizer("h264")

    units = depacketizer.push_packets(running, 1.0)
    units += depacketizer.finish(1.0, orderly=True)

    payload_format = CODEC_SYNTAX["h264"].payload_format
    slices = [
        sum(nal[0] & 0x1F in (1, 5) for nal in nal_units(payload_format, unit.payloads))
        for unit in units
    ]
    assert slices == [4] * 20
