"""RTP packets of JPEG and MPEG-4 into access units, and what becomes of losses and lies."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import pytest

from gateway.demo.jpeg_payloads import jpeg_payloads
from gateway.model.errors import SourceUnavailable
from gateway.model.media import AccessUnit, Codec, SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.rtp.codecs import coded_picture
from gateway.rtp.packet import build_header
from gateway.rtsp.budget import CameraBudget
from gateway.sources.picture_depacketizer import PictureDepacketizer, picture_assembler
from gateway.sources.timeline import Timeline
from tests.fixtures.clock import FakeClock
from tests.fixtures.coded_pictures import PAYLOAD_TYPE, coded_pictures, packets

JPEGS = [jpeg_payloads(jpeg, 500) for jpeg in coded_pictures("mjpeg", 4)]
PER_PICTURE = len(JPEGS[0])
THIRD = sum(map(len, JPEGS[:2]))


class Receiver:
    """A depacketizer and what came out of it."""

    def __init__(self, codec: Codec = "mjpeg") -> None:
        self.counters = SourceCounters()
        self.depacketizer = PictureDepacketizer(
            picture_assembler(VideoFormat(codec)),
            payload_type=PAYLOAD_TYPE,
            timeline=Timeline(self.counters),
            counters=self.counters,
            budget=CameraBudget(FakeClock()),
        )
        self.units: list[AccessUnit] = []

    def push(self, raw: list[bytes]) -> None:
        self.units += self.depacketizer.push_packets(raw, 0.0)


def mpeg4(count: int) -> list[list[bytes]]:
    """Return the payloads of *count* pictures, a keyframe each twelve."""
    return [
        [coded[at : at + 60] for at in range(0, len(coded), 60)]
        for coded in coded_pictures("mpeg4", count)
    ]


def test_each_marker_but_the_first_ends_its_picture_at_once() -> None:
    """The first might lie: the packet behind it tells."""
    receiver = Receiver()
    raw = packets(JPEGS)

    receiver.push(raw[:PER_PICTURE])
    assert receiver.units == []
    receiver.push(raw[PER_PICTURE:])

    assert len(receiver.units) == len(JPEGS)
    assert [unit.time_90k for unit in receiver.units] == [0, 3600, 7200, 10_800]
    assert all(unit.keyframe for unit in receiver.units)
    assert receiver.counters.discarded == receiver.counters.lost == 0


def test_without_markers_a_picture_comes_with_the_next() -> None:
    """And the last one when the camera says that it was."""
    receiver = Receiver()
    receiver.push(packets(JPEGS, markers=False))
    assert len(receiver.units) == len(JPEGS) - 1

    assert len(receiver.depacketizer.finish(0.0, orderly=True)) == 1


def test_markers_on_every_packet_are_seen_through() -> None:
    """No picture is cut off."""
    receiver = Receiver()
    receiver.push([bytes((raw[0], raw[1] | 0x80)) + raw[2:] for raw in packets(JPEGS)])

    honest = Receiver()
    honest.push(packets(JPEGS))
    assert [u.payloads for u in receiver.units] == [u.payloads for u in honest.units[:-1]]


@pytest.mark.parametrize("missing", range(len(JPEGS[2])))
def test_a_picture_with_a_gap_is_dropped_whole(missing: int) -> None:
    """Wherever it is; JPEG goes on with the next picture."""
    receiver = Receiver()
    raw = packets(JPEGS)
    receiver.push(raw[: THIRD + missing] + raw[THIRD + missing + 1 :])

    assert [unit.time_90k for unit in receiver.units] == [0, 3600, 10_800]
    assert receiver.counters.lost == 1
    assert receiver.counters.discarded == len(JPEGS[2]) - 1


def test_mpeg4_goes_on_after_a_lost_picture_and_waits_after_a_lost_keyframe() -> None:
    """A smeared moving picture tells more than a frozen one; without its keyframe it is nothing."""
    pictures = mpeg4(16)
    smeared, frozen = Receiver("mpeg4"), Receiver("mpeg4")
    raw = packets(pictures)
    in_third = sum(map(len, pictures[:2])) + 1
    in_keyframe = sum(map(len, pictures[:12])) + 1
    smeared.push(raw[:in_third] + raw[in_third + 1 :])
    frozen.push(raw[:in_keyframe] + raw[in_keyframe + 1 :])

    assert min(len(pictures[2]), len(pictures[12])) > 1
    assert len(smeared.units) == len(pictures) - 1
    assert len(frozen.units) == 12


def test_the_headers_of_mpeg4_come_with_each_keyframe() -> None:
    """In the first piece, where the size is read."""
    receiver = Receiver("mpeg4")
    receiver.push(packets(mpeg4(16)))

    keyframes = [unit for unit in receiver.units if unit.keyframe]
    assert len(keyframes) == 2
    assert {unit.payloads[0] for unit in keyframes} == {keyframes[0].payloads[0]}
    coded = coded_pictures("mpeg4", 16)[0]
    made = coded_picture("mpeg4", keyframes[0].payloads)
    assert made.startswith(coded[:40])
    assert made.endswith(coded[coded.index(b"\x00\x00\x01\xb6") :])


def test_several_mpeg4_pictures_in_one_packet_come_one_by_one() -> None:
    """Spread over the time until the next packet, as far as the last ones tell."""
    coded = coded_pictures("mpeg4", 9)
    receiver = Receiver("mpeg4")
    receiver.push(packets([[b"".join(coded[at : at + 3])] for at in (0, 3, 6)], step_90k=10_800))
    receiver.units += receiver.depacketizer.finish(0.0, orderly=True)

    assert [unit.payloads[-1] for unit in receiver.units[1:]] == coded[1:]
    assert [unit.time_90k for unit in receiver.units[3:]] == [10_800 + 3600 * n for n in range(6)]
    assert receiver.counters.backward == receiver.counters.jumps == 0


def test_a_packet_of_nothing_but_beginnings_is_bounded() -> None:
    """It holds no more pictures than a packet of a camera may."""
    receiver = Receiver("mpeg4")
    receiver.push(packets([[b"\0\0\1\xb6\x50" * 250]] * 2))

    assert receiver.units == []
    assert receiver.counters.discarded == 2


def test_strangers_are_counted() -> None:
    """Another payload type, no RTP at all, and packets that come twice."""
    receiver = Receiver()
    raw = packets(JPEGS)
    other = build_header(98, True, 0, 0, 7) + b"audio"
    receiver.push([other, b"?", *raw[:2], raw[0], *raw[2:]])

    assert len(receiver.units) == len(JPEGS)
    assert receiver.counters.discarded == 3


def test_too_many_pictures_are_abusive() -> None:
    """They are counted as those of any camera."""
    receiver = Receiver()
    tiny = [[bytes((0, 0, 0, 0, 1, 50, 1, 1)) + b"x"]] * 1000

    with pytest.raises(SourceUnavailable) as caught:
        receiver.push(packets(tiny))

    assert caught.value.reason is Reason.ABUSIVE


def test_a_picture_that_never_ends_is_discarded() -> None:
    """It costs no more memory than a picture may."""
    receiver = Receiver()
    endless = [
        build_header(PAYLOAD_TYPE, False, seq, 1, 7)
        + bytes((0, *(seq * 1000).to_bytes(3), 1, 50, 40, 30))
        + bytes(1000)
        for seq in range(9000)
    ]
    receiver.push(endless)

    assert receiver.depacketizer.finish(0.0, orderly=True) == []
    assert receiver.counters.discarded == len(endless)


Oddity = Callable[[list[bytes]], list[bytes]]
"""Sends the packets of ordinary pictures as some device does."""


def renumbered(raw: bytes, seq: int) -> bytes:
    return raw[:2] + (seq & 0xFFFF).to_bytes(2) + raw[4:]


def beside(seq: int, kind: int, time: bytes = bytes(4)) -> bytes:
    """Return a packet of another payload type, or an empty one of the video's."""
    head = build_header(kind, False, seq, 0, 7)
    return head[:4] + time + head[8:] + (b"" if kind == PAYLOAD_TYPE else b"<xml/>")


