"""What a browser may say, and what it is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.console import messages
from gateway.console.messages import TEXT_BYTES, parse_browser_message
from gateway.model.reasons import Reason
from gateway.model.signalling import IceServer
from gateway.model.wording import WORDING

OFFER = {"k": "offer", "sid": "session-1", "gw": "hue-01", "cam": "c01", "sdp": "v=0\r\n"}


@pytest.mark.parametrize(
    "message",
    [
        {},
        {**OFFER, "k": "extend"},
        {**OFFER, "more": 1},
        {**OFFER, "gw": "+"},
        {**OFFER, "gw": "up"},
        {**OFFER, "cam": "../c01"},
        {**OFFER, "sid": "a/b-cdefgh"},
        {**OFFER, "sid": "short"},
        {**OFFER, "profile": "best"},
        {**OFFER, "sdp": "x" * 32_769},
        {**OFFER, "sdp": 5},
        {"k": "cand", "sid": "session-1", "c": [{"candidate": "x"}] * 513},
        {"k": "cand", "sid": "session-1", "c": [{"candidate": "x" * 513}]},
        {"k": "bye", "sid": "session-1", "why": "<b>"},
    ],
)
def test_what_is_not_exactly_ours_is_not_heard(message: dict[str, object]) -> None:
    """Wrong kinds, names, sizes and extra keys."""
    assert parse_browser_message(json.dumps(message)) is None


def test_a_message_that_is_too_long_is_not_parsed() -> None:
    """Bounded before anything else."""
    assert parse_browser_message(" " * (TEXT_BYTES + 1)) is None


@given(st.text(max_size=300))
def test_any_text_is_a_message_or_none(text: str) -> None:
    """Never an exception."""
    parse_browser_message(text)


def test_the_greeting_has_what_a_browser_needs() -> None:
    """TURN credentials in RTCIceServer's own spelling."""
    server = IceServer(("turn:t.example",), "u", SecretStr("one-time"))

    told = json.loads(messages.hello_message("v-1", (server,), 5, documents=False))

    assert told["ice"] == [{"urls": ["turn:t.example"], "username": "u", "credential": "one-time"}]


def test_every_reason_has_its_words_on_the_page() -> None:
    """One vocabulary: the page has no sentences of its own for reasons."""
    told = json.loads(messages.reason_texts_json())

    assert set(told) == {reason.value for reason in Reason}
    assert told["STALLED"]["vi"] == WORDING[Reason.STALLED].vi
