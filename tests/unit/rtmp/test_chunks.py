"""Chunk streams: every form of header, and what a camera may not do with them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtmp.chunks import (
    LEAST_CHUNK_BYTES,
    MOST_CHUNK_STREAMS,
    MOST_COMMAND_BYTES,
    MOST_EMPTY_MESSAGES,
    MOST_VIDEO_BYTES,
    ChunkReader,
    Message,
    MessageType,
    encode_message,
)
from tests.fixtures.rtmp_camera import chunks

VIDEO, COMMAND = MessageType.VIDEO, MessageType.COMMAND


def size_of_chunks(size: int) -> bytes:
    return chunks(MessageType.SET_CHUNK_SIZE, size.to_bytes(4), number=2)


messages = st.builds(
    Message,
    st.sampled_from([int(VIDEO), int(COMMAND)]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=400),
)


@given(st.lists(messages, max_size=6), st.integers(1, 300))
def test_what_is_written_is_read_again(written: list[Message], cut: int) -> None:
    """In reads of any length; time stamps above 24 bits are extended."""
    data = b"".join(encode_message(5, each) for each in written)
    reader = ChunkReader()
    read = [each for at in range(0, len(data), cut) for each in reader.feed(data[at : at + cut])]

    assert read == written


@given(st.binary(max_size=600), st.integers(1, 50))
def test_any_bytes_are_read_or_refused(data: bytes, cut: int) -> None:
    """With our error only, and the same however they are cut."""
    assert outcome(data, len(data) or 1) == outcome(data, cut)


def outcome(data: bytes, cut: int) -> tuple[list[Message], bool]:
    reader = ChunkReader()
    read = [each for at in range(0, len(data), cut) for each in reader.feed(data[at : at + cut])]
    return read, reader.error is not None


def test_each_form_of_header_leaves_out_what_stays() -> None:
    """Forms 0 to 3; behind a whole header a form 3 adds its stamp again (§5.3.1.2.4)."""
    payload = b"abcd"
    data = b"\x06" + (100).to_bytes(3) + (4).to_bytes(3) + b"\x09" + struct.pack("<I", 1) + payload
    data += b"\xc6" + payload
    data += b"\x46" + (20).to_bytes(3) + (2).to_bytes(3) + b"\x09" + b"xy"
    data += b"\x86" + (30).to_bytes(3) + b"zw"
    data += b"\xc6" + b"uv"

    read = ChunkReader().feed(data)

    assert [(each.time_ms, each.payload) for each in read] == [
        (100, payload),
        (200, payload),
        (220, b"xy"),
        (250, b"zw"),
        (280, b"uv"),
    ]
    assert {(each.type, each.stream_id) for each in read} == {(9, 1)}


@pytest.mark.parametrize("number", ["02", "3f", "0000", "00ff", "010001", "01ffff"])
def test_each_form_of_number_is_read(number: str) -> None:
    """One, two and three bytes (§5.3.1.1): 2, 63, 64, 319, 320 and 65,599."""
    basic = bytes.fromhex(number)
    first = basic + bytes(3) + (1).to_bytes(3) + b"\x09" + bytes(4) + b"a"
    later = bytes((0xC0 | basic[0],)) + basic[1:] + b"b"

    assert [each.payload for each in ChunkReader().feed(first + later)] == [b"a", b"b"]


@pytest.mark.parametrize("repeated", [True, False])
def test_an_extended_stamp_is_repeated_or_not(repeated: bool) -> None:
    """The specification wants it in each chunk of a message; some servers forget it."""
    payload, time_ms = bytes(range(1, 201)), 0x0123_4567
    data = chunks(VIDEO, payload, time_ms=time_ms, number=6)
    if not repeated:
        data = data.replace(b"\xc6" + struct.pack(">I", time_ms), b"\xc6")

    (message,) = ChunkReader().feed(data)

    assert (message.time_ms, message.payload) == (time_ms, payload)


def test_messages_may_come_woven_into_each_other() -> None:
    """A command between two chunks of a picture."""
    picture = chunks(VIDEO, bytes(200), number=6)
    data = picture[:140] + chunks(COMMAND, b"c") + picture[140:]

    assert [each.type for each in ChunkReader().feed(data)] == [COMMAND, VIDEO]


def test_the_size_of_chunks_changes_at_once() -> None:
    """Also within one read."""
    data = size_of_chunks(4_096) + chunks(VIDEO, bytes(5_000), size=4_096)

    assert [len(each.payload) for each in ChunkReader().feed(data)] == [5_000]


def test_an_aborted_message_is_dropped() -> None:
    """§5.4.2; the stream goes on with a new one."""
    begun = chunks(VIDEO, bytes(200), number=6)[:140]
    data = begun + chunks(MessageType.ABORT, (6).to_bytes(4), number=2)
    data += chunks(VIDEO, b"new", number=6)

    assert [each.payload for each in ChunkReader().feed(data)] == [b"new"]


def test_what_nobody_wants_takes_no_memory() -> None:
    """Sound and data of any length are left out as they come."""
    reader = ChunkReader()
    sound = chunks(MessageType.AUDIO, bytes(1_000_000), number=4)

    read = reader.feed(sound[:-1])
    assert not read
    assert not reader.held_bytes
    assert [each.payload for each in reader.feed(sound[-1:])] == [b""]


@pytest.mark.parametrize(
    "data",
    [
        chunks(COMMAND, bytes(MOST_COMMAND_BYTES + 1)),
        chunks(VIDEO, bytes(MOST_VIDEO_BYTES + 1))[:200],
        size_of_chunks(LEAST_CHUNK_BYTES - 1),
        size_of_chunks(0x8000_0000),
        chunks(MessageType.SET_CHUNK_SIZE, b"ab"),
        b"\xc6abc",
        chunks(VIDEO, b"", number=6) + b"\xc6" * MOST_EMPTY_MESSAGES,
        b"".join(chunks(VIDEO, b"x", number=each) for each in range(3, 64))
        + b"".join(
            b"\x00" + bytes((each,)) + chunks(VIDEO, b"x")[1:] for each in range(MOST_CHUNK_STREAMS)
        ),
    ],
    ids=["command", "video", "small", "zero", "short", "headless", "empty", "streams"],
)
def test_what_honest_cameras_never_do_is_refused(data: bytes) -> None:
    """Messages too long, chunks too small, too many streams."""
    reader = ChunkReader()
    reader.feed(data)

    assert reader.error is not None
    assert not reader.feed(chunks(VIDEO, b"x"))


def test_unended_messages_are_bounded_together() -> None:
    """Each may be as long as a picture, all of them hardly more."""
    reader, size = ChunkReader(), 1 << 20
    reader.feed(size_of_chunks(size))
    begun = chunks(VIDEO, bytes(MOST_VIDEO_BYTES), size=MOST_VIDEO_BYTES)[1 : 12 + size]
    for number in range(6, 14):
        reader.feed(bytes((number,)) + begun)
    assert reader.held_bytes == MOST_VIDEO_BYTES
    reader.feed(b"\x20" + begun)
    assert "do not end" in str(reader.error)


def test_a_message_that_leaves_all_out_but_an_extended_stamp_is_that_much_later() -> None:
    """As the last one was; only within a message the stamp is a repetition (§5.3.1.2.4)."""
    first = chunks(VIDEO, b"a", time_ms=0x0100_0000, number=6)
    second = b"\xc6" + struct.pack(">I", 0x0100_0005) + b"b"

    read = ChunkReader().feed(first + second)

    assert [(each.time_ms, each.payload) for each in read] == [
        (0x0100_0000, b"a"),
        (0x0200_0005, b"b"),
    ]