def that_takes_numbers(kind: int) -> Oddity:
    """One behind each third packet of the video, with a number of its own."""

    def send(raw: list[bytes]) -> list[bytes]:
        sent: list[bytes] = []
        for index, packet in enumerate(raw):
            sent.append(renumbered(packet, 65_530 + len(sent)))
            if index % 3 == 0:
                sent.append(beside(65_530 + len(sent) & 0xFFFF, kind, packet[4:8]))
        return sent

    return send


def that_takes_none(kind: int) -> Oddity:
    """One in front of each third packet, with that one's number."""

    def send(raw: list[bytes]) -> list[bytes]:
        sent: list[bytes] = []
        for index, packet in enumerate(raw):
            if index % 3 == 1:
                sent.append(beside(index, kind, packet[4:8]))
            sent.append(renumbered(packet, index))
        return sent

    return send


def another_source_each_picture(raw: list[bytes]) -> list[bytes]:
    """Numbered from elsewhere."""
    sent: list[bytes] = []
    for number, (_, group) in enumerate(groupby(raw, key=lambda packet: packet[4:8])):
        first = (1_000, 970, 400, 2_000)[number % 4]
        for index, packet in enumerate(group):
            made = renumbered(packet, first + index)
            sent.append(made[:8] + number.to_bytes(4) + made[12:])
    return sent


ODDITIES: dict[str, Oddity] = {
    "foreign_takes": that_takes_numbers(107),
    "foreign_takes_none": that_takes_none(50),
    "empty_takes": that_takes_numbers(PAYLOAD_TYPE),
    "empty_takes_none": that_takes_none(PAYLOAD_TYPE),
    "another_source": another_source_each_picture,
}


@pytest.mark.parametrize("name", ODDITIES)
@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
def test_an_oddity_changes_nothing(codec: Codec, name: str) -> None:
    """As for NAL units: what is not the video's moves nothing, and nothing is lost."""
    raw = packets(JPEGS if codec == "mjpeg" else mpeg4(16))
    plain, receiver = Receiver(codec), Receiver(codec)
    plain.push(raw)

    receiver.push(ODDITIES[name](raw))

    assert [unit.payloads for unit in receiver.units] == [unit.payloads for unit in plain.units]
    assert receiver.counters.lost == 0
