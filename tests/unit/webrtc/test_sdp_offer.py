"""Reading and answering offers: a real one of Chromium, broken ones, and anything at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ViewerRejected
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.webrtc.codec_selection import nothing_in_common, pick_codec
from gateway.webrtc.packet_batch import RtpParameters
from gateway.webrtc.playout_delay import PLAYOUT_DELAY_URI
from gateway.webrtc.sdp_answer import LocalTransport, answer_sdp
from gateway.webrtc.sdp_offer import parse_offer

CHROMIUM = (Path(__file__).parents[2] / "data/sdp/chromium.sdp").read_bytes().decode()
LOCAL = LocalTransport(
    "ufrg", "p" * 22, ":".join(["AB"] * 32), ("1 1 udp 1 10.0.0.1 9000 typ host",)
)


def test_chromiums_offer_is_read() -> None:
    """Video and audio section, ICE, fingerprint, and every codec with its RTX."""
    offer = parse_offer(CHROMIUM)

    assert [(each.mid, each.kind) for each in offer.sections] == [("0", "video"), ("1", "audio")]
    assert offer.ufrag == "FCDH"
    assert len(offer.candidates) == 2
    assert {(c.name, c.payload_type, c.rtx_payload_type) for c in offer.codecs} >= {
        ("vp8", 96, 97),
        ("h264", 108, 109),
    }


@pytest.mark.parametrize("number", [999, 128, 64])
def test_retransmissions_need_a_payload_type_that_the_section_lists(number: int) -> None:
    """Else there are none: seven bits carry no more, and only what is listed is known."""
    text = CHROMIUM.replace("rtpmap:109 rtx", f"rtpmap:{number} rtx")
    text = text.replace("fmtp:109 apt", f"fmtp:{number} apt")

    assert (108, None) in {
        (each.payload_type, each.rtx_payload_type) for each in parse_offer(text).codecs
    }


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("v=0", "v=1", "v=0"),
        ("m=video", "m=text", "no video section"),
        ("m=video 9", "m=video nine", "m-line"),
        ("m=video 9", "m=video 0", "port 0"),
        ("UDP/TLS/RTP/SAVPF 96", "RTP/AVP 96", "SAVPF"),
        ("SAVPF 96 ", "SAVPF 96 x ", "numbers"),
        ("SAVPF 96 ", "SAVPF 96 " + "97 " * 200, "payload types"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "fingerprint"),
        ("a=rtcp-mux", "a=x-mux", "rtcp-mux"),
        ("a=recvonly", "a=sendonly", "receive"),
        ("a=ice-pwd:W8v2", "a=ice-pwd:W 8", "ice-pwd"),
        ("a=ice-ufrag:FCDH", "a=x:y", "ice-ufrag"),
        ("a=setup:actpass", "a=setup:passive", "setup"),
        ("s=-", "s=\x00", "control"),
        ("s=-", "s=" + "x" * 32_768, "at most 32768"),
        ("m=audio", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 16 + "m=audio", "m-sections"),
        ("a=mid:0", "a=mid:0 1", "mid"),
    ],
)
def test_a_broken_offer_is_refused_with_what_is_wrong(old: str, new: str, detail: str) -> None:
    """400, naming the first mistake."""
    with pytest.raises(ViewerRejected, match=detail) as refusal:
        parse_offer(CHROMIUM.replace(old, new))

    assert refusal.value.code == 400


def answered(sdp: str) -> SessionDescription:
    """Return the answer to *sdp*, as aiortc reads it."""
    offer = parse_offer(sdp)
    codec = pick_codec(offer, "h264")
    assert codec is not None
    numbers = RtpParameters(codec.payload_type, 11, codec.rtx_payload_type, 22)
    return SessionDescription.parse(answer_sdp(offer, codec, numbers, LOCAL))


VIDEO, AUDIO = (f"m={part}" for part in CHROMIUM.split("m=")[1:])
SESSION = CHROMIUM.split("m=")[0]
DATA = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:FCDH\r\n"
    "a=mid:d\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
)
SENDING = VIDEO.replace("a=recvonly", "a=sendonly").replace("a=mid:0", "a=mid:s")


def of_sections(*sections: str, bundle: str = "") -> str:
    session = SESSION.replace("BUNDLE 0 1", bundle or "BUNDLE 0 1")
    return "".join((session, *sections))


@pytest.mark.parametrize(
    ("sections", "kinds"),
    [
        ((DATA, VIDEO), ["application", "video"]),
        ((VIDEO, DATA, AUDIO), ["video", "application", "audio"]),
        ((SENDING, AUDIO, VIDEO), ["video", "audio", "video"]),
        ((VIDEO, *[SENDING.replace("mid:s", f"mid:s{n}") for n in range(3)]), ["video"] * 4),
    ],
)
def test_sections_that_are_of_no_use_are_refused_by_their_port(
    sections: tuple[str, ...], kinds: list[str]
) -> None:
    """RFC 8829 §5.3.1: a data channel, audio, a camera of the viewer's own, videos too many."""
    read = answered(of_sections(*sections))

    assert [each.kind for each in read.media] == kinds
    accepted = [each for each in read.media if each.port]
    assert [(each.rtp.muxId, each.direction) for each in accepted] == [("0", "sendonly")]


