"""RTMP's chunk streams: messages out of bytes, and into them.

Messages that nobody wants (sound, data) are left out as they come, and take no memory.

Reference: RTMP 1.0 §5.3 (chunks), §5.4 (protocol control).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from gateway.rtp.packet import Malformed

DEFAULT_CHUNK_BYTES = 128
LEAST_CHUNK_BYTES = 64
"""A camera whose chunks are smaller makes us work more than it sends (§5.4.1: at least 128)."""

MOST_VIDEO_BYTES = 8 << 20
MOST_COMMAND_BYTES = 65_536
MOST_EMPTY_MESSAGES = 256
"""In a row; each may cost the camera a single byte."""

MOST_CHUNK_STREAMS = 64
"""Honest servers use half a dozen."""

_MOST_HELD_BYTES = MOST_VIDEO_BYTES + MOST_COMMAND_BYTES
_EXTENDED = b"\xff\xff\xff"
_HEADER_BYTES = (11, 7, 3, 0)


class MessageType(IntEnum):
    """What a message is for (RTMP 1.0 §5.4, §7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_SIZE = 5
    PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    COMMAND_AMF3 = 17
    COMMAND = 20
    AGGREGATE = 22


_MOST_BYTES: dict[int, int] = {
    MessageType.VIDEO: MOST_VIDEO_BYTES,
    MessageType.AGGREGATE: MOST_VIDEO_BYTES,
    MessageType.COMMAND: MOST_COMMAND_BYTES,
    MessageType.COMMAND_AMF3: MOST_COMMAND_BYTES,
    MessageType.SET_CHUNK_SIZE: 4,
    MessageType.ABORT: 4,
    MessageType.USER_CONTROL: 64,
    MessageType.WINDOW_SIZE: 4,
}
"""How long messages may be that are kept; all others are left out."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        type: A `MessageType`, or a number that has no meaning here.
        stream_id: Message stream; 0 is the connection itself.
        time_ms: Timestamp, modulo 2**32.
        payload: Empty of those that are left out.
    """

    type: int
    stream_id: int
    time_ms: int
    payload: bytes


@dataclass(slots=True)
class _ChunkStream:
    """What the next header may leave out, and the message that is on its way."""

    time_ms: int = 0
    stamp: int = 0
    extended: bool = False
    length: int = 0
    type: int = 0
    stream_id: int = 0
    left: int = 0
    payload: bytearray = field(default_factory=bytearray)


class ChunkReader:
    """Takes chunks apart; one for each direction of a connection.

    Attributes:
        chunks: How many have begun.
        messages: How many have ended.
        held_bytes: Of messages that have not ended.
        error: Why no more can be read: a message is too long, or there are too many.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._chunk_bytes = DEFAULT_CHUNK_BYTES
        self._streams: dict[int, _ChunkStream] = {}
        self._current: _ChunkStream | None = None
        self._chunk_left = 0
        self.held_bytes = 0
        self.chunks = 0
        self.messages = 0
        self.error: Malformed | None = None
        self._empty = 0

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that *data* completes; nothing any more behind an `error`.

        The chunk size is set, and messages are given up, as the other end says.
        """
        done: list[Message] = []
        if self.error is not None:
            return done
        self._buffer += data
        try:
            while self._step(done):
                pass
        except Malformed as error:
            self.error = error
        del self._buffer[: self._at]
        self._at = 0
        return done

    def _step(self, done: list[Message]) -> bool:
        """Take one header, or what there is of a chunk; False if more must come first."""
        stream = self._current
        if stream is None:
            stream = self._begin_chunk()
            if stream is None:
                return False
            self._current = stream
            self._chunk_left = min(stream.left, self._chunk_bytes)
        count = min(self._chunk_left, len(self._buffer) - self._at)
        if stream.type in _MOST_BYTES:
            self._hold(stream, self._buffer[self._at : self._at + count])
        self._at += count
        self._chunk_left -= count
        stream.left -= count
        if self._chunk_left:
            return False
        self._current = None
        if not stream.left:
            self._finish(stream, done)
        return True

    def _hold(self, stream: _ChunkStream, piece: bytearray) -> None:
        stream.payload += piece
        self.held_bytes += len(piece)
        if self.held_bytes > _MOST_HELD_BYTES:
            raise Malformed(f"more than {_MOST_HELD_BYTES} bytes of messages that do not end")

    def _begin_chunk(self) -> _ChunkStream | None:
        """Take a chunk's headers; None if they are not whole yet (§5.3.1)."""
        buffer, at = self._buffer, self._at
        if at >= len(buffer):
            return None
        form, number = buffer[at] >> 6, buffer[at] & 0x3F
        at += 1
        if number < 2:
            more = number + 1
            number = 64 + int.from_bytes(buffer[at : at + more], "little")
            at += more
        end = at + _HEADER_BYTES[form]
        if end > len(buffer):
            return None
        stream = self._stream(number, form)
        header = bytes(buffer[at:end])
        stamped = self._read_stamp(stream, form, header, end)
        if stamped is None:
            return None
        stream.stamp, stream.extended, self._at = stamped
        self.chunks += 1
        if form < 3 or not stream.left:
            self._begin_message(stream, form, header)
        return stream

    def _read_stamp(
        self, stream: _ChunkStream, form: int, header: bytes, end: int
    ) -> tuple[int, bool, int] | None:
        """Return time stamp, whether it is extended, and where the headers end; None: unknown yet.

        Some servers do not repeat an extended one within a message, against §5.3.1.3: what stands
        in its place is payload, and differs.
        """
        stamp, extended = stream.stamp, stream.extended
        if form < 3:
            stamp, extended = int.from_bytes(header[:3]), header[:3] == _EXTENDED
        if not extended:
            return stamp, False, end
        if end + 4 > len(self._buffer):
            return None
        told = int.from_bytes(self._buffer[end : end + 4])
        if form == 3 and stream.left and told != stamp:
            return stamp, True, end
        return told, True, end + 4

    def _stream(self, number: int, form: int) -> _ChunkStream:
        stream = self._streams.get(number)
        if stream is None:
            if form:
                raise Malformed(f"chunk stream {number} begins without a whole header")
            if len(self._streams) >= MOST_CHUNK_STREAMS:
                raise Malformed(f"more than {MOST_CHUNK_STREAMS} chunk streams")
            stream = self._streams[number] = _ChunkStream()
        return stream

    def _begin_message(self, stream: _ChunkStream, form: int, header: bytes) -> None:
        """Begin a message on *stream*, with what *header* says and what it leaves as it was."""
        self._drop(stream)
        if form < 2:
            stream.length, stream.type = int.from_bytes(header[3:6]), header[6]
        if form == 0:
            stream.stream_id = int.from_bytes(header[7:11], "little")
            stream.time_ms = stream.stamp
        else:  # behind a whole header too, the stamp is what is to be added (§5.3.1.2.4)
            stream.time_ms = (stream.time_ms + stream.stamp) & 0xFFFF_FFFF
        most = _MOST_BYTES.get(stream.type)
        if most is not None and stream.length > most:
            raise Malformed(f"a message of type {stream.type} with {stream.length} bytes")
        stream.left = stream.length

    def _drop(self, stream: _ChunkStream) -> None:
        self.held_bytes -= len(stream.payload)
        stream.payload, stream.left = bytearray(), 0

    def _finish(self, stream: _ChunkStream, done: list[Message]) -> None:
        payload = bytes(stream.payload)
        self._drop(stream)
        self.messages += 1
        self._empty = 0 if stream.length else self._empty + 1
        if self._empty > MOST_EMPTY_MESSAGES:
            raise Malformed(f"more than {MOST_EMPTY_MESSAGES} empty messages in a row")
        if stream.type in (MessageType.SET_CHUNK_SIZE, MessageType.ABORT):
            if len(payload) != 4:
                raise Malformed(f"a message of type {stream.type} with {len(payload)} bytes")
            self._obey(stream.type, int.from_bytes(payload) & 0x7FFF_FFFF)
        else:
            done.append(Message(stream.type, stream.stream_id, stream.time_ms, payload))

    def _obey(self, kind: int, number: int) -> None:
        if kind == MessageType.ABORT:
            if (aborted := self._streams.get(number)) is not None:
                self._drop(aborted)
        elif number < LEAST_CHUNK_BYTES:
            raise Malformed(f"chunks of {number} bytes; at least {LEAST_CHUNK_BYTES} are taken")
        else:
            self._chunk_bytes = number


def encode_message(number: int, message: Message) -> bytes:
    """Return *message* in chunks of the default size, on chunk stream *number* (2 to 63)."""
    stamp = min(message.time_ms, 0xFFFFFF)
    extended = message.time_ms.to_bytes(4) if stamp == 0xFFFFFF else b""
    payload = message.payload
    pieces = [bytes((number,)) + stamp.to_bytes(3) + len(payload).to_bytes(3)]
    pieces += [bytes((message.type,)), message.stream_id.to_bytes(4, "little"), extended]
    for at in range(0, len(payload), DEFAULT_CHUNK_BYTES):
        if at:
            pieces += [bytes((0xC0 | number,)), extended]
        pieces.append(payload[at : at + DEFAULT_CHUNK_BYTES])
    return b"".join(pieces)
