"""Reading and answering offers: a real one of Chromium, broken ones, and anything at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ViewerRejected
from gateway.webrtc.codec_selection import pick_codec
from gateway.webrtc.packet_batch import RtpParameters
from gateway.webrtc.sdp_answer import LocalTransport, answer_sdp
from gateway.webrtc.sdp_offer import parse_offer

CHROMIUM = (Path(__file__).parents[2] / "data/sdp/chromium.sdp").read_bytes().decode()
LOCAL = LocalTransport(
    "ufrg", "p" * 22, ":".join(["AB"] * 32), ("1 1 udp 1 10.0.0.1 9000 typ host",)
)


def test_chromiums_offer_is_read() -> None:
    """Video and audio section, ICE, fingerprint, and every codec with its RTX."""
    offer = parse_offer(CHROMIUM)

    assert offer.mids == (("0", "video"), ("1", "audio"))
    assert offer.ufrag == "FCDH"
    assert len(offer.candidates) == 2
    assert {(c.name, c.payload_type, c.rtx_payload_type) for c in offer.codecs} >= {
        ("vp8", 96, 97),
        ("h264", 108, 109),
    }


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("v=0", "v=1", "v=0"),
        ("m=video", "m=application", "audio or video"),
        ("UDP/TLS/RTP/SAVPF 96", "RTP/AVP 96", "SAVPF"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "fingerprint"),
        ("a=rtcp-mux", "a=x-mux", "rtcp-mux"),
        ("a=recvonly", "a=sendonly", "receive"),
        ("a=ice-pwd:W8v2", "a=ice-pwd:W 8", "ice-pwd"),
        ("a=ice-ufrag:FCDH", "a=x:y", "ice-ufrag"),
        ("a=setup:actpass", "a=setup:passive", "setup"),
        ("s=-", "s=\x00", "control"),
        ("s=-", "s=" + "x" * 20_000, "longer"),
        ("m=audio", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nm=audio", "m-sections"),
        ("a=mid:0", "a=candidate:x\r\n" * 21 + "a=mid:0", "candidates"),
        ("a=mid:0", "a=mid:0 1", "mid"),
    ],
)
def test_a_broken_offer_is_refused_with_what_is_wrong(old: str, new: str, detail: str) -> None:
    """400, naming the first mistake."""
    with pytest.raises(ViewerRejected, match=detail) as refusal:
        parse_offer(CHROMIUM.replace(old, new))

    assert refusal.value.code == 400


@pytest.mark.parametrize("sdp", ["", "\n", "v=0", "v=0\r\n", "m=video", "v=0\nm=", "\ud800"])
def test_an_offer_of_nothing_is_refused(sdp: str) -> None:
    """Empty and half-empty ones."""
    with pytest.raises(ViewerRejected):
        parse_offer(sdp)


@given(st.text() | st.lists(st.sampled_from(CHROMIUM.split("\r\n"))).map("\r\n".join))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    """Any characters, and any shuffling of true lines."""
    with suppress(ViewerRejected):
        assert parse_offer("v=0\r\n" + text).ufrag


def test_constrained_baseline_in_mode_1_is_taken_for_h264() -> None:
    """As other relays do; the decoder reads the SPS."""
    codec = pick_codec(parse_offer(CHROMIUM), "h264")

    assert codec is not None
    assert codec.payload_type == 108


def test_the_answer_is_one_that_aiortc_reads() -> None:
    """Video sent, audio refused, our ICE and DTLS, RTX tied to the video."""
    offer = parse_offer(CHROMIUM)
    codec = pick_codec(offer, "h264")
    assert codec is not None
    numbers = RtpParameters(codec.payload_type, 11, codec.rtx_payload_type, 22)

    read = SessionDescription.parse(answer_sdp(offer, codec, numbers, LOCAL))

    video, audio = read.media
    assert (video.kind, video.direction, video.port) == ("video", "sendonly", 9)
    assert (audio.kind, audio.port) == ("audio", 0)
    assert [c.payloadType for c in video.rtp.codecs] == [108, 109]
    assert video.rtp.codecs[0].parameters["profile-level-id"] == "42e01f"
    assert video.dtls is not None
    assert video.dtls.role == "server"
    assert video.ice is not None
    assert video.ice.usernameFragment == "ufrg"
    assert [c.ip for c in video.ice_candidates] == ["10.0.0.1"]


def test_the_medias_ssrc_comes_before_that_of_its_retransmissions() -> None:
    """Chromium takes the first SSRC of a section for the media and shows nothing otherwise."""
    offer = parse_offer(CHROMIUM)
    codec = pick_codec(offer, "h264")
    assert codec is not None

    sdp = answer_sdp(offer, codec, RtpParameters(108, 11, 109, 22), LOCAL)

    assert sdp.index("a=ssrc:11 ") < sdp.index("a=ssrc:22 ")
