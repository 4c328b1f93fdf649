"""Feeds one viewer from the stream of the level that is wanted; changes at keyframes, in band.

SSRC, payload type and sequence numbers go on, and so does the time; the pictures become others.
A slate (`gateway.streams.slate`) is sent in the same way in place of what does not come, until the
next keyframe of that.

The stream that is wanted is read beside the one that is sent until its first keyframe comes. Where
the line is so full that nothing would get through meanwhile, the viewer is sent cached keyframes
until then, as on the level of keyframes only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from gateway.fastpath import FrameRun, RtpDestination
from gateway.model.media import AccessUnit
from gateway.model.quality import ViewLevel
from gateway.streams.reader import FastPathSender, Reader
from gateway.streams.stream import Stream
from gateway.webrtc.contained_sender import ContainedSender

PATIENCE_S = 8.0
"""A stream whose keyframe has not come in this time, or after two of its GOPs, is not to be had."""

UNAVAILABLE_S = 120.0
"""So long it is not tried again."""

HELD_S = 30.0
"""So long the stream before is kept open after a change to a better one, to go back at once."""

LONG_KEYFRAME_S, OPENING_S = 1.5, 4.0
"""A keyframe that takes longer on the line than the first waits for a smaller one, of a stream that
is being opened, for the second."""

OLD_KEYFRAME_S = 4.0
"""A cached GOP of this age is much to send again; a camera that can be asked is asked for a new
keyframe. On the level of keyframes only it is asked at half that age."""

POLL_S = 0.1
"""How often it is looked for a new keyframe while only those are sent: who reads them is no reader
of the stream, so that the fast path goes on for all others."""

log = structlog.get_logger(__name__)


class LevelSender(FastPathSender, Protocol):
    """What is needed of the viewer's sender (`gateway.webrtc.rtp_sender.RtpSender`)."""

    @property
    def busy(self) -> bool:
        """Whether a keyframe would have to wait."""
        ...

    @property
    def last_90k(self) -> int | None:
        """Time of the newest unit sent, on the stream's timeline; None before the first."""
        ...

    def send_unit(self, unit: AccessUnit) -> bool:
        """Send *unit*; False if the line is busy."""
        ...

    def begin_stream(self, unit: AccessUnit, codec: str | None = None) -> None:
        """Go on with another stream, whose first unit is *unit*, perhaps of another codec."""
        ...

    def abandon(self) -> None:
        """Send no more of what has been begun, and nothing again that was sent: others follow."""
        ...


