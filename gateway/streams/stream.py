"""One source, read by as many viewers as want it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from gateway.fastpath import FrameRun, RtpDestination
from gateway.model.media import (
    VIDEO_CLOCK_HZ,
    AccessUnit,
    ClockReading,
    Codec,
    SourceCounters,
    VideoFormat,
)
from gateway.ports import (
    AskableSource,
    Clock,
    FastPath,
    KeyframeSource,
    Source,
    TargetRateSource,
    TimedSource,
)
from gateway.streams.gop_cache import GopCache
from gateway.streams.reader import Reader

REPLAY_STEP_90K = VIDEO_CLOCK_HZ // 1000
"""Replayed pictures are stamped 1 ms apart, so that a player shows the last one at once."""


RATE_S, FIRST_RATE_S = 5.0, 2.0
"""Over so long at least the rate of a source is measured; the second as long as none is known."""

SOON_S = 1.0
"""A keyframe that is due within this time is waited for, not asked for."""

OPENING_S = 0.5
"""For so long a camera that has been opened may begin with a keyframe by itself."""

MAX_PARAMETER_BYTES = 1024
"""A longer payload is no parameter set; it begins the picture itself."""


class Stream:
    """Fans the access units of one source out to its readers, and keeps the GOP for newcomers.

    Units are handed over in the call that delivers them: no task, no queue, no copy on the way.

    Args:
        source: Where the units come from.
        warm: Whether the source is wanted even when nobody reads.
        linger_s: How long it is still wanted after the last reader has left.
        gop: Where the current GOP is kept.
    """

    def __init__(
        self, source: Source, *, warm: bool, linger_s: float, gop: GopCache, clock: Clock
    ) -> None:
        self._source = source
        self._asked = source if isinstance(source, AskableSource) else None
        self._warm = warm
        self._linger_s = linger_s
        self._gop = gop
        self._clock = clock
        self._readers: tuple[Reader, ...] = ()
        self._holders: set[object] = set()
        self._readers_changed = asyncio.Event()
        self._opened = asyncio.Event()
        self.video: VideoFormat | None = None
        """What the source sends; what it sent last, while it is away; None if never known."""
        self.parameter_payloads: tuple[bytes, ...] = ()
        """Payloads at the beginning of the last keyframe that may be parameter sets."""
        self.combed = False
        """Whether its pictures are two fields each, as the picture checks have seen."""
        self.former_parameters: tuple[Codec, tuple[bytes, ...]] | None = None
        """Codec and `parameter_payloads` of the session before; None: it had none."""
        self._last_unit_s: float | None = None
        self._bps: float | None = None
        self._rate_bytes = 0
        self._rate_s: float | None = None  # when that many had been received; None: not open
        self.fast_path: FastPath | None = None
        """The fast path while it relays this stream; set by the source."""
        self.opened_s: float | None = None
        """When the source was opened last, on the monotonic clock."""

    @property
    def counters(self) -> SourceCounters:
        """The source's counters."""
        if self.fast_path is not None:
            self.fast_path.sync_counters()
        return self._source.counters

    @property
    def last_unit_s(self) -> float | None:
        """When the last unit arrived, on the monotonic clock; None if none ever did."""
        if self.fast_path is None or self._last_unit_s is None:
            return self._last_unit_s
        return max(self._last_unit_s, self.fast_path.last_unit_s)

    @property
    def gop(self) -> GopCache:
        """The cached GOP; to be read only. `keyframe_s` and `gop_s` cost less."""
        self.sync()
        return self._gop

    @property
    def keyframe_s(self) -> float | None:
        """When the last keyframe arrived, on the monotonic clock; None if none ever did."""
        known_s = self.fast_path.keyframe_s if self.fast_path is not None else 0.0
        return known_s or self._gop.keyframe_s

    @property
    def gop_s(self) -> float | None:
        """Measured distance between the last two keyframes; None until there were two."""
        known_s = self.fast_path.gop_s if self.fast_path is not None else 0.0
        return known_s or self._gop.gop_s

    @property
    def playing(self) -> bool:
        """Whether the source is open and a keyframe has come since."""
        since_s = self.opened_s if self._opened.is_set() else None
        return since_s is not None and (self.keyframe_s or 0.0) >= since_s

    @property
    def bps(self) -> float | None:
        """Mean rate of the source over some seconds, bits per second; None: not known yet.

        While it is away: that of before. Before it is measured: what the source aims at, if it
        does.
        """
        now_s = self._clock.now()
        least_s = RATE_S if self._bps is not None else FIRST_RATE_S
        if self._rate_s is not None and now_s - self._rate_s >= least_s:
            received_bytes = self.counters.received_bytes
            self._bps = (received_bytes - self._rate_bytes) * 8 / (now_s - self._rate_s)
            self._rate_bytes, self._rate_s = received_bytes, now_s
        if self._bps is None and isinstance(self._source, TargetRateSource):
            return self._source.target_bps
        return self._bps

    @property
    def clock_reading(self) -> ClockReading | None:
        """What the camera's clock showed last; None: it has not told."""
        return self._source.clock_reading if isinstance(self._source, TimedSource) else None

    @property
    def readers(self) -> int:
        """How many are reading, or hold it open."""
        return len(self._readers) + len(self._holders)

    @property
    def wanted(self) -> bool:
        """Whether the source should be open, lingering aside."""
        return self._warm or bool(self._readers) or bool(self._holders)

    async def check(self) -> None:
        """Ask the source whether it would play. Raises as `gateway.ports.Source.check` does."""
        await self._source.check()

    async def pull(self) -> None:
        """Run the source once, into the readers. Raises as `gateway.ports.Source.run` does."""
        try:
            await self._source.run(self)
        finally:
            self._opened.clear()
            self._rate_s = None
            self._gop.clear()
            for reader in self._readers:
                reader.wait_for_keyframe()

    async def until_wanted(self) -> None:
        """Return as soon as somebody wants the source."""
        while not self.wanted:
            self._readers_changed.clear()
            await self._readers_changed.wait()

    async def until_read(self) -> None:
        """Return as soon as somebody reads."""
        while not self.readers:
            self._readers_changed.clear()
            await self._readers_changed.wait()

    async def until_unwanted(self) -> None:
        """Return when nobody has wanted the source for the linger time."""
        while True:
            self._readers_changed.clear()
            if self.wanted:
                await self._readers_changed.wait()
                continue
            try:
                async with asyncio.timeout(self._linger_s):
                    await self._readers_changed.wait()
            except TimeoutError:
                return

    async def until_opened(self) -> None:
        """Return as soon as the source is open and `video` is known."""
        await self._opened.wait()

    # What the source calls (gateway.ports.Sink).

    def on_opened(self, video: VideoFormat) -> None:
        """Note what the source sends, and start every reader at its next keyframe."""
        if self.video is not None and self.parameter_payloads:
            self.former_parameters = self.video.codec, self.parameter_payloads
        self.video = video
        self._gop.clear()
        self.parameter_payloads = ()
        self.opened_s = self._clock.now()
        self._rate_s = None
        for reader in self._readers:
            reader.wait_for_keyframe()
        self._opened.set()

    def deliver(self, unit: AccessUnit) -> None:
        """Give *unit* to every reader."""
        self._gop.add(unit)
        if unit.keyframe:
            short = takewhile(lambda payload: len(payload) <= MAX_PARAMETER_BYTES, unit.payloads)
            self.parameter_payloads = tuple(short)[:4]
        self._last_unit_s = unit.arrived_s
        if self._rate_s is None:
            self._rate_bytes = self._source.counters.received_bytes
            self._rate_s = self._clock.now()
        for reader in self._readers:
            reader.offer(unit)
        if self._asked is not None and not unit.keyframe and not self.playing:
            self.want_keyframe()

    def destinations(self, time_90k: int) -> tuple[RtpDestination, ...] | None:
        """Return where the fast path sends all that comes behind *time_90k*.

        None if it cannot send to some reader, or not now.
        """
        destinations: list[RtpDestination] = []
        for reader in self._readers:
            destination = reader.destination(time_90k)
            if destination is None:
                return None
            destinations.append(destination)
        return tuple(destinations)

    def on_relayed(self, runs: Sequence[FrameRun], evicted_packets: int) -> None:
        """Note *runs*, which the fast path has sent to every reader.

        *evicted_packets* were sent before them and are not buffered any more.
        """
        for run in runs:
            self._gop.add_run(run)
        if self.fast_path is not None and self.fast_path.gop_s:
            self._gop.set_keyframe_times(self.fast_path.keyframe_s, self.fast_path.gop_s)
        self._last_unit_s = runs[-1].newest_s
        for reader in self._readers:
            reader.on_relayed(runs, evicted_packets)

    def on_superseded(self) -> None:
        """Drop all units: the fast path has newer ones, from a keyframe on."""
        self._gop.clear()
        for reader in self._readers:
            reader.on_superseded()

    def on_reclaimed(self) -> None:
        """Send the readers the rest of what the fast path has relayed: it has stopped."""
        for reader in self._readers:
            reader.on_reclaimed()

    # What the readers' side calls.

    def sync(self) -> None:
        """Bring everything here up to date with what the fast path has relayed."""
        if self.fast_path is not None:
            self.fast_path.sync()

    def hold(self, holder: object) -> None:
        """Keep the source open for *holder*, who reads nothing but the cached GOP, now and then.

        What the fast path relays it goes on relaying.
        """
        self._holders.add(holder)
        self._readers_changed.set()

    def release(self, holder: object) -> None:
        """Keep it open for *holder* no longer; does nothing for one who does not hold it."""
        if holder in self._holders:
            self._holders.remove(holder)
            self._readers_changed.set()

    def attach(self, reader: Reader, *, replay: bool = True) -> None:
        """Add *reader*; the cached GOP is sent to it at once, unless it waits for a keyframe."""
        self.reclaim()
        self._readers += (reader,)
        self._readers_changed.set()
        if replay:
            self.replay(reader)

    def replay(
        self, reader: Reader, after_90k: int | None = None, *, keyframe_only: bool = False
    ) -> None:
        """Send *reader* the cached GOP from its keyframe, a millisecond or less apart.

        Its times end where the live ones go on.

        Args:
            reader: Who gets it.
            after_90k: The last time that the reader has been sent, if any; the replayed ones are
                all later.
            keyframe_only: Send the keyframe alone, and of what comes the next keyframe first.
        """
        self.reclaim()
        units = self._gop.units
        whole = not keyframe_only or len(units) == 1
        if keyframe_only:
            units = units[:1]
        if not units:
            self.want_keyframe()
            return
        last_90k = units[-1].time_90k
        step_90k = REPLAY_STEP_90K
        if after_90k is not None and len(units) > 1:
            # Everything has been stamped up to `last_90k` already; use the time of half a
            # picture at 30 per second after it.
            room_90k = VIDEO_CLOCK_HZ // 60
            step_90k = max(1, min(REPLAY_STEP_90K, room_90k // len(units)))
            last_90k = max(last_90k, after_90k) + step_90k * len(units)
        elif after_90k is not None:
            last_90k = max(last_90k, after_90k) + 1
        first_90k = last_90k - step_90k * (len(units) - 1)
        reader.replay(
            replace(unit, time_90k=first_90k + step_90k * index, early_90k=0)
            for index, unit in enumerate(units)
        )
        if not whole:
            reader.wait_for_keyframe()

    def restart(self, reader: Reader) -> None:
        """Send *reader* nothing before the next keyframe; what waits for it is forgotten."""
        self.reclaim()
        reader.replay(())

    def request_keyframe(self) -> bool:
        """Have the source make a keyframe, for all readers; False if it makes none itself."""
        return isinstance(self._source, KeyframeSource) and self._source.request_keyframe()

    def want_keyframe(self) -> None:
        """Have the camera asked for a keyframe, if it can be and none is due; returns at once.

        It may come within a second, or never: whoever needs a picture takes the cached one.
        """
        if self._asked is None or self.opened_s is None or not self._opened.is_set():
            return
        now_s, keyframe_s, gop_s = self._clock.now(), self.keyframe_s, self.gop_s
        if not self.playing and now_s - self.opened_s < OPENING_S:
            return  # most begin with one
        if keyframe_s is not None and gop_s is not None:
            due_in_s = keyframe_s + gop_s - now_s
            if abs(due_in_s) < SOON_S:
                return
        self._asked.want_keyframe(lambda: self.keyframe_s)

    def detach(self, reader: Reader) -> None:
        """Remove *reader*; nothing is sent to it any more."""
        left = tuple(other for other in self._readers if other is not reader)
        if len(left) < len(self._readers):
            self.reclaim()
            self._readers = left
            self._readers_changed.set()

    def reclaim(self) -> None:
        """Reclaim the stream from the fast path: readers are about to change, or one of them."""
        if self.fast_path is not None:
            self.fast_path.reclaim()
