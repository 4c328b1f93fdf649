"""What a viewer's RTCP makes us do, counted in items examined."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.rtcp import ReceiverReport, nack, pli, receiver_report
from gateway.webrtc.retransmit_buffer import REPEATS
from gateway.webrtc.rtcp_feedback import ITEMS_BURST, ITEMS_PER_S, RtcpFeedback
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import FakeClock
from tests.unit.webrtc.test_rtp_sender import Line, make, open_line

EVERYTHING = struct.pack("!BBHII", 0x81, 205, 2 + 120, 1, 2) + b"\x00\x00\xff\xff" * 120
"""A NACK of 2,040 packets: as many as a datagram takes."""


@dataclass
class Subject:
    """Feedback to a sender that has sent a hundred packets over a real socket."""

    feedback: RtcpFeedback
    clock: FakeClock
    line: Line
    refused: list[int]
    replays: list[int]


@pytest.fixture
def subject() -> Iterator[Subject]:
    with open_line() as line:
        sender, clock = make(line.path()), FakeClock()
        sender.set_pace(None, sent_bps=1e9)  # no timer: there is no loop here
        sender._destination.seq = 30_000
        for number in range(1, 11):
            sender.send_unit(access_unit(number, sizes=(100,) * 10))
        list(line.packets())
        refused: list[int] = []
        replays: list[int] = []
        feedback = RtcpFeedback(
            sender,
            on_keyframe_request=lambda: replays.append(1),
            on_refused=lambda: refused.append(1),
            clock=clock,
        )
        yield Subject(feedback, clock, line, refused, replays)
        sender.close()
        sender.path.close()


def test_a_flood_of_nacks_costs_no_more_than_the_budget(subject: Subject) -> None:
    """A hundred NACKs of 2,040 packets each: 204,000 items were examined, now the burst."""
    for _ in range(100):
        subject.feedback.on_rtcp(EVERYTHING)

    assert subject.feedback.items <= ITEMS_BURST
    assert len(subject.refused) >= 99


def test_the_budget_of_a_second_is_given_back_in_a_second(subject: Subject) -> None:
    """Over any time a viewer gets its burst and so many a second, whatever it asks for."""
    for _ in range(10):
        for _ in range(10):
            subject.feedback.on_rtcp(EVERYTHING)
        subject.clock.time_s += 1.0

    assert subject.feedback.items <= ITEMS_BURST + 9 * ITEMS_PER_S


def test_what_is_lost_is_sent_again_within_the_budget(subject: Subject) -> None:
    """An honest NACK beside the flood of a second before."""
    for _ in range(5):
        subject.feedback.on_rtcp(EVERYTHING)
    subject.clock.time_s += 0.1
    before = len(subject.refused)

    subject.feedback.on_rtcp(nack(1, 2, (30_005, 30_050)))

    assert len(list(subject.line.packets())) == 2
    assert len(subject.refused) == before


def test_the_same_packet_is_sent_again_a_few_times_at_most(subject: Subject) -> None:
    """A client that asks for each packet with every report: 21 times within 2 s."""
    for _ in range(21):
        subject.feedback.on_rtcp(nack(1, 2, (30_005,)))
        repeated = subject.feedback._sender._retransmit_buffer._repeated
        repeated.update({seq: (count, 0.0) for seq, (count, _) in repeated.items()})  # long ago

    assert len(list(subject.line.packets())) == REPEATS


def test_a_keyframe_request_forgets_what_waits_to_be_sent_again(subject: Subject) -> None:
    """The GOP is sent again instead."""
    sender = subject.feedback._sender
    sender._retransmit_free_s = float("inf")
    sender._requests.add((30_005, 30_006))
    subject.feedback._replayed_s = float("-inf")

    subject.feedback.on_rtcp(pli(1, 2))

    assert subject.replays
    assert not len(sender._requests)


def test_reports_are_items_too(subject: Subject) -> None:
    """Blocks and keyframe requests are paid for like sequence numbers."""
    block = ReceiverReport(5, 6, 64, 1, 70_000, 33, 0, 0)
    datagram = receiver_report(5, "c", block) + pli(5, 6)

    for _ in range(ITEMS_BURST):
        subject.feedback.on_rtcp(datagram)

    assert subject.feedback.items <= ITEMS_BURST
    assert subject.feedback.keyframe_requests < ITEMS_BURST
    assert not subject.replays


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_datagram_raises_or_exceeds_the_budget(datagrams: list[bytes]) -> None:
    """Whatever the viewer has encrypted."""
    with open_line() as line:
        sender = make(line.path())
        feedback = RtcpFeedback(
            sender, on_keyframe_request=lambda: None, on_refused=lambda: None, clock=FakeClock()
        )
        for datagram in datagrams:
            feedback.on_rtcp(datagram)
            feedback.on_rtcp(b"\x81\xcd" + datagram[2:])

        assert feedback.items <= ITEMS_BURST
        sender.close()
        sender.path.close()
