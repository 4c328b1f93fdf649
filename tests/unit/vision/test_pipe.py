"""Headers on the pipe: a length is never believed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.vision.pipe import MalformedMessage, parse_reply_header, parse_request_header


@settings(max_examples=30, deadline=None)
@given(head=st.binary(min_size=18, max_size=18))
def test_headers_are_parsed_or_refused(head: bytes) -> None:
    """Both directions: a length is never believed."""
    for read, size in ((parse_request_header, 18), (parse_reply_header, 12)):
        try:
            read(head[:size])
        except MalformedMessage:
            continue
        assert head.startswith(b"EYE\x01")


@pytest.mark.parametrize("read", [parse_request_header, parse_reply_header])
def test_impossible_headers_are_refused(read: object) -> None:
    """Wrong magic, or lengths beyond the limits, from either end."""
    length = 18 if read is parse_request_header else 12
    for raw in (bytes(length), b"EYE\x01" + b"\xff" * (length - 4)):
        with pytest.raises(MalformedMessage):
            read(raw)  # type: ignore[operator]