def test_a_refused_data_channel_keeps_its_protocol() -> None:
    """An answer repeats the protocol and a format of what it refuses (RFC 3264 §6)."""
    offer = parse_offer(of_sections(VIDEO, DATA))
    codec = pick_codec(offer, "h264")
    assert codec is not None

    sdp = answer_sdp(offer, codec, RtpParameters(108, 11, 109, 22), LOCAL)

    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n" in sdp


def test_the_transport_of_a_bundled_video_stands_where_it_is_bundled() -> None:
    """RFC 9143 §7.1.3: a bundle-only section need not repeat what the first one says."""
    transport = ("a=ice-", "a=fingerprint", "a=setup", "a=candidate", "a=rtcp-mux")
    video = "\r\n".join(
        line for line in VIDEO.split("\r\n") if not line.startswith(transport)
    ).replace("m=video 9", "m=video 0")
    bundled = video.replace("a=mid:0", "a=mid:0\r\na=bundle-only")

    offer = parse_offer(of_sections(AUDIO, bundled, bundle="BUNDLE 1 0"))

    assert offer.ufrag == "FCDH"
    assert (offer.tagged_mid, offer.video_mid) == ("1", "0")
    assert len(offer.candidates) == 2
    read = answered(of_sections(AUDIO, bundled, bundle="BUNDLE 1 0"))
    assert [(each.port, each.direction) for each in read.media] == [
        (9, "inactive"),
        (9, "sendonly"),
    ]
    assert [each.items for each in read.group] == [["1", "0"]]


def test_a_video_bundled_with_a_data_channel_is_refused_with_the_cause() -> None:
    """Its transport would have to be accepted, and what comes over it be understood."""
    bundled = VIDEO.replace("m=video 9", "m=video 0").replace("a=mid:0", "a=mid:0\r\na=bundle-only")

    with pytest.raises(ViewerRejected, match="bundled with"):
        parse_offer(of_sections(DATA, bundled, bundle="BUNDLE d 0"))


def test_an_offer_without_a_group_is_answered_without_one() -> None:
    """RFC 5888 §9.2: an answer names no group that was not offered."""
    offer = parse_offer(CHROMIUM.replace("a=group:BUNDLE 0 1\r\n", ""))
    codec = pick_codec(offer, "h264")
    assert codec is not None

    assert "a=group" not in answer_sdp(offer, codec, RtpParameters(108, 11, 109, 22), LOCAL)
    assert answered(CHROMIUM).group


