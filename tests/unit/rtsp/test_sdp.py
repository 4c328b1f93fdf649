"""Session descriptions as real devices write them, and worse ones."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import CodecUnsupported, GatewayError, SourceUnavailable
from gateway.model.media import VideoFormat
from gateway.model.reasons import Reason
from gateway.rtsp.headers import parse_session, parse_transport
from gateway.rtsp.sdp import Description, parse_description, resolve_control
from gateway.runtime.url_policy import Target

URL = "rtsp://10.0.0.5/live?channel=1"
TARGET = Target("rtsp", "10.0.0.5", "10.0.0.5", 554, "/live?channel=1", URL, 554)
WORDS = ["v=0", "m=video", "a=rtpmap:96", "H264/90000", "RTP/AVP", *":;=,9", "\r\n"]
H265_SETS = {"sprop-vps": b"\x40\x01v", "sprop-sps": b"\x42\x01s", "sprop-pps": b"\x44\x01p"}


def described(*lines: str) -> Description:
    text = "\r\n".join(["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=x", *lines, ""])
    return parse_description(text.encode(), base=URL, target=TARGET)


def test_the_video_of_a_recorder_is_chosen() -> None:
    """Audio first, an unusable video, then H.264 with its parameter sets."""
    found = described(
        "m=audio 0 RTP/AVP 8",
        "a=control:trackID=0",
        "m=video 0 RTP/AVP 26",
        "m=video 0 RTP/AVP 98",
        "a=rtpmap:98 H264/90000",
        "a=fmtp:98 profile-level-id=4D0029; packetization-mode=1; sprop-parameter-sets=Z00=,aO4=",
        "a=control:trackID=2",
    )

    assert (found.payload_type, found.encoding, found.packetization_mode) == (98, "H264", 1)
    assert found.video.parameter_sets == (b"gM", b"h\xee")
    assert found.control_url == f"{URL}/trackID=2"
    assert found.aggregate_url == URL


def test_h265_parameter_sets_come_in_the_order_of_decoding() -> None:
    """VPS, SPS, PPS, whatever their order in the line."""
    pairs = "; ".join(
        f"{name}={base64.b64encode(unit).decode()}" for name, unit in reversed(H265_SETS.items())
    )

    found = described("m=video 0 RTP/AVP 96", "a=rtpmap:96 H265/90000", f"a=fmtp:96 {pairs}")

    assert found.video.codec == "h265"
    assert found.video.parameter_sets == tuple(H265_SETS.values())


def test_damaged_parameter_sets_count_as_none() -> None:
    """They may still come in band."""
    found = described(
        "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=fmtp:96 sprop-parameter-sets=Z0=!,x"
    )

    assert found.video.parameter_sets == ()


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["m=video 0 RTP/AVP 34"], "H263"),
        (["m=video 0 RTP/AVP 96", "a=rtpmap:96 H263-1998/90000"], "H263-1998"),
        (["m=video 0 RTP/AVP 97"], "payload type 97"),
        (["m=audio 0 RTP/AVP 8"], "no video"),
        (["m=video 0 RTP/SAVP 96", "a=rtpmap:96 H264/90000"], "RTP/SAVP"),
        (["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/8000"], "8000"),
        (
            ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=2"],
            "packetization-mode 2",
        ),
    ],
)
def test_what_cannot_be_passed_is_named(lines: list[str], named: str) -> None:
    """Never a black tile without a reason (A20)."""
    with pytest.raises(CodecUnsupported, match=named):
        described(*lines)


@pytest.mark.parametrize(
    ("control", "base", "url"),
    [
        ("", "rtsp://10.0.0.5/a", "rtsp://10.0.0.5/a"),
        ("*", "rtsp://10.0.0.5/a/", "rtsp://10.0.0.5/a/"),
        ("trackID=1", "rtsp://10.0.0.5/a", "rtsp://10.0.0.5/a/trackID=1"),
        ("trackID=1", "rtsp://10.0.0.5/a/", "rtsp://10.0.0.5/a/trackID=1"),
        ("trackID=1", "rtsp://10.0.0.5/a?b=1/", "rtsp://10.0.0.5/a?b=1/trackID=1"),
        ("/b/1", "rtsp://10.0.0.5/a", "rtsp://10.0.0.5/b/1"),
        ("?c=1", "rtsp://10.0.0.5/a", "rtsp://10.0.0.5/a?c=1"),
        ("rtsp://10.0.0.5/a/v", "rtsp://10.0.0.5/a", "rtsp://10.0.0.5/a/v"),
        ("rtsp://evil.example:99/v", "rtsp://10.0.0.5/a", "rtsp://10.0.0.5/v"),
        ("rtsp://u:p@192.168.0.9/v", "rtsp://10.0.0.5/a", "rtsp://10.0.0.5/v"),
        ("t", "rtsp://127.0.0.1/a", "rtsp://10.0.0.5/a/t"),
        ("t", "nonsense", f"{URL}/t"),
        ("t", "rtsp://rtsp://10.0.0.5:554/a/", "rtsp://10.0.0.5/a/t"),
        ("rtsp://rtsp://10.0.0.5/a/t", "rtsp://10.0.0.5/a", "rtsp://10.0.0.5/a/t"),
        ("t", "10.0.0.5:554/a/", "rtsp://10.0.0.5/a/t"),
        ("t", "10.0.0.5/a", "rtsp://10.0.0.5/a/t"),
        ("t", "evil.example/a", f"{URL}/t"),
        ("t", "/a/", "rtsp://10.0.0.5/a/t"),
        ("t", "rtsp://::ffff:10.0.0.5/a/", "rtsp://10.0.0.5/a/t"),
    ],
)
def test_controls_are_resolved_on_the_host_we_are_connected_to(
    control: str, base: str, url: str
) -> None:
    """Relative, absolute, with queries; another host is replaced by ours."""
    assert resolve_control(control, base, TARGET) == url


@given(st.lists(st.sampled_from(WORDS)))
def test_any_description_is_read_or_refused(words: list[str]) -> None:
    """Nothing outside the tree comes out."""
    try:
        described(" ".join(words))
    except GatewayError:
        return


@given(st.binary(max_size=300))
def test_any_bytes_are_no_description(text: bytes) -> None:
    """Nothing outside the tree comes out."""
    with pytest.raises(GatewayError):
        parse_description(text, base=URL, target=TARGET)


def test_a_control_cannot_break_out_of_its_request() -> None:
    """Control characters in a control attribute are damage."""
    with pytest.raises(SourceUnavailable):
        resolve_control("a b", URL, TARGET)


def test_the_transport_and_session_headers() -> None:
    """As GStreamer, Hikvision and Dahua write them; nonsense counts as unsaid."""
    assert parse_transport("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=1").interleaved == (2, 3)
    assert parse_transport("RTP/AVP;server_port=8000-8001").server_ports == (8000, 8001)
    assert parse_transport("RTP/AVP/TCP;interleaved=700-701").interleaved is None
    assert parse_transport("RTP/AVP/UDP;unicast;server_port=0-1;ssrc=4317f").server_ports is None
    assert parse_session("12345678;timeout=45") == ("12345678", 45.0)
    assert parse_session("12345678") == ("12345678", 60.0)
    assert parse_session("a b") is None
    assert parse_session("") is None


PLAIN = (
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=x",
    "c=IN IP4 0.0.0.0",
    "t=0 0",
    "m=video 0 RTP/AVP 96",
    "a=rtpmap:96 H264/90000",
    "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z2QAFKyyAoM/PgIgAAADACAAAAZB4oVJ,aOvMsiw=",
    "a=control:trackID=1",
)
SPS = base64.b64decode("Z2QAFKyyAoM/PgIgAAADACAAAAZB4oVJ")
PPS = base64.b64decode("aOvMsiw=")


def encoded(*nals: bytes) -> str:
    return ",".join(base64.b64encode(nal).decode() for nal in nals)


def changed(old: str, new: str, end: str = "\r\n") -> str:
    return end.join(PLAIN).replace(old, new) + end


CODES = b"\x00\x00\x00\x01", b"\x00\x00\x01"
AS_MEANT = {
    "LF": changed("", "", "\n"),
    "CR": changed("", "", "\r"),
    "mixed": "\r\n".join(PLAIN[:4])
    + "\n"
    + "\r".join(PLAIN[4:7])
    + "\n\r\n"
    + "\n".join(PLAIN[7:]),
    "blank lines": changed("", "", "\r\n\r\n"),
    "BOM": "\ufeff" + changed("", ""),
    "only m": "\n".join(PLAIN[5:]),
    "blank lines first": "\r\n\n" + changed("", ""),
    "without c and t": "\n".join(PLAIN[:3] + PLAIN[5:]),
    "without o": "\n".join(PLAIN[:1] + PLAIN[2:]),
    "without v": "\n".join(PLAIN[1:]),
    "lower case": changed("H264/90000", "h264/90000").replace("RTP/AVP", "rtp/avp"),
    "upper case": changed("rtpmap", "RTPMAP").replace("fmtp", "FMTP").replace("video", "VIDEO"),
    "upper lines": changed("m=", "M=").replace("a=", "A="),
    "tabs": changed("96 H264", "96\tH264").replace("fmtp:96 ", "fmtp:96\t").replace(" 0 ", "\t0\t"),
    "spaces": changed("rtpmap:96 ", "rtpmap: 96  ").replace(";", " ; ").replace("a=", " a = "),
    "dotted": changed("H264/", "H.264/"),
    "no rate": changed("H264/90000", "H264"),
    "no rtpmap": "\n".join(PLAIN[:6] + PLAIN[7:]),
    "no number": changed("RTP/AVP 96", "RTP/AVP"),
    "unpadded": changed("aOvMsiw=", "aOvMsiw"),
    "quoted": changed("Z2QA", '"Z2QA').replace("aOvMsiw=", 'aOvMsiw="'),
    "each quoted": changed(
        "Z2QAFKyyAoM/PgIgAAADACAAAAZB4oVJ,aOvMsiw=", '"' + encoded(SPS) + '","' + encoded(PPS) + '"'
    ),
    "url safe": changed("AoM/PgIg", "AoM_PgIg"),
    "the other way round": changed(encoded(SPS, PPS), encoded(PPS, SPS)),
    "a damaged one more": changed("aOvMsiw=", "aOvMsiw=,!!!"),
    "with delimiter and SEI": changed(
        encoded(SPS, PPS), encoded(b"\x09\xf0", b"\x06\x05\x01a\x80", SPS, PPS)
    ),
    "parameters in another section": changed("a=fmtp:96", "a=recvonly\r\na=nothing:96")
    + "m=audio 0 RTP/AVP 8\r\n"
    + PLAIN[7]
    + "\r\n",
    "empty fmtp of another": changed("", "") + "m=audio 0 RTP/AVP 97\r\na=fmtp:97\r\n",
    "two fmtp lines": changed("1;sprop", "1\r\na=fmtp:96 sprop"),
    **{
        f"start codes of {len(code)}": changed(encoded(SPS, PPS), encoded(code + SPS, code + PPS))
        for code in CODES
    },
    **{
        f"as one, codes of {len(code)}": changed(
            encoded(SPS, PPS), encoded(code + b"\x09\xf0" + code + SPS + code + PPS)
        )
        for code in CODES
    },
}


@pytest.mark.parametrize("name", AS_MEANT)
def test_what_is_meant_is_read(name: str) -> None:
    """However the lines end, whatever is missing that we do not need, and however it is spelled."""
    found = parse_description(AS_MEANT[name].encode(), base=URL, target=TARGET)

    assert (found.encoding, found.payload_type) == ("H264", 96)
    assert found.video.parameter_sets == (SPS, PPS)
    assert found.control_url == f"{URL}/trackID=1"


@pytest.mark.parametrize(
    "text", ["", "\r\n\r\n", "<html>404</html>", "s=x\r\nt=0 0", "a=control:*"]
)
def test_what_is_no_description_is_damage(text: str) -> None:
    """Not a codec that is missing."""
    with pytest.raises(SourceUnavailable) as caught:
        parse_description(text.encode(), base=URL, target=TARGET)

    assert caught.value.reason is Reason.CORRUPT


def test_jpeg_is_taken_where_there_is_nothing_better() -> None:
    """By its static number; the size of large pictures is read as cameras write it."""
    found = described("m=video 0 RTP/AVP 26", "a=x-dimensions:2592,1944")
    framesize = described("m=video 0 RTP/AVP 26", "a=framesize:26 3840-2160")
    better = described("m=video 0 RTP/AVP 26", "m=video 0 RTP/AVP 96", "a=rtpmap:96 H265/90000")

    assert (found.video.codec, found.payload_type, found.size) == ("mjpeg", 26, (2592, 1944))
    assert framesize.size == (3840, 2160)
    assert better.video.codec == "h265"


@pytest.mark.parametrize("config", ["000001", "xyz", "", "00" * 2000])
def test_damaged_headers_of_mpeg4_count_as_none(config: str) -> None:
    """They may still come in band."""
    found = described(
        "m=video 0 RTP/AVP 96", "a=rtpmap:96 MP4V-ES/90000", f"a=fmtp:96 config={config}"
    )

    assert found.video == VideoFormat("mpeg4")


def test_what_is_nearest_to_being_passed_gives_the_reason() -> None:
    """A second video of another codec does not hide it."""
    with pytest.raises(CodecUnsupported) as caught:
        described(
            "m=video 0 RTP/AVP 34",
            "m=video 0 RTP/SAVP 96",
            "a=rtpmap:96 H264/90000",
        )

    assert caught.value.reason is Reason.SRTP_REQUIRED


def test_a_video_that_can_be_passed_is_taken_before_one_that_cannot() -> None:
    """Whichever comes first."""
    found = described(
        "m=video 0 RTP/SAVP 96",
        "a=rtpmap:96 H264/90000",
        "m=video 0 RTP/AVP 97",
        "a=rtpmap:97 H265/90000",
    )

    assert (found.payload_type, found.secured) == (97, False)
