"""Reading and answering offers: a real one of Chromium, broken ones, and anything at all."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiortc.sdp import SessionDescription, candidate_from_sdp
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ViewerRejected
from gateway.model.media import VideoFormat
from gateway.model.signalling import IceServer
from gateway.webrtc.codec_selection import choose_profile, pick_codec
from gateway.webrtc.ice_candidates import candidate_line, to_rtc_ice_servers, usable_candidates
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


def test_a_sub_stream_is_taken_when_the_main_one_cannot_be() -> None:
    """H.265 main, H.264 sub, and a viewer without H.265."""
    offer = parse_offer(CHROMIUM)

    profile, codec = choose_profile(
        offer, [("main", VideoFormat("h265")), ("sub", VideoFormat("h264"))]
    )

    assert profile == "sub"
    assert codec.name == "h264"


def test_a_viewer_who_can_take_nothing_is_told_what_there_is() -> None:
    """488 with the profiles and their codecs."""
    with pytest.raises(ViewerRejected, match="main: h265") as refusal:
        choose_profile(parse_offer(CHROMIUM), [("main", VideoFormat("h265"))])

    assert refusal.value.code == 488


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


@pytest.mark.parametrize(
    "line",
    [
        "1 1 udp 1 c273d855-0fce-42bc-b3bd-9cbfe8202f56.local 44558 typ host",
        "1 1 tcp 1 203.0.113.1 9 typ host tcptype active",
        "1 1 udp 1 127.0.0.1 5000 typ host",
        "1 1 udp 1 169.254.169.254 80 typ host",
        "1 1 udp 1 0.0.0.0 80 typ host",
        "1 1 udp 1 224.0.0.1 80 typ host",
        "1 1 udp 1 192.168.1.10 554 typ host",
        "1 1 udp 1 ::1 5000 typ host",
        "1 1 udp 1 203.0.113.1 0 typ host",
        "1 1 udp 1 203.0.113.1 65536 typ host",
        "1 1 udp 1 999.0.0.1 5000 typ host",
        "",
    ],
)
def test_an_address_that_is_none_of_the_viewers_business_is_dropped(line: str) -> None:
    """Names, TCP, this machine, the link, the camera networks, nonsense."""
    assert usable_candidates([line], forbidden_networks=(ip_network("192.168.1.0/24"),)) == ()


def test_an_honest_address_is_kept() -> None:
    """With or without the prefix, and whatever follows."""
    lines = [
        "candidate:1 1 udp 2113 203.0.113.7 5000 typ host generation 0",
        "2 1 UDP 1 2001:db8::7 5001 typ srflx raddr 10.0.0.1 rport 9",
    ]

    kept = usable_candidates(lines, forbidden_networks=())

    assert [(c.ip, c.port) for c in kept] == [("203.0.113.7", 5000), ("2001:db8::7", 5001)]


@given(st.text())
def test_no_candidate_line_does_more_than_be_dropped(line: str) -> None:
    """Whatever a viewer writes."""
    assert len(usable_candidates([line], forbidden_networks=())) <= 1


@pytest.mark.parametrize(
    "url", ["http://x", "turn:", "turn:a b", "stun:x?transport=sctp", "turn:u@h", ""]
)
def test_an_ice_server_must_be_stun_or_turn(url: str) -> None:
    """400; no other URL is ever opened for a viewer."""
    with pytest.raises(ViewerRejected):
        to_rtc_ice_servers([IceServer((url,))])


def test_the_ice_servers_are_explicit_even_when_there_are_none() -> None:
    """Aiortc's default is a public server."""
    assert to_rtc_ice_servers([]) == []


@pytest.mark.parametrize(
    "line",
    [
        "0123abc 1 udp 2130706431 192.0.2.7 50000 typ host",
        "f 1 udp 1694498815 2001:db8::1 50001 typ srflx raddr 192.168.1.2 rport 50000",
        "f 1 udp 16777215 192.0.2.9 3478 typ relay raddr 192.0.2.7 rport 9",
    ],
)
def test_candidates_are_written_as_aiortc_reads_them(line: str) -> None:
    """And read as it reads them, the related address aside, which we have no use for."""
    candidate = candidate_from_sdp(line)
    plain = candidate_from_sdp(line.split(" raddr")[0])

    assert candidate_line(candidate) == line
    assert usable_candidates([f"candidate:{line}"], forbidden_networks=()) == (plain,)
