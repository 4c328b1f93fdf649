"""Behaviours of real devices: all pictures come out as they were, by Python and by the fast path.

Each clip of tests/data/cases stands for a kind of behaviour; further ones of the same kinds are
made here of the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

import pytest

from gateway.model.media import AccessUnit, Codec, VideoFormat
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.packet import build_header
from gateway.rtp.payload import aggregate, nal_units
from gateway.sources.bystanders import SURELY
from tests.fixtures import captures
from tests.fixtures.camera_cases import (
    NAMES,
    WHOLE,
    depacketized,
    description_of,
    outcome_of,
    packets_of,
)
from tests.fixtures.camera_sender import (
    CODECS,
    PT,
    Behaviour,
    Sender,
    both,
    delimiter,
    is_set,
    new_depacketizer,
    pictures,
    plainly,
    sei,
    sent,
)


@pytest.mark.parametrize("limit", [500, 1180, 1400])
@pytest.mark.parametrize("name", NAMES)
def test_a_clip_comes_out_as_it_was(name: str, limit: int) -> None:
    """All 40 pictures, 4 keyframes, nothing lost."""
    description = description_of(name)

    units, counters = depacketized(description, packets_of(name), limit)

    assert outcome_of(units, description.video.codec) == WHOLE
    assert counters.lost == 0
    assert max(len(payload) for unit in units for payload in unit.payloads) <= limit


def test_a_description_that_begins_with_its_media_is_read() -> None:
    """Nothing of what is missing is needed."""
    found = description_of("sdp_no_v")

    assert (found.encoding, found.payload_type) == ("H264", 96)
    assert found.control_url.endswith("/trackID=0")


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_goes_out_the_same_by_the_fast_path(name: str) -> None:
    """Units, counters, cache, and the viewer's packets."""
    description = description_of(name)

    python, fast_path = both(
        description.video.codec, packets_of(name), description.video, description.payload_type
    )

    assert fast_path.report == python.report
    assert outcome_of(fast_path.stream.units, description.video.codec) == WHOLE


# Further behaviours of the same kinds, made of the same pictures.


def foreign_that_takes_numbers(sender: Sender, nals: list[bytes]) -> None:
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        if index % 3 == 0:
            sender.send(b"<xml/>", kind=107)
        sender.send(payload, marker=index == len(payloads) - 1)


def foreign_that_takes_none(sender: Sender, nals: list[bytes]) -> None:
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        if index % 3 == 0:
            sender.beside(bytes(40), kind=50)
            sender.beside(bytes(40), kind=50)
        sender.send(payload, marker=index == len(payloads) - 1)


def foreign_of_both_kinds(sender: Sender, nals: list[bytes]) -> None:
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        if index % 4 == 1:
            sender.beside(bytes(40), kind=50)
        if index % 4 == 2:
            sender.send(b"<xml/>", kind=107)
        if index % 4 == 3:
            sender.send(b"<xml/>", kind=107)
            sender.beside(bytes(40), kind=50)
        sender.send(payload, marker=index == len(payloads) - 1)


def foreign_of_one_kind_that_does_either(sender: Sender, nals: list[bytes]) -> None:
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        if sender.seq % 3:
            sender.beside(bytes(40), kind=0)
        else:
            sender.send(bytes(40), kind=0)
        sender.send(payload, marker=index == len(payloads) - 1)


def foreign_with_numbers_of_its_own(sender: Sender, nals: list[bytes]) -> None:
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        sender.beside(bytes(40), kind=8, back=1_234 + 7 * index)
        sender.send(payload, marker=index == len(payloads) - 1)


def empty_everywhere(sender: Sender, nals: list[bytes]) -> None:
    """At the start, between all packets and behind the end, each with a number of its own."""
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        sender.send(b"")
        sender.send(payload, marker=index == len(payloads) - 1)
    sender.send(b"")


def empty_with_the_number_before(sender: Sender, nals: list[bytes]) -> None:
    """As in `empty_rtp_mid`: the number repeated, and then one left out."""
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        sender.send(payload, marker=index == len(payloads) - 1)
        if index % 2:
            sender.beside(b"", kind=PT, back=1)
            sender.seq += 1


def empty_that_takes_none(sender: Sender, nals: list[bytes]) -> None:
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        sender.beside(b"", kind=PT)
        sender.send(payload, marker=index == len(payloads) - 1)


def marker_on_an_empty_packet(sender: Sender, nals: list[bytes]) -> None:
    sender.picture([*plainly(sender, nals), b""])


def dressed(sender: Sender, nals: list[bytes]) -> None:
    """Extension, CSRC and padding in turn, with packets of padding only between."""
    for index, payload in enumerate(payloads := plainly(sender, nals)):
        head = build_header(PT, index == len(payloads) - 1, sender.seq, sender.time, 7)
        bits = index % 8
        sources = bytes(8) if bits & 1 else b""
        extension = b"\xbe\xde\x00\x01\x10\xff\x00\x00" if bits & 2 else b""
        padding = b"\x00\x00\x03" if bits & 4 else b""
        first = 0x80 | (2 if bits & 1 else 0) | (bits & 2) << 3 | (bits & 4) << 3
        packet = bytes((first,)) + head[1:] + sources + extension + payload + padding
        sender.packets.append(packet)
        sender.seq += 1
        if index % 3 == 2 and index < len(payloads) - 1:
            only = build_header(PT, False, sender.seq, sender.time, 7)
            sender.packets.append(b"\xb0" + only[1:] + bytes(4) + bytes(31) + b"\x20")
            sender.seq += 1