@pytest.mark.parametrize("size", [16_400, 19_000, 32_000])
def test_an_offer_may_be_as_long_as_the_contract_says(size: int) -> None:
    """A browser with many codecs and networks writes 19 kB."""
    padding = "a=x-extension:" + "x" * 100 + "\r\n"

    assert parse_offer(CHROMIUM + padding * ((size - len(CHROMIUM)) // len(padding))).ufrag


def test_an_offer_may_name_any_number_of_candidates() -> None:
    """Whoever has seven networks; which of them are checked is decided elsewhere."""
    line = "a=candidate:1 1 tcp 1518280447 203.0.113.9 9 typ host tcptype active\r\n"

    assert len(parse_offer(CHROMIUM.replace("a=mid:0", line * 200 + "a=mid:0")).candidates) == 202


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


def refusal_of(sdp: str, *codecs: Codec) -> ViewerRejected:
    """Return how *sdp* is refused by a camera that sends *codecs*."""
    return nothing_in_common(parse_offer(sdp), list(zip(("main", "sub"), codecs, strict=False)))


def test_a_viewer_without_h265_is_told_what_there_is() -> None:
    """488: it is the camera that has no stream for an ordinary viewer."""
    refusal = refusal_of(CHROMIUM, "h265")

    assert (refusal.code, refusal.reason) == (488, Reason.UNSUPPORTED_CODEC)
    assert "main: h265" in refusal.detail


def test_a_viewer_without_h264_is_told_that_it_lacks_it() -> None:
    """A Firefox without the plugin OpenH264: nothing is wrong with the camera."""
    refusal = refusal_of(CHROMIUM.replace(" H264/90000", " x/90000"), "h265", "h264")

    assert (refusal.code, refusal.reason) == (488, Reason.VIEWER_CODEC)
    assert "the viewer takes" in refusal.detail
    assert "vp8" in refusal.detail


def test_a_viewer_that_takes_no_fragments_is_told_so() -> None:
    """H.264 without packetization-mode means mode 0 (RFC 6184 §8.1): no FU-A."""
    refusal = refusal_of(CHROMIUM.replace("packetization-mode=1;", ""), "h264")

    assert (refusal.code, refusal.reason) == (488, Reason.VIEWER_CODEC)
    assert "packetization-mode=1" in refusal.detail


def test_a_refusal_names_so_many_codecs_and_no_more() -> None:
    """However many a viewer invents."""
    types = " ".join(str(number) for number in range(20))
    maps = "".join(f"a=rtpmap:{number} {'x' * 28}{number}/90000\r\n" for number in range(20))
    video = f"m=video 9 UDP/TLS/RTP/SAVPF {types}\r\n" + VIDEO.split("\r\n", 1)[1]

    refusal = refusal_of(SESSION + video.replace(" H264/", " y/") + maps, "h264")

    assert refusal.detail.count("x" * 28) == 8


def test_the_answer_is_one_that_aiortc_reads() -> None:
    """Video sent, audio refused, our ICE and DTLS, RTX tied to the video."""
    read = answered(CHROMIUM)

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
    ("offered", "answered_as"),
    [
        pytest.param(CHROMIUM, 5, id="Chromium"),
        pytest.param(CHROMIUM.replace(PLAYOUT_DELAY_URI, "urn:another"), None, id="not offered"),
        pytest.param(CHROMIUM.replace("extmap:5 ", "extmap:15 "), None, id="no room for it"),
        pytest.param(CHROMIUM.replace("extmap:5 ", "extmap:0 "), None, id="no identifier"),
        pytest.param(CHROMIUM.replace("extmap:5 ", "extmap:5/recvonly "), 5, id="received only"),
        pytest.param(CHROMIUM.replace("extmap:5 ", "extmap:5/sendonly "), None, id="sent only"),
    ],
)
def test_the_playout_delay_is_answered_as_offered(offered: str, answered_as: int | None) -> None:
    """Of all header extensions only that one: others belong to every packet, or to nobody."""
    offer = parse_offer(offered)
    codec = pick_codec(offer, "h264")
    assert codec is not None
    numbers = RtpParameters(108, 11, 109, 22, offer.playout_delay_id)

    lines = answer_sdp(offer, codec, numbers, LOCAL).split("\r\n")

    assert offer.playout_delay_id == answered_as
    expected = [] if answered_as is None else [f"a=extmap:{answered_as} {PLAYOUT_DELAY_URI}"]
    assert [line for line in lines if line.startswith("a=extmap")] == expected


def test_a_lesser_codec_is_answered_behind_the_first() -> None:
    """With its own RTX, on the same SSRCs."""
    offer = parse_offer(CHROMIUM.replace("a=rtpmap:43 H264", "a=rtpmap:43 H265"))
    first, other = pick_codec(offer, "h265"), pick_codec(offer, "h264")
    assert first is not None
    assert other is not None
    numbers = RtpParameters(first.payload_type, 11, first.rtx_payload_type, 22)

    sdp = answer_sdp(offer, first, numbers, LOCAL, (other,))

    video = SessionDescription.parse(sdp).media[0]
    assert [(each.name, each.payloadType) for each in video.rtp.codecs] == [
        ("H265", 43),
        ("rtx", first.rtx_payload_type),
        ("H264", 108),
        ("rtx", 109),
    ]
    assert [each.ssrc for each in video.ssrc] == [11, 22]
    assert sdp.count("a=rtcp-fb:108 nack pli") == sdp.count("a=rtcp-fb:43 nack pli") == 1
