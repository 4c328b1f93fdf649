"""What viewers and gateways say, written and read again; and what is refused."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import MessageRejected
from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Answer,
    Bye,
    Candidates,
    Extend,
    Offer,
    Refusal,
    RemoteCandidate,
    SessionKey,
    SessionStats,
)
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import (
    GatewayMessage,
    ViewerMessage,
    decode_gateway_message,
    decode_viewer_message,
    encode_gateway_message,
    encode_viewer_message,
)
from gateway.mqtt.topic_tree import PLAIN

KEY = SessionKey("v-op17", "0123456789")
STAMP = Stamp(1_764_000_000_123, 1042, 7)
SDP = "v=0\r\n" + "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n" * 40

VIEWER: list[ViewerMessage] = [
    Offer(KEY, "c07", SDP),
    Offer(KEY, "c07", SDP, slate=False),
    Offer(
        KEY,
        "c07",
        SDP,
        "sub",
        relay_only=True,
        lifetime_s=600.0,
    ),
    Candidates(KEY, (RemoteCandidate("candidate:1", "0"), RemoteCandidate("candidate:2"))),
    Candidates(KEY, (RemoteCandidate(None),)),
    Extend(KEY, 600.0),
    Bye(KEY, "viewer"),
]
GATEWAY: list[GatewayMessage] = [
    Answer(KEY, SDP),
    Bye(KEY, "camera"),
    Refusal(KEY, 486, Reason.OVERLOADED, "16 watch already"),
    SessionStats(KEY, 2048.5, 0.5, 38.0, 3),
    SessionStats(KEY, 24.0, 0.0, 38.0, 0, ViewLevel.MAIN, slate=Reason.UNREACHABLE),
    SessionStats(KEY, 48.5, 9.5, 38.0, 0, ViewLevel.KEYFRAMES, Reason.LINE_NARROW),
]


@pytest.mark.parametrize("said", VIEWER, ids=lambda said: type(said).__name__)
def test_what_a_viewer_says_comes_across(said: ViewerMessage) -> None:
    """Written by the console, read by the gateway."""
    content_type, payload = encode_viewer_message(STAMP, said)

    assert decode_viewer_message(KEY, payload, content_type) == said


@pytest.mark.parametrize("said", GATEWAY, ids=lambda said: type(said).__name__)
def test_what_a_gateway_says_comes_across(said: GatewayMessage) -> None:
    """Written by the gateway, read by the console."""
    content_type, payload = encode_gateway_message(STAMP, said)

    assert decode_gateway_message(KEY, payload, content_type) == said


REFUSED = {
    "no kind": ({}, ""),
    "unknown kind": ({"k": "shout"}, ""),
    "answer from a viewer": ({"k": "answer", "sdp": SDP}, ""),
    "offer without sdp": ({"k": "offer", "cam": "c07"}, "/sdp"),
    "offer without camera": ({"k": "offer", "sdp": SDP}, "/cam"),
    "unknown profile": ({"k": "offer", "sdp": SDP, "cam": "c", "profile": "hd"}, "/profile"),
    "a number for a camera": ({"k": "offer", "sdp": SDP, "cam": 7}, "/cam"),
    "a word for a flag": (
        {"k": "offer", "sdp": SDP, "cam": "c", "relay_only": "yes"},
        "/relay_only",
    ),
    "a camera of a thousand messages": ({"k": "offer", "sdp": SDP, "cam": "c" * 1000}, "/cam"),
    "forty thousand messages of sdp": (
        {"k": "offer", "sdp": "v" * 40_000, "cam": "c"},
        "/sdp",
    ),
    "urls that are none": (
        {"k": "offer", "sdp": SDP, "cam": "c", "ice": [{"urls": "turn:x"}]},
        "/ice/0/urls",
    ),
    "no time to last": ({"k": "extend", "exp_s": 0}, "/exp_s"),
    "an eternity": ({"k": "extend", "exp_s": 1e9}, "/exp_s"),
    "too many candidates": ({"k": "cand", "c": [{"candidate": "x"}] * 513}, "/c"),
    "negative number": ({"k": "bye", "s": -1}, "/s"),
}


@pytest.mark.parametrize(("tree", "at"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_in_the_contract_is_refused_with_its_place(
    tree: dict[str, object], at: str
) -> None:
    """Kind and JSON pointer say what to mend."""
    with pytest.raises(MessageRejected) as caught:
        decode_viewer_message(KEY, json.dumps(tree).encode(), PLAIN)

    assert caught.value.faults[0].at == at


def test_a_credential_is_in_no_refusal() -> None:
    """The fault says where, never what was given."""
    ice = [{"urls": ["turn:x"], "username": 1, "credential": "canary" * 200}]
    tree = {"k": "offer", "sdp": SDP, "cam": "c07", "ice": ice}

    with pytest.raises(MessageRejected) as caught:
        decode_viewer_message(KEY, json.dumps(tree).encode(), PLAIN)

    assert "canary" not in str(caught.value)


def test_unknown_keys_are_ignored() -> None:
    """A newer console may say more than we know."""
    tree = {"k": "bye", "s": 1, "why": "viewer", "mood": "good"}

    assert decode_viewer_message(KEY, json.dumps(tree).encode(), PLAIN) == Bye(KEY, "viewer")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(max_size=4), deeper),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    ["sdp", "cam", "profile", "ice", "exp_s", "c", "end", "why", "s", "t", "ep"]
)


@given(
    st.sampled_from(["offer", "cand", "extend", "bye", "answer", "error", "stats"]),
    st.dictionaries(_KEYS, _JSON),
)
def test_any_object_is_read_or_rejected(kind: str, tree: dict[str, object]) -> None:
    """In both directions, whatever the values are."""
    payload = json.dumps({"k": kind, **tree}).encode()

    for reader in (decode_viewer_message, decode_gateway_message):
        try:
            said = reader(KEY, payload, PLAIN)
        except MessageRejected:
            continue
        assert said.key == KEY


def test_what_is_packed_holds_no_more_than_what_is_not() -> None:
    """Half a kilobyte that would be a quarter of a million values to read is left packed."""
    packed = zlib.compress(b'{"k":"offer","x":[%b0]}' % (b"0," * 250_000), 9)
    with pytest.raises(MessageRejected) as caught:
        decode_viewer_message(KEY, packed, "application/json+zlib")

    assert [fault.code for fault in caught.value.faults] == ["zlib.size"]