def sets_aggregated(sender: Sender, nals: list[bytes]) -> None:
    sets = [nal for nal in nals if is_set(sender.codec, nal)]
    rest = plainly(sender, [nal for nal in nals if not is_set(sender.codec, nal)])
    sender.picture([*([aggregate(sender.payload_format, sets)] if sets else []), *rest])


def sets_mixed(sender: Sender, nals: list[bytes]) -> None:
    """The first in fragments, the others aggregated."""
    sets = [nal for nal in nals if is_set(sender.codec, nal)]
    rest = plainly(sender, [nal for nal in nals if not is_set(sender.codec, nal)])
    first = sender.fragments(sets[0]) if sets else []
    sender.picture([*first, *([aggregate(sender.payload_format, sets[1:])] if sets else []), *rest])


def sets_in_fragments(sender: Sender, nals: list[bytes]) -> None:
    sender.picture([piece for nal in nals for piece in sender.fragments(nal)])


def sets_behind_the_slice(sender: Sender, nals: list[bytes]) -> None:
    """Of the same RTP time, the marker on the last of them."""
    sender.picture(plainly(sender, sorted(nals, key=lambda nal: is_set(sender.codec, nal))))


def with_start_codes(*nals: bytes, code: bytes, leading: bool) -> bytes:
    return (code if leading else b"") + code.join(nals)


def byte_stream(*, code: bytes, leading: bool, in_front: bool, fragments: bool) -> Behaviour:
    """Return the behaviour of sending each picture as one NAL unit with start codes in it."""

    def behaviour(sender: Sender, nals: list[bytes]) -> None:
        front = [delimiter(sender.codec), sei(sender.codec)] if in_front else []
        if len(nals) == 1 and not front and not leading:
            sender.picture(plainly(sender, nals))
            return
        run = with_start_codes(*front, *nals, code=code, leading=leading)
        sender.picture(sender.fragments(run) if fragments else [run])

    return behaviour


def sets_as_byte_stream(code: bytes, *, leading: bool, aggregated: bool) -> Behaviour:
    """Return the behaviour of sending the parameter sets as one NAL unit with start codes."""

    def behaviour(sender: Sender, nals: list[bytes]) -> None:
        sets = [nal for nal in nals if is_set(sender.codec, nal)]
        rest = plainly(sender, [nal for nal in nals if not is_set(sender.codec, nal)])
        front = []
        if sets:
            front = [with_start_codes(*sets, code=code, leading=leading)]
            if aggregated:
                front = [aggregate(sender.payload_format, [delimiter(sender.codec), *front])]
        sender.picture([*front, *rest])

    return behaviour


def marked(markers: Callable[[int, int], bool]) -> Behaviour:
    return lambda sender, nals: sender.picture(plainly(sender, nals), markers)


def marker_on_each_nal(sender: Sender, nals: list[bytes]) -> None:
    """On the last packet of the parameter sets too."""
    for nal in nals:
        sender.picture(sender.payloads(nal))


BEHAVIOURS: dict[str, Behaviour] = {
    "plain": lambda sender, nals: sender.picture(plainly(sender, nals)),
    "foreign_that_takes_numbers": foreign_that_takes_numbers,
    "foreign_that_takes_none": foreign_that_takes_none,
    "foreign_of_both_kinds": foreign_of_both_kinds,
    "foreign_of_one_kind_that_does_either": foreign_of_one_kind_that_does_either,
    "foreign_with_numbers_of_its_own": foreign_with_numbers_of_its_own,
    "empty_everywhere": empty_everywhere,
    "empty_with_the_number_before": empty_with_the_number_before,
    "empty_that_takes_none": empty_that_takes_none,
    "marker_on_an_empty_packet": marker_on_an_empty_packet,
    "dressed": dressed,
    "sets_aggregated": sets_aggregated,
    "sets_mixed": sets_mixed,
    "sets_in_fragments": sets_in_fragments,
    "sets_behind_the_slice": sets_behind_the_slice,
    "marker_never": marked(lambda _index, _last: False),
    "marker_always": marked(lambda _index, _last: True),
    "marker_in_fragments": marked(lambda index, last: index == last or index % 3 == 1),
    "marker_on_the_first_too": marked(lambda index, last: index in (0, last)),
    "marker_on_each_nal": marker_on_each_nal,
} | {
    f"stream_{len(code)}{'_led' * leading}{'_fronted' * fronted}_{'fu' if fu else 'one'}": (
        byte_stream(code=code, leading=leading, in_front=fronted, fragments=fu)
    )
    for code in (b"\x00\x00\x01", b"\x00\x00\x00\x01")
    for leading in (False, True)
    for fronted in (False, True)
    for fu in (False, True)
}
BEHAVIOURS |= {
    f"sets_{len(code)}{'_led' * leading}{'_aggregated' * together}": sets_as_byte_stream(
        code, leading=leading, aggregated=together
    )
    for code in (b"\x00\x00\x01", b"\x00\x00\x00\x01")
    for leading in (False, True)
    for together in (False, True)
}
UNFINISHED = {"marker_never"}
"""Only the end of the stream, or the next picture, tells where the last one ends."""


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("codec", CODECS)
def test_a_habit_changes_nothing(codec: Codec, name: str) -> None:
    """All pictures come out as they were, without parameter sets in the description."""
    python, fast_path = both(codec, sent(codec, BEHAVIOURS[name]), VideoFormat(codec))

    assert fast_path.report == python.report
    units = list(python.stream.units)
    if name in UNFINISHED:
        units += python.depacketizer.finish(1.0, orderly=True)
    assert outcome_of(units, codec) == WHOLE
    assert python.counters.lost == 0


