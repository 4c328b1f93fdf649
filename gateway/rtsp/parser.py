"""Parses the bytes of an RTSP connection: messages, and the RTP packets between them. No I/O.

The transport writes into one buffer, which is read in place and which all connections share: only
what a read has left incomplete is kept for each. Whole RTP packets of the video are copied out
once, in a tight loop; everything else is rare. After garbage the framing is found again by looking
for a frame that can only be ours. What comes out does not depend on how the bytes were cut.

References: RFC 2326 §10.12 (interleaved binary data); RFC 3550 §5.1 and §6.4 (first bytes).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

from gateway.rtsp.messages import MOST_HEAD_BYTES, Malformed, Message, parse_head

BUFFER_BYTES = 262_144
"""Holds the largest frame (64 KiB) and the largest message (80 KiB) several times over."""

MOST_GARBAGE_BYTES = 1_048_576
"""Skipped without finding the framing again before the connection is given up."""

CHANNELS = 32
"""Cameras number theirs from 0; a higher one is garbage that happens to begin with ``$``."""

_BUFFER = mmap(-1, BUFFER_BYTES, MAP_PRIVATE | MAP_ANONYMOUS)  # takes only what is written to
_VIEW = memoryview(_BUFFER)
_DOLLAR = 0x24
_STARTS = (
    b"RTSP/1.0 ",
    b"RTSP/2.0 ",
    b"OPTIONS ",
    b"ANNOUNCE ",
    b"REDIRECT ",
    b"SET_PARAMETER ",
    b"GET_PARAMETER ",
    b"PLAY_NOTIFY ",
    b"TEARDOWN ",
)
_LONGEST_START = max(map(len, _STARTS))
_FOLLOWS = bytes({_DOLLAR, *b"\r\n", *(start[0] for start in _STARTS)})
"""First bytes of whatever may stand behind a frame."""


@dataclass(slots=True)
class Batch:
    """What a read has brought: the video's RTP and RTCP packets, and messages."""

    rtp: list[bytes] = field(default_factory=list)
    rtcp: list[bytes] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


