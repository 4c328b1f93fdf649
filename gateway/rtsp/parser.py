"""Parses the bytes of an RTSP connection: messages, and the RTP packets between them. No I/O.

The transport writes into one buffer, which is read in place and which all connections share: only
what a read has left incomplete is kept for each. Whole RTP packets of the video are copied out
once, in a tight loop; everything else is rare, is charged to the camera's budget, and ends the
connection when it is not rare. After garbage the framing is found again by looking for a frame that
can only be ours, in one pass of a regular expression. What comes out does not depend on how the
bytes were cut.

References: RFC 2326 §10.12 (interleaved binary data); RFC 3550 §5.1 and §6.4 (first bytes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

from gateway.model.errors import GatewayError
from gateway.rtp.rtcp import fills
from gateway.rtsp.budget import MESSAGES, RESYNCS, Allowance, CameraBudget
from gateway.rtsp.messages import MOST_HEAD_BYTES, Malformed, Message, not_rtsp, parse_head

BUFFER_BYTES = 262_144
"""Holds the largest frame (64 KiB) and the largest message (80 KiB) several times over."""

MOST_GARBAGE_BYTES = 524_288
"""Skipped without finding the framing again before the connection is given up: several pictures."""

CHANNELS = 32
"""Cameras number theirs from 0; a higher one that was not agreed on is garbage behind a ``$``."""

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
_EMPTY_LINE = re.compile(rb"\n\r*\n")
_CR_ALONE = re.compile(rb"[^\r\n]+\r[^\r\n]")
_EMPTY_LINE_CR = re.compile(rb"\r\r")
"""Servers end lines with CRLF, LF or CR (RFC 2326 §4); text files of Windows, with CRCRLF."""
_FOLLOWS = bytes({_DOLLAR, *b"\r\n", *(start[0] for start in _STARTS)})
"""First bytes of whatever may stand behind a frame."""

_MOST_BLANK_BYTES = 64
"""A longer run of line ends counts as a message."""

LONGEST_CANDIDATE = len(b"RTSP/1.0 ")
"""As many bytes tell whether the framing goes on somewhere."""


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
        error: Why nothing is parsed any more: what came is not RTSP within our bounds, or is more
            than the budget has; None: all is well.

    Args:
        budget: Of the camera; None: whatever it sends is parsed.
    """

    def __init__(self, budget: CameraBudget | None = None) -> None:
        self._budget = budget
        self._buffer, self._view = _BUFFER, _VIEW
        self._rest = b""
        self.rtp_channel = self.rtcp_channel = -1
        self._payload_type = -1
        self._candidate = _candidate_pattern(-1, -1, -1)
        self._lost = False
        self._garbage_bytes = 0
        self._head: tuple[Message, int] | None = None
        self.resyncs = 0
        self.unknown_frames = 0
        self.error: Malformed | GatewayError | None = None

    def set_channels(self, rtp_channel: int, rtcp_channel: int, payload_type: int) -> None:
        """Pass on the frames of these channels from now on."""
        self.rtp_channel, self.rtcp_channel = rtp_channel, rtcp_channel
        self._payload_type = payload_type
        self._candidate = _candidate_pattern(rtp_channel, rtcp_channel, payload_type)

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
        except (Malformed, GatewayError) as error:
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

        Otherwise its length cannot be trusted, and the framing counts as lost. That of RTCP can if
        the packets in it fill it: nothing has to follow a goodbye.
        """
        channel = self._buffer[at + 1]
        if channel == self.rtcp_channel and stop <= end and fills(self._view[at + 4 : stop]):
            batch.rtcp.append(bytes(self._view[at + 4 : stop]))
            return stop
        ours = channel < CHANNELS or channel in (self.rtp_channel, self.rtcp_channel)
        known = self._buffer[at + 4] >> 6 == 2 and ours
        if known or stop - at < 4 + 8:
            if stop >= end:
                return at
            known = self._buffer[stop] in _FOLLOWS
        if not known:
            self._lose_framing()
            return at + 1
        if channel == self.rtcp_channel:
            batch.rtcp.append(bytes(self._view[at + 4 : stop]))
        elif channel == self.rtp_channel:
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
            if buffer[at] in b"\r\n":
                return self._skip_blank_lines(at, end)
            if not self._starts_message(at, end):
                return at
            limit = min(end, at + MOST_HEAD_BYTES)
            empty_line = _EMPTY_LINE_CR if _CR_ALONE.match(buffer, at, limit) else _EMPTY_LINE
            found = empty_line.search(buffer, at, limit)
            if found is None:
                if end - at >= MOST_HEAD_BYTES:
                    raise Malformed(f"a header of more than {MOST_HEAD_BYTES} bytes")
                return at
            self._charge(MESSAGES)
            self._head = parse_head(bytes(self._view[at : found.start()]))
            at = found.end()
        message, length = self._head
        if end - at < length:
            return at
        self._head = None
        body = bytes(self._view[at : at + length])
        batch.messages.append(replace(message, body=body) if length else message)
        return at + length

    def _skip_blank_lines(self, at: int, end: int) -> int:
        """Return where the line ends at *at* stop; some servers end bodies with one too many."""
        some = bytes(self._view[at : min(end, at + _MOST_BLANK_BYTES)])
        blank_bytes = len(some) - len(some.lstrip(b"\r\n"))
        if blank_bytes == _MOST_BLANK_BYTES:
            self._charge(MESSAGES)
        return at + blank_bytes

    def _starts_message(self, at: int, end: int) -> bool:
        """Return whether a message stands at *at*; if it cannot be one, the framing is lost."""
        seen = bytes(self._view[at : min(end, at + _LONGEST_START)])
        if seen.startswith(_STARTS):
            return True
        if not any(start.startswith(seen) for start in _STARTS):
            if self.rtp_channel < 0:
                raise not_rtsp(seen)
            self._lose_framing()
        return False

    def _lose_framing(self) -> None:
        self._lost = True
        self.resyncs += 1
        self._charge(RESYNCS)

    def _charge(self, allowance: Allowance) -> None:
        if self._budget is not None:
            self._budget.charge(allowance)

    def _resync(self, at: int, end: int) -> int:
        """Return where the framing may go on, as far as the bytes tell."""
        start = at
        found = self._candidate.search(self._buffer, at, end)
        if found is not None:
            self._lost = False
            self._garbage_bytes = 0
            return found.start()
        at = max(at, end - LONGEST_CANDIDATE + 1)
        while at < end and not self._may_begin(at, end):
            at += 1
        self._garbage_bytes += at - start
        if self._garbage_bytes > MOST_GARBAGE_BYTES:
            raise Malformed("no RTP framing to be found any more")
        return at

    def _may_begin(self, at: int, end: int) -> bool:
        """Return whether the few bytes from *at* on may grow to a frame of ours or a response."""
        seen = bytes(self._view[at:end])
        return (seen[0] == _DOLLAR and len(seen) < 6) or b"RTSP/1.0 ".startswith(seen)


def _candidate_pattern(rtp_channel: int, rtcp_channel: int, payload_type: int) -> re.Pattern[bytes]:
    """Return what finds a frame of these channels, long enough for its kind, or a response."""
    parts = [rb"RTSP/1\.0 "]
    if rtp_channel >= 0:
        kinds = re.escape(bytes((payload_type,))) + b"|" + re.escape(bytes((payload_type | 0x80,)))
        parts.append(_frame_pattern(rtp_channel, 12, kinds))
        parts.append(_frame_pattern(rtcp_channel, 8, b"[\xc8-\xcc]"))
    return re.compile(b"|".join(parts), re.DOTALL)


def _frame_pattern(channel: int, shortest: int, kinds: bytes) -> bytes:
    """RFC 2326 §10.12, then RTP's version 2 and a second byte of *kinds* (RFC 3550 §5.1, §6.4)."""
    length = rb"(?:\x00[\x%02x-\xff]|[\x01-\xff].)" % shortest
    return rb"\$" + re.escape(bytes((channel,))) + length + b"[\x80-\xbf](?:" + kinds + b")"
