"""Captured sessions of three servers, and whatever can be made of them."""

from __future__ import annotations

import pytest

from gateway.model.errors import SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.rtmp import flv
from gateway.rtmp.amf0 import encode
from gateway.rtmp.chunks import LEAST_CHUNK_BYTES, Message, MessageType, encode_message
from gateway.rtmp.session import CHUNKS_PER_PACKET, HANDSHAKE_BYTES, Phase, PlaySession
from gateway.rtsp.budget import PACKETS, CameraBudget
from tests.fixtures.clock import FakeClock
from tests.fixtures.rtmp_camera import CAPTURES, CONNECTED, CREATED, HANDSHAKE, STARTED, chunks
from tests.fuzz.rtmp import TARGET, try_stream


@pytest.mark.parametrize(
    ("name", "codec", "pictures"),
    [("ffmpeg-h264", "h264", 27), ("mediamtx-h265", "h265", 26), ("go2rtc-h264", "h264", 17)],
)
def test_a_captured_session_is_read(name: str, codec: str, pictures: int) -> None:
    """Of FFmpeg 5.1, MediaMTX 1.20.1 (Enhanced RTMP) and go2rtc 1.9.14."""
    noise = bytes(HANDSHAKE_BYTES - 8)
    session = PlaySession(TARGET, noise=noise, budget=CameraBudget(FakeClock()))
    data = (CAPTURES / f"{name}.bin").read_bytes()

    tags = [tag for at in range(0, len(data), 1_448) for tag in session.feed(data[at : at + 1_448])]

    assert session.phase is Phase.PLAYING
    assert (session.codec, len(tags)) == (codec, pictures)
    assert all(flv.codec_of(tag[11:]) == codec for tag in tags)


def test_a_command_that_ends_oddly_ends_no_session() -> None:
    """Values of AMF 3, which some servers put behind those that count."""
    session = PlaySession(
        TARGET, noise=bytes(HANDSHAKE_BYTES - 8), budget=CameraBudget(FakeClock())
    )
    session.feed((CAPTURES / "ffmpeg-h264.bin").read_bytes())
    odd = Message(MessageType.COMMAND, 0, 0, encode(["onBWDone", 0.0]) + b"\x11\x0a\x01")

    session.feed(encode_message(3, odd))

    assert session.phase is Phase.PLAYING


@pytest.mark.parametrize("seed", range(0, 300, 50))
def test_any_bytes_of_an_rtmp_camera_are_survived(seed: int) -> None:
    """In any cut: nothing but our errors, the same outcome, a bounded number of calls."""
    for each in range(seed, seed + 50):
        try_stream(each)


def test_an_aggregate_of_tiny_pictures_is_too_much() -> None:
    """Half a million fit into one message: each costs what a message of its own would."""
    session = PlaySession(
        TARGET, noise=bytes(HANDSHAKE_BYTES - 8), budget=CameraBudget(FakeClock())
    )
    data = (CAPTURES / "ffmpeg-h264.bin").read_bytes()
    session.feed(data)
    before = session.pictures
    tag = flv.video_tag(0, b"\x17\x01")
    payload = tag * (2 * int(PACKETS.burst))
    aggregate = Message(MessageType.AGGREGATE, 1, 0, payload)

    with pytest.raises(SourceUnavailable) as caught:
        session.feed(encode_message(5, aggregate))

    assert caught.value.reason is Reason.ABUSIVE
    assert session.pictures - before <= PACKETS.burst


def asked_to_play() -> PlaySession:
    """A session whose camera has not answered `play` yet."""
    session = PlaySession(
        TARGET, noise=bytes(HANDSHAKE_BYTES - 8), budget=CameraBudget(FakeClock())
    )
    session.feed(HANDSHAKE + CONNECTED + CREATED)
    return session


def test_an_end_is_that_of_a_stream_which_has_begun() -> None:
    """Some servers say that the one before has ended (§7.1.7)."""
    end = chunks(MessageType.USER_CONTROL, b"\x00\x01" + (1).to_bytes(4), number=2)
    session = asked_to_play()

    session.feed(end + STARTED)
    assert session.phase is Phase.PLAYING
    with pytest.raises(SourceStalled) as caught:
        session.feed(end)

    assert caught.value.reason is Reason.SOURCE_ENDED


def test_small_chunks_cost_what_they_make_us_do() -> None:
    """Their size is the camera's choice: a picture in the smallest is as dear as many packets."""
    session = asked_to_play()
    size = LEAST_CHUNK_BYTES
    session.feed(STARTED + chunks(MessageType.SET_CHUNK_SIZE, size.to_bytes(4), number=2))
    picture = b"\x17\x01" + bytes(size * CHUNKS_PER_PACKET * int(PACKETS.burst) // 2)
    whole = chunks(MessageType.VIDEO, picture, stream=1, number=6, size=size)
    session.feed(whole)

    with pytest.raises(SourceUnavailable) as caught:
        session.feed(whole)

    assert caught.value.reason is Reason.ABUSIVE


@pytest.mark.parametrize(
    ("vendor", "enhanced"),
    [
        ("1c00000000", "9068766331"),
        ("1c01000028", "9168766331000028"),
        ("2c02000000", "a268766331"),
    ],
)
def test_h265_by_number_is_said_as_by_name(vendor: str, enhanced: str) -> None:
    """Headers and end without a shift of time, which pictures alone have."""
    written = flv.with_fourcc(bytes.fromhex(vendor) + b"rest")

    assert written == bytes.fromhex(enhanced) + b"rest"