class RtspParser:
    """The receiving half of one RTSP connection.

    From `space` to `take` no other connection may have its turn: the space is everybody's.

    Attributes:
        resyncs: Times the framing was lost.
        unknown_frames: Frames of channels that were not set up, dropped.
        rtp_channel: Of the video; negative before `set_channels`. So is `rtcp_channel`.
        error: Why nothing is parsed any more: what came is not RTSP within our bounds; None: it is.
    """

    def __init__(self) -> None:
        self._buffer, self._view = _BUFFER, _VIEW
        self._rest = b""
        self.rtp_channel = self.rtcp_channel = -1
        self._payload_type = -1
        self._lost = False
        self._garbage_bytes = 0
        self._head: tuple[Message, int] | None = None
        self.resyncs = 0
        self.unknown_frames = 0
        self.error: Malformed | None = None

    def set_channels(self, rtp_channel: int, rtcp_channel: int, payload_type: int) -> None:
        """Pass on the frames of these channels from now on."""
        self.rtp_channel, self.rtcp_channel = rtp_channel, rtcp_channel
        self._payload_type = payload_type

    @property
    def idle(self) -> bool:
        """Whether the last read ended at the end of a frame, so that another parser can go on."""
        return not self._rest and not self._lost and self._head is None and self.error is None

    def get_buffer(self) -> memoryview:
        """Return where the next bytes are to be written; never empty."""
        end = len(self._rest)
        self._view[:end] = self._rest
        return self._view[end:]

    def feed(self, count: int) -> Batch:
        """Return what is complete now that *count* bytes have been written to `get_buffer()`.

        Never raises; once `error` is set, nothing more comes.
        """
        end = len(self._rest) + count
        batch = Batch()
        try:
            at = self._parse(end, batch)
        except Malformed as error:
            self.error = error
            at = end
        self._rest = bytes(self._view[at:end])
        return batch

    def _parse(self, end: int, batch: Batch) -> int:
        """Parse all that is complete; return where the rest begins."""
        if self.error is not None:
            return end
        at = 0
        while True:
            before = (at, self._lost)
            at = self._resync(at, end) if self._lost else self._parse_frames(at, end, batch)
            if at < end and not self._lost:
                at = self._parse_message(at, end, batch)
            if (at, self._lost) == before:
                return at

    def _parse_frames(self, at: int, end: int, batch: Batch) -> int:
        """Parse the frames that stand at *at* one behind the other. This is the hot loop."""
        if self._head is not None:
            return at
        buffer, view = self._buffer, self._view
        video, payload_type = self.rtp_channel, self._payload_type
        keep = batch.rtp.append
        while end - at >= 6 and buffer[at] == _DOLLAR:
            stop = at + 4 + (buffer[at + 2] << 8 | buffer[at + 3])
            if (
                buffer[at + 1] == video
                and buffer[at + 5] & 0x7F == payload_type
                and buffer[at + 4] >> 6 == 2
            ):
                if stop > end:
                    break
                keep(bytes(view[at + 4 : stop]))
                at = stop
            else:
                start, at = at, self._parse_other_frame(at, stop, end, batch)
                if at == start or self._lost:
                    break
        return at

    def _parse_other_frame(self, at: int, stop: int, end: int, batch: Batch) -> int:
        """Parse a frame that is not clearly the video's, if a frame or a message follows it.

        Otherwise its length cannot be trusted, and the framing counts as lost.
        """
        known = self._buffer[at + 4] >> 6 == 2 and self._buffer[at + 1] < CHANNELS
        if known or stop - at < 4 + 8:
            if stop >= end:
                return at
            known = self._buffer[stop] in _FOLLOWS
        if not known:
            self._lost = True
            self.resyncs += 1
            return at + 1
        if self._buffer[at + 1] == self.rtcp_channel:
            batch.rtcp.append(bytes(self._view[at + 4 : stop]))
        elif self._buffer[at + 1] == self.rtp_channel:
            batch.rtp.append(bytes(self._view[at + 4 : stop]))
        else:
            self.unknown_frames += 1
        return stop

    def _parse_message(self, at: int, end: int, batch: Batch) -> int:
        """Parse the message at *at* if it is complete; return where to go on."""
        buffer = self._buffer
        if self._head is None:
            if buffer[at] == _DOLLAR:
                return at
            if buffer[at] in b"\r\n":  # some servers end bodies with an empty line too many
                some = bytes(self._view[at : min(end, at + 64)])
                return at + len(some) - len(some.lstrip(b"\r\n"))
            if not self._starts_message(at, end):
                return at
            stop = buffer.find(b"\r\n\r\n", at, min(end, at + MOST_HEAD_BYTES))
            if stop < 0:
                if end - at >= MOST_HEAD_BYTES:
                    raise Malformed(f"a header of more than {MOST_HEAD_BYTES} bytes")
                return at
            self._head = parse_head(bytes(self._view[at:stop]))
            at = stop + 4
        message, length = self._head
        if end - at < length:
            return at
        self._head = None
        body = bytes(self._view[at : at + length])
        batch.messages.append(replace(message, body=body) if length else message)
        return at + length

    def _starts_message(self, at: int, end: int) -> bool:
        """Return whether a message stands at *at*; if it cannot be one, the framing is lost."""
        seen = bytes(self._view[at : min(end, at + _LONGEST_START)])
        if seen.startswith(_STARTS):
            return True
        if not any(start.startswith(seen) for start in _STARTS):
            if self.rtp_channel < 0:
                raise Malformed(f"not RTSP: {seen!r}")
            self._lost = True
            self.resyncs += 1
        return False

    def _resync(self, at: int, end: int) -> int:
        """Return where the framing may go on, as far as the bytes tell."""
        start = at
        while True:
            at = self._next_candidate(at, end)
            known = None if at >= end else self._plausible(at, end)
            if known is not False:
                break
            at += 1
        if known:
            self._lost = False
            self._garbage_bytes = 0
        else:
            self._garbage_bytes += at - start
            if self._garbage_bytes > MOST_GARBAGE_BYTES:
                raise Malformed("no RTP framing to be found any more")
        return at

    def _next_candidate(self, at: int, end: int) -> int:
        """Return where the next frame or response might start; *end* if nowhere."""
        dollar = self._buffer.find(b"$", at, end)
        word = self._buffer.find(b"R", at, end)
        return min((found for found in (dollar, word) if found >= 0), default=end)

    def _plausible(self, at: int, end: int) -> bool | None:
        """Return whether a frame of ours or a response stands at *at*; None: not enough bytes."""
        seen = bytes(self._view[at : min(end, at + 9)])
        if seen[0] != _DOLLAR:
            if b"RTSP/1.0 ".startswith(seen):
                return True if len(seen) == 9 else None
            return False
        if len(seen) < 6:
            return None
        length = seen[2] << 8 | seen[3]
        if seen[4] >> 6 != 2:
            return False
        if seen[1] == self.rtp_channel:
            return length >= 12 and seen[5] & 0x7F == self._payload_type
        return seen[1] == self.rtcp_channel and length >= 8 and 200 <= seen[5] <= 204
