"""Whether what comes is of the codec that the camera describes."""

from __future__ import annotations

import pytest

from gateway.model.media import Codec, VideoFormat
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.packet import build_header
from gateway.rtp.payload import aggregate, annex_b
from gateway.rtsp.sdp import Description
from gateway.sources.codec_check import MOST_PACKETS, CodecCheck, CodecDiffers, create_check
from tests.fixtures.camera_sender import CODECS, PT, is_set, pictures, plainly, sent

OTHER: dict[Codec, Codec] = {"h264": "h265", "h265": "h264"}


def packet(payload: bytes) -> bytes:
    return build_header(PT, False, 1, 1, 7) + payload


def sets_of(codec: Codec) -> list[bytes]:
    return [nal for nal in pictures(codec)[0] if is_set(codec, nal)]


@pytest.mark.parametrize("codec", CODECS)
def test_the_codec_that_is_described_is_found_at_its_first_keyframe(codec: Codec) -> None:
    """Then nothing more is looked at."""
    packets = sent(codec, lambda sender, nals: sender.picture(plainly(sender, nals)))

    assert CodecCheck(codec, PT).look(packets)


@pytest.mark.parametrize("how", ["single", "aggregated", "with start codes"])
@pytest.mark.parametrize("codec", CODECS)
def test_another_codec_is_told(codec: Codec, how: str) -> None:
    """However its parameter sets travel."""
    sets = sets_of(codec)
    payload_format = CODEC_SYNTAX[codec].payload_format
    payloads = {
        "single": sets,
        "aggregated": [aggregate(payload_format, sets)],
        "with start codes": [annex_b(sets)],
    }[how]

    with pytest.raises(CodecDiffers) as caught:
        CodecCheck(OTHER[codec], PT).look([packet(payload) for payload in payloads])

    assert caught.value.codec == codec


@pytest.mark.parametrize("codec", CODECS)
def test_pictures_alone_tell_nothing(codec: Codec) -> None:
    """Of either codec, and it ends some time."""
    coded = [nal for picture in pictures(codec) for nal in picture if not is_set(codec, nal)]
    for described in CODECS:
        check = CodecCheck(described, PT)
        assert not check.look([packet(nal) for nal in coded])
        assert check.look([packet(b"\x00")] * MOST_PACKETS)


def test_another_payload_type_tells_nothing() -> None:
    """A recorder may send what it likes beside the video."""
    stranger = build_header(50, False, 1, 1, 7) + sets_of("h264")[0]

    assert not CodecCheck("h265", PT).look([stranger, b"", b"\x80\x60"])


def test_jpeg_is_not_looked_at() -> None:
    """It has no parameter sets."""
    assert create_check(Description(VideoFormat("mjpeg"), 26, "", "", "JPEG")) is None
