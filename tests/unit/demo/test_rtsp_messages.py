"""RTSP as text, on the camera's side: whatever comes in pieces, whatever comes broken."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.auth import Account, Authenticator, Scheme, digest_response
from gateway.demo.rtsp_messages import InterleavedPacket, Request, format_sdp, pop_message
from tests.fixtures.camera import ACCOUNT

TEXT = b"SETUP rtsp://h/a?b=1/trackID=1 RTSP/1.0\r\nCSeq: 3\r\n\r\n"


@given(st.lists(st.integers(1, len(TEXT) - 1)))
def test_a_request_may_come_in_any_pieces(cuts: list[int]) -> None:
    """It is there when its last byte is, and not before."""
    buffer = bytearray()
    taken: list[object] = []
    edges = [0, *sorted(set(cuts)), len(TEXT)]
    for start, end in pairwise(edges):
        assert not taken
        buffer += TEXT[start:end]
        taken += [each] if (each := pop_message(buffer)) else []

    assert taken == [Request("SETUP", "rtsp://h/a?b=1/trackID=1", {"cseq": "3"})]
    assert not buffer


def test_packets_stand_between_requests() -> None:
    """A receiver report of the viewer is told from a request."""
    buffer = bytearray(b"$\x01\x00\x03abc" + TEXT)

    assert pop_message(buffer) == InterleavedPacket(1, b"abc")
    assert isinstance(pop_message(buffer), Request)


@given(st.binary(max_size=300))
def test_no_bytes_crash_it(noise: bytes) -> None:
    """Wait for more, take something, or ValueError."""
    with contextlib.suppress(ValueError):
        pop_message(bytearray(noise))


def test_the_path_keeps_its_query() -> None:
    """Dahua's channels stand in the query."""
    request = Request("PLAY", "rtsp://h:554/cam/realmonitor?channel=1&subtype=0/", {})

    assert request.path == "/cam/realmonitor?channel=1&subtype=0"


def test_the_description_holds_the_parameter_sets() -> None:
    """In base64, with the profile of the SPS."""
    text = format_sdp("Quầy 1", "h264", [b"\x67\x42\xc0\x1f", b"\x68"], sound=True).decode()

    assert "s=Quầy 1\r\n" in text
    assert "profile-level-id=42c01f;sprop-parameter-sets=Z0LAHw==,aA==" in text
    assert "m=audio" in text


@pytest.mark.parametrize("scheme", ["MD5", "SHA-256", "SHA-512-256"])
@pytest.mark.parametrize("qop", [True, False])
def test_the_right_answer_to_a_challenge_is_let_in(scheme: Scheme, qop: bool) -> None:
    """And the same answer for another method is not."""
    account = Account(ACCOUNT.username, ACCOUNT.password, schemes=(scheme,), qop=qop)
    gatekeeper = Authenticator(account)
    (challenge,) = gatekeeper.challenges()
    nonce = challenge.split('nonce="')[1].split('"')[0]
    given = {"nonce": nonce, "uri": "rtsp://h/a"}
    given |= {"qop": "auth", "nc": "00000001", "cnonce": "c"} if qop else {}
    given["response"] = digest_response(account, scheme, "PLAY", given)
    header = f'Digest username="{account.username}", algorithm={scheme}, ' + ", ".join(
        f'{key}="{text}"' for key, text in given.items()
    )

    assert gatekeeper.check("PLAY", header) == "ok"
    assert gatekeeper.check("SETUP", header) == "wrong"


@given(st.text(max_size=100))
def test_no_header_crashes_the_gatekeeper(text: str) -> None:
    """Whatever stands in Authorization."""
    assert Authenticator(ACCOUNT).check("PLAY", text) != "ok"
    assert Authenticator(ACCOUNT).check("PLAY", f"Digest {text}") != "ok"
