"""The gateway reads its demuxing child with suspicion."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demuxing.messages import (
    CODECS,
    MAX_PIECES,
    MAX_UNIT_BYTES,
    REPORT_BYTES,
    Report,
    ReportHeader,
    ReportParser,
    pack_report,
)
from gateway.vision.pipe import MalformedMessage

PIECES = st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=8)
UNITS = st.builds(
    ReportHeader,
    st.just(Report.UNIT),
    st.sampled_from(CODECS),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**32 - 1),
)


@given(st.lists(st.tuples(UNITS, PIECES), max_size=5), st.integers(1, 20))
def test_units_are_read_however_the_pipe_cuts_them(
    sent: list[tuple[ReportHeader, list[bytes]]], cut: int
) -> None:
    """Each once, in order."""
    raw = b"".join(pack_report(head, pieces) for head, pieces in sent)
    parser = ReportParser()
    read = [each for at in range(0, len(raw), cut) for each in parser.feed(raw[at : at + cut])]

    assert read == sent


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(raw: bytes) -> None:
    """Only one error comes out."""
    with suppress(MalformedMessage):
        list(ReportParser().feed(raw))


@pytest.mark.parametrize(
    ("report", "pieces", "length"),
    [
        (Report.UNIT, 1, MAX_UNIT_BYTES + 5),
        (Report.UNIT, MAX_PIECES + 1, 100_000),
        (Report.UNIT, 0, 0),
        (Report.READY, 2, 16),
        (Report.NO_CODEC, 1, 1_000),
    ],
)
def test_impossible_lengths_are_refused_before_the_body_comes(
    report: Report, pieces: int, length: int
) -> None:
    """Nothing is kept for them."""
    raw = bytearray(pack_report(ReportHeader(report)))
    raw[4:8], raw[8:12] = pieces.to_bytes(4), length.to_bytes(4)
    raw[:4] = raw[:2] + bytes((report << 4,)) + raw[3:4]

    with pytest.raises(MalformedMessage):
        list(ReportParser().feed(bytes(raw[:REPORT_BYTES])))