class LevelSwitch:
    """Changes what one viewer is sent.

    Args:
        sender: Sends it.
        streams: What may be sent, best first; at least one.
        fitting: Tells whether the viewer can take what a stream sends, once that is known.
        refused: Called before a stream is opened for a lesser level; returns why it may not be.
        on_changed: Called when another level is sent.
        on_returned: Called when a stream is sent again after a slate.
        on_bug: Called with what nobody expects a stream's call to raise.
        now: The monotonic clock.
    """

    def __init__(
        self,
        sender: LevelSender,
        streams: Mapping[ViewLevel, Stream],
        *,
        fitting: Callable[[Stream], bool] = lambda _stream: True,
        refused: Callable[[Stream], str] = lambda _stream: "",
        on_changed: Callable[[ViewLevel], None],
        on_bug: Callable[[Exception], None],
        on_returned: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._streams = streams
        self._fitting = fitting
        self._refused = refused
        self._on_changed = on_changed
        self._on_bug = on_bug
        self._on_returned = on_returned
        self._now = now
        self._wanted = next(iter(streams))
        self._active: StreamInput | None = None
        self._pending: StreamInput | None = None
        self._slate: StreamInput | None = None
        self._pending_s = 0.0
        self._unavailable_s: dict[ViewLevel, float] = {}
        self._held: dict[ViewLevel, float] = {}
        self._timed_by: Stream | None = None  # whose timeline the sender is on
        self._keyframe: AccessUnit | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._carried_bps = float("inf")
        self._muted_s = 0.0

    @property
    def level(self) -> ViewLevel:
        """What the viewer is sent."""
        return ViewLevel.KEYFRAMES if self._active is None else self._active.level

    @property
    def dropped(self) -> int:
        """Units that the present reader has not been sent, because it was too slow."""
        return 0 if self._active is None else self._active.reader.dropped

    @property
    def bps(self) -> float | None:
        """Mean rate of the stream that is sent; None: not known, or keyframes only."""
        return None if self._active is None else self._active.stream.bps

    @property
    def gop_bytes(self) -> int:
        """Payload bytes of its cached GOP."""
        return 0 if self._active is None else self._active.stream.gop.size_bytes

    @property
    def stream(self) -> Stream:
        """What is sent, or would be if it came; of keyframes only, of which stream."""
        if self._active is not None:
            return self._active.stream
        sources = self._keyframe_sources()
        return sources[0] if sources else next(iter(self._streams.values()))

    @property
    def slate(self) -> Stream | None:
        """What is sent in its place; None: nothing is."""
        return None if self._slate is None else self._slate.stream

    def show(self, slate: Stream) -> None:
        """Send *slate* until the next keyframe of what is wanted."""
        if self._slate is None and self._active is not None:
            self._active.stream.restart(self._active.reader)
        elif self._slate is not None:
            if self._slate.stream is slate:
                return
            self._stop(self._slate)
        self._sender.abandon()
        self._slate = feeding = self._input_of(self._wanted, slate)
        slate.attach(feeding.reader)

    def available(self) -> tuple[tuple[ViewLevel, Stream], ...]:
        """Return the streams that may be wanted now, best first; never none."""
        now_s = self._now()
        return tuple(
            (level, stream)
            for level, stream in self._streams.items()
            if self._unavailable_s.get(level, 0.0) <= now_s and self._fits(stream)
        )

    def start(self) -> None:
        """Send the best stream from its cached GOP on."""
        self._active = feeding = self._input_of(self._wanted)
        self._timed_by = feeding.stream
        feeding.stream.attach(feeding.reader)

    def want(
        self, level: ViewLevel, *, urgent: bool = False, carried_bps: float | None = None
    ) -> None:
        """Change to *level* at its next keyframe.

        Args:
            level: One that is available, or keyframes only.
            urgent: Whether the pictures until then are not sent, but keyframes.
            carried_bps: What the line carries, if that is known.
        """
        self._carried_bps = carried_bps or float("inf")
        if level is not self._wanted:
            self._wanted = level
            self._drop_pending()
            if level is ViewLevel.KEYFRAMES:
                self._hold(self._cheapest())
                self._mute()
            elif self._active is not None and self._active.level is level:
                return
            elif reason := self._refused(self._streams[level]):
                log.info("level_refused", sent=level.value, reason=reason)
                self._unavailable_s[level] = self._now() + UNAVAILABLE_S
            else:
                self._pending = feeding = self._input_of(level)
                self._pending_s = self._now()
                feeding.stream.attach(feeding.reader, replay=False)
                if not feeding.stream.request_keyframe():
                    feeding.stream.want_keyframe()
        if urgent and self._pending is not None:
            self._mute()

    def on_tick(self) -> None:
        """Do what is due every second: look for what has not come, and what is held too long."""
        if self._pending is not None:
            gop_s = self._pending.stream.gop_s or 0.0
            if self._now() - self._pending_s > max(PATIENCE_S, 2 * gop_s):
                self._unavailable_s[self._pending.level] = self._now() + UNAVAILABLE_S
        self._release_held()

    def request_keyframe(self, *, gop: bool) -> None:
        """Send the viewer, who has no picture, the cached keyframe; with *gop* all since then.

        A camera that can be asked for a new one is asked besides where those cost much or are not
        sent: it takes its time, and may refuse.
        """
        if self._slate is not None:
            self._replay(self._slate, gop=gop)
            return
        if self._active is None:
            self._keyframe = None
            self._send_keyframe()
            return
        stream = self._active.stream
        if stream.request_keyframe():
            return  # it is made for us, and comes to all readers
        if not gop or self._is_older(stream, OLD_KEYFRAME_S):
            stream.want_keyframe()
        self._replay(self._active, gop=gop)

    def resume(self) -> None:
        """Send what waits; the sender can again."""
        if self._slate is not None:
            self._slate.reader.resume()
        elif self._active is not None:
            self._active.reader.resume()
        else:
            self._send_keyframe()

    def sync(self) -> None:
        """Let the sender know what the fast path has sent."""
        if self._active is not None:
            self._active.stream.sync()

    def reclaim(self) -> None:
        """Take what is sent from the fast path; it goes on as soon as the sender lets it."""
        if self._active is not None:
            self._active.stream.reclaim()

    def close(self) -> None:
        """Read and hold nothing any more."""
        self._drop_pending()
        self._stop(self._active)
        self._stop(self._slate)
        self._active = self._slate = None
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for level in self._held:
            self._streams[level].release(self)
        self._held.clear()

    def begin(self, feeding: StreamInput) -> None:
        """Send *feeding* from now on; called with its first unit, a keyframe, in hand."""
        self._end_slate()
        if feeding is self._active:
            return
        before, self._active, self._pending = self._active, None, None
        self._stop(before)
        self._active = feeding
        if before is not None and _RANKS[feeding.level] < _RANKS[before.level]:
            self._hold(before.level)
        self._sender.abandon()
        self._on_changed(feeding.level)

    def may_begin(self, feeding: StreamInput) -> bool:
        """Return whether *feeding*, which has its first keyframe, is what is waited for."""
        if self._slate is not None and feeding is self._active:
            return self._fits(feeding.stream)
        if feeding is not self._pending:
            return False
        if not self._fits(feeding.stream):
            self._unavailable_s[feeding.level] = self._now() + UNAVAILABLE_S
            return False
        return True

    def set_timeline(self, stream: Stream, unit: AccessUnit) -> None:
        """Put the sender on the timeline of *stream*, whose *unit* comes next."""
        if stream is not self._timed_by:
            codec = None if stream.video is None else stream.video.codec
            self._sender.begin_stream(unit, codec)
            self._timed_by = stream

    def is_active(self, feeding: StreamInput) -> bool:
        """Return whether *feeding* is what is sent."""
        return feeding is (self._active if self._slate is None else self._slate)

    def _input_of(self, level: ViewLevel, stream: Stream | None = None) -> StreamInput:
        stream = stream or self._streams[level]
        return StreamInput(self, self._sender, level, stream, on_bug=self._on_bug)

    def _end_slate(self) -> None:
        slate, self._slate = self._slate, None
        if slate is not None:
            self._stop(slate)
            self._sender.abandon()
            self._on_returned()

    def _replay(self, feeding: StreamInput, *, gop: bool) -> None:
        if not self._sender.busy or gop:
            after_90k = self._sender.last_90k if feeding.stream is self._timed_by else None
            feeding.stream.replay(feeding.reader, after_90k, keyframe_only=not gop)

    def _fits(self, stream: Stream) -> bool:
        return stream.video is None or self._fitting(stream)

    def _mute(self) -> None:
        """Send only keyframes from now on."""
        feeding, self._active = self._active, None
        if feeding is not None:
            self._muted_s = self._now()
            self._hold(feeding.level)
            self._stop(feeding)
            self._sender.abandon()
            self._on_changed(ViewLevel.KEYFRAMES)
            self._poll()

    def _poll(self) -> None:
        """Send a new keyframe as soon as there is one, until a stream is sent again."""
        self._timer = None
        if self._active is not None or self._closed:
            return
        try:
            self._send_keyframe()
        except Exception as error:  # ends this session; the loop would only log it
            self._on_bug(error)
            return
        self._timer = asyncio.get_running_loop().call_later(POLL_S, self._poll)

    def _stop(self, feeding: StreamInput | None) -> None:
        if feeding is not None:
            feeding.stream.detach(feeding.reader)

    def _drop_pending(self) -> None:
        feeding, self._pending = self._pending, None
        self._stop(feeding)

    def _hold(self, level: ViewLevel) -> None:
        self._held[level] = self._now() + HELD_S
        self._streams[level].hold(self)

    def _cheapest(self) -> ViewLevel:
        """The stream of which keyframes are sent: the smallest that there is or can be made."""
        available = dict(self.available())
        reduced = available.get(ViewLevel.REDUCED)
        if reduced is not None and not self._refused(reduced):
            return ViewLevel.REDUCED
        transcode = available.get(ViewLevel.TRANSCODED)
        if (
            ViewLevel.SUB not in available
            and transcode is not None
            and not self._refused(transcode)
        ):
            return ViewLevel.TRANSCODED
        own = [level for level in available if level in (ViewLevel.MAIN, ViewLevel.SUB)]
        return own[-1] if own else next(iter(self._streams))

    def _send_keyframe(self) -> None:
        """Send the newest cached keyframe of the cheapest stream that has one, if it is new."""
        if self._sender.busy:
            return
        sources = [each for each in self._keyframe_sources() if self._fits(each)]
        stream = next((each for each in sources if each.playing), None)
        if sources and self._is_older(sources[0], OLD_KEYFRAME_S / 2):
            sources[0].want_keyframe()
        sent_s = -1.0 if self._keyframe is None else self._keyframe.arrived_s
        if stream is None or (stream.keyframe_s or 0.0) <= sent_s:
            return
        unit = stream.gop.keyframe
        if unit is not None and stream is not sources[0] and self._is_worth_waiting(unit):
            return
        if unit is not None and unit.arrived_s > sent_s:
            self._end_slate()
            self.set_timeline(stream, unit)
            self._sender.send_unit(unit)
            self._keyframe = unit

    def _is_older(self, stream: Stream, age_s: float) -> bool:
        """Return whether the newest keyframe of *stream* is older than *age_s*, or is none."""
        return self._now() - (stream.keyframe_s or 0.0) > age_s

    def _is_worth_waiting(self, unit: AccessUnit) -> bool:
        """Return whether a smaller keyframe than *unit* is likely to be there before it is sent."""
        takes_s = unit.size_bytes * 8 / self._carried_bps
        return takes_s > LONG_KEYFRAME_S and self._now() - self._muted_s < OPENING_S

    def _keyframe_sources(self) -> list[Stream]:
        """Return the streams that are open for us, cheapest first."""
        levels = set(self._held)
        if self._pending is not None:
            levels.add(self._pending.level)
        return [self._streams[level] for level in sorted(levels, key=_RANKS.__getitem__)][::-1]

    def _release_held(self) -> None:
        """Release what is held no longer; not the only stream of which there is a keyframe."""
        for level, until_s in list(self._held.items()):
            if self._active is None:
                cheaper = [each for each in self._held if _RANKS[each] > _RANKS[level]]
                if not any(self._streams[each].playing for each in cheaper):
                    continue
            if until_s <= self._now():
                self._streams[level].release(self)
                del self._held[level]


class StreamInput:
    """One stream's way to the sender; opens with its first keyframe.

    Args:
        switch: Told of that.
        sender: Sends the units.
        level: Of the stream.
        stream: Whose reader this is.
        on_bug: Called with what nobody expects to be raised here.

    Attributes:
        reader: To be attached to the stream.
    """

    def __init__(
        self,
        switch: LevelSwitch,
        sender: LevelSender,
        level: ViewLevel,
        stream: Stream,
        *,
        on_bug: Callable[[Exception], None],
    ) -> None:
        self._switch = switch
        self._sender = sender
        self.level = level
        self.stream = stream
        contained = ContainedSender(self, on_bug)
        self.reader = Reader(contained.send_unit, contained)

    def send_unit(self, unit: AccessUnit) -> bool:
        """Send *unit*, as the sender does; the first one makes this the stream that is sent."""
        if not self._switch.is_active(self):
            if not self._switch.may_begin(self):
                return True
            self._switch.begin(self)
        self._switch.set_timeline(self.stream, unit)
        return self._sender.send_unit(unit)

    def destination(self) -> RtpDestination | None:
        """Return the destination for the fast path; None while it cannot send in our place."""
        return self._sender.destination() if self._switch.is_active(self) else None

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        """Note what the fast path has sent."""
        self._sender.on_relayed(runs, evicted_packets)

    def on_superseded(self) -> None:
        """Forget what has been sent."""
        self._sender.on_superseded()

    def on_reclaimed(self) -> None:
        """Send the rest of what the fast path has relayed."""
        self._sender.on_reclaimed()


_RANKS = {level: rank for rank, level in enumerate(ViewLevel)}