# What is missing is never passed on as whole.


def whole_slices(codec: Codec, units: list[AccessUnit]) -> Iterator[bytes]:
    """Yield what each of *units* has of slices."""
    payload_format = CODEC_SYNTAX[codec].payload_format
    for unit in units:
        nals = nal_units(payload_format, unit.payloads)
        yield b"".join(
            nal for nal in nals if payload_format.nal_type(nal) in payload_format.slice_types
        )


CERTAIN = tuple(
    name for name in BEHAVIOURS if not name.startswith(("foreign", "empty", "stream", "dressed"))
)
"""Behaviours under which a missing number can only be a loss."""


@pytest.mark.parametrize("name", CERTAIN)
@pytest.mark.parametrize("codec", CODECS)
def test_a_loss_is_never_presented_as_a_picture(codec: Codec, name: str) -> None:
    """Whichever packet is missing: what comes out is whole."""
    slices = {
        b"".join(nal for nal in picture if not is_set(codec, nal)) for picture in pictures(codec)
    }
    packets = sent(codec, BEHAVIOURS[name])[:45]

    for missing in range(1, len(packets)):
        depacketizer = new_depacketizer(codec)
        units = depacketizer.push_packets(packets[:missing] + packets[missing + 1 :], 1.0)

        assert set(whole_slices(codec, units)) <= slices, missing


@pytest.mark.parametrize("codec", CODECS)
def test_a_loss_beside_a_foreign_packet_is_seen_once_its_kind_is_known(codec: Codec) -> None:
    """A kind that never takes a number explains no missing one."""
    packets = sent(codec, foreign_that_takes_none)
    foreign = [index for index, packet in enumerate(packets) if packet[1] & 0x7F == 50]
    missing = foreign[4 * SURELY - 1] + 1
    depacketizer = new_depacketizer(codec)

    depacketizer.push_packets(packets[:missing] + packets[missing + 1 :], 1.0)

    assert depacketizer._counters.lost == 1


def slices_capture() -> list[list[bytes]]:
    """Return the packets of a clip of four slices a picture, by picture."""
    packets = captures.packets_of("h264-slices")
    return [list(group) for _, group in groupby(packets, key=lambda packet: packet[4:8])]


def remarked(packet: bytes, *, marker: bool) -> bytes:
    return packet[:1] + bytes((packet[1] & 0x7F | marker << 7,)) + packet[2:]


@pytest.mark.parametrize("every", ["packet", "slice"])
def test_a_marker_on_each_of_several_slices_cuts_nothing_off(every: str) -> None:
    """Not even of the first picture, and the last one comes without another behind it."""
    packets = [
        remarked(packet, marker=every == "packet" or packet[12] & 0x1F not in (28, 7, 8))
        for picture in slices_capture()
        for packet in picture
    ]
    video = VideoFormat("h264", captures.sets_of("h264-slices"))

    python, fast_path = both("h264", packets, video)

    payload_format = CODEC_SYNTAX["h264"].payload_format
    units = [list(nal_units(payload_format, unit.payloads)) for unit in python.stream.units]
    assert [sum(nal[0] & 0x1F in (1, 5) for nal in nals) for nals in units] == [4] * 20
    assert fast_path.report == python.report


def test_sets_that_change_behind_a_slice_count_for_the_next_picture() -> None:
    """The keyframe that they came with goes with those before."""
    first, *_ = pictures("h264")
    sps, pps, idr = first
    newer = pps[:-1] + bytes((pps[-1] ^ 0x04,))
    sender = Sender("h264")
    for nals in ([sps, pps, idr], [idr, newer], [idr], [idr]):
        sender.time += 7_500
        sender.picture(plainly(sender, nals))
    depacketizer = new_depacketizer("h264")

    units = depacketizer.push_packets(sender.packets, 1.0)

    payload_format = CODEC_SYNTAX["h264"].payload_format
    fronts = [list(nal_units(payload_format, unit.payloads))[:2] for unit in units]
    assert fronts == [[sps, pps], [sps, pps], [sps, newer], [sps, newer]]
