"""Both ends read each other with suspicion."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transcoding.messages import (
    INPUT_BYTES,
    MAX_INPUT_PAYLOADS,
    MAX_OUTPUT_BYTES,
    OUTPUT_BYTES,
    Command,
    InputHeader,
    OutputHeader,
    Report,
    ReportParser,
    pack_keyframe_request,
    pack_report,
    pack_unit,
    parse_input_header,
)
from gateway.transcoding.output_format import OutputFormat
from gateway.vision.pieces import split_pieces
from gateway.vision.pipe import MalformedMessage

PIECES = st.lists(st.binary(min_size=1, max_size=50), max_size=8)


@given(
    PIECES, st.booleans(), st.booleans(), st.integers(0, 2**32 - 1), st.integers(-(2**62), 2**62)
)
def test_a_unit_is_read_as_it_was_written(
    payloads: list[bytes], keyframe: bool, cached: bool, serial: int, time_90k: int
) -> None:
    """With all its payloads."""
    written = InputHeader(Command.UNIT, keyframe, cached, 0, 0, serial, time_90k, 12.5)
    raw = pack_unit(written, payloads)
    read = parse_input_header(raw[:INPUT_BYTES])

    assert (read.keyframe, read.cached, read.serial, read.time_90k, read.arrived_s) == (
        keyframe,
        cached,
        serial,
        time_90k,
        12.5,
    )
    assert split_pieces(raw[INPUT_BYTES:], read.payloads) == payloads


@given(st.lists(PIECES, max_size=5), st.integers(1, 20))
def test_reports_are_read_however_the_pipe_cuts_them(many: list[list[bytes]], cut: int) -> None:
    """Each once, in order."""
    raw = b"".join(
        pack_report(
            OutputHeader(Report.UNIT, True, len(nals), serial, 7, 1, 2, 3, 4, 5, 6, 0.5), nals
        )
        for serial, nals in enumerate(many)
    )
    parser = ReportParser()
    read = [each for at in range(0, len(raw), cut) for each in parser.feed(raw[at : at + cut])]

    assert [nals for _, nals in read] == many
    assert [head.serial for head, _ in read] == list(range(len(many)))


@given(st.binary(max_size=400))
def test_any_bytes_are_reports_or_refused(raw: bytes) -> None:
    """Nothing else is raised."""
    with suppress(MalformedMessage):
        list(ReportParser().feed(raw))
    with suppress(MalformedMessage):
        parse_input_header(raw[:INPUT_BYTES].ljust(INPUT_BYTES, b"\0"))


def test_a_report_longer_than_any_picture_is_refused_by_its_header() -> None:
    """Before a byte of it is kept."""
    raw = pack_report(OutputHeader(Report.UNIT, nals=1), [bytes(MAX_OUTPUT_BYTES)])
    with pytest.raises(MalformedMessage, match="impossible length"):
        list(ReportParser().feed(raw[:OUTPUT_BYTES]))


@pytest.mark.parametrize(
    ("body", "count"),
    [(b"", 1), (b"\0\0\0\2a", 1), (b"\0\0\0\1ab", 1), (b"\0\0\0\0", 1), (b"\0\0\0\1", 1)],
)
def test_a_body_that_contradicts_itself_is_refused(body: bytes, count: int) -> None:
    """Cut off, too long, or empty."""
    with pytest.raises(MalformedMessage):
        split_pieces(body, count)


def test_a_keyframe_request_has_no_body() -> None:
    """It is a header alone."""
    head = parse_input_header(pack_keyframe_request())
    assert (head.command, head.payloads, head.length) == (Command.KEYFRAME, 0, 0)


def test_the_output_format_survives_the_command_line() -> None:
    """Every field of it."""
    output = OutputFormat(480, 900_000, 12.5, "veryfast", "baseline", 1.5, 0.5)
    assert OutputFormat.from_arguments(output.to_arguments()) == output


def test_a_unit_of_too_many_payloads_is_refused_by_its_header() -> None:
    """Each costs more than its bytes."""
    head = InputHeader(Command.UNIT, True, False, 0, 0, 1, 0, 0.0)
    raw = pack_unit(head, [b"x"] * (MAX_INPUT_PAYLOADS + 1))
    with pytest.raises(MalformedMessage, match="impossible length"):
        parse_input_header(raw[:INPUT_BYTES])


@pytest.mark.parametrize("cpu_s", [float("nan"), float("inf"), -1.0, 1e30])
def test_a_processor_time_that_there_is_not_is_refused(cpu_s: float) -> None:
    """It is reckoned with: whether the machine can carry another transcode."""
    raw = pack_report(OutputHeader(Report.PROGRESS, cpu_s=cpu_s))
    with pytest.raises(MalformedMessage, match="processor time"):
        list(ReportParser().feed(raw))
