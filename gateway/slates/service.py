"""Makes the slates that somebody reads, one picture a second, in one child for each codec.

Cameras of one format that are gone for one reason share a slate: a site whose switch has died needs
one, however many its cameras and viewers are. What all encoders of a child may take is bounded;
beyond that a slate is smaller than its camera, or there is none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import structlog

from gateway.model.errors import SourceUnavailable
from gateway.model.local_time import time_text
from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit, Codec, SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.ports import Clock, Sink
from gateway.rtp.video_info import VideoInfo
from gateway.runtime.clock import now_ms
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.supervise import supervise
from gateway.slates.pipe import Command, SlateRequest, parse_picture
from gateway.slates.slate_format import SLATE_CODECS, SlateCodec, SlateFormat, slate_format
from gateway.streams.gop_cache import GopCache
from gateway.streams.slate import Slate
from gateway.streams.stream import Stream
from gateway.transcoding.output_payloads import payloads_of
from gateway.vision.pipe import MalformedMessage, Status
from gateway.vision.worker_process import WorkerLost, WorkerProcess

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.slates.worker")
ANSWERS_WITHIN_S = 5.0
"""The keyframe of an H.265 slate of 1080p takes 0.15 s on a desktop."""

MEMORY_BYTES: dict[SlateCodec, int] = {"h264": 256 << 20, "h265": 320 << 20}
"""For the encoders of one child. A slate takes half of what is left at most, unless it is as small
as they get: two of 1080p in H.264, then smaller ones; one in H.265."""
MOST_SLATES = 24
KEYFRAME_EVERY = 4
"""Pictures, which are seconds: for receivers that never ask."""
LINGER_S = 10.0
"""A slate that nobody reads is kept so long, and then its child."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""After the death of a child; doubled with each that lives for less than a minute."""

GOP_BYTES, GOP_S = 4_000_000, 60.0

log = structlog.get_logger(__name__)


class _Nothing:
    """The source of a stream that is fed by `SlateService`."""

    def __init__(self) -> None:
        self.counters = SourceCounters()

    async def run(self, sink: Sink) -> None:
        """Nothing runs here."""

    async def check(self) -> None:
        """There is always a slate."""


@dataclass(slots=True, eq=False)
class _Entry:
    """One slate.

    Attributes:
        number: What the child knows it by.
        form: What it is coded as.
        slate: Its stream.
        counters: Of that.
        used_s: When somebody read it last.
        second: The second of the wall clock that it shows; None: it has no picture.
        pictures: That this child has made.
        last_90k: Time of the newest.
        broken: Whether the child could not make it.
    """

    number: int
    form: SlateFormat
    slate: Slate
    counters: SourceCounters
    used_s: float
    second: int | None = None
    pictures: int = 0
    last_90k: int = -1
    broken: bool = False


class SlateService:
    """The slates of one codec.

    Args:
        codec: Theirs.
        payload_bytes: Returns the largest RTP payload that may be sent now.
        clock: Monotonic.
        wall_ms: What the slates show, in ms since 1970.

    Attributes:
        deaths: Children that died or had to be killed.
    """

    def __init__(
        self,
        codec: SlateCodec,
        *,
        payload_bytes: Callable[[], int],
        clock: Clock,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._codec: SlateCodec = codec
        self._payload_bytes = payload_bytes
        self._clock = clock
        self._wall_ms = wall_ms
        self._entries: dict[tuple[SlateFormat, Reason], _Entry] = {}
        self._forgotten: list[_Entry] = []
        self._numbers = 0
        self._begun_s = clock.now()
        self._changed = asyncio.Event()
        self._refused = RateLimitedLog(f"slates:{codec}", "slates_refused", clock=clock)
        self.deaths = 0
        self.pid: int | None = None

    @property
    def running(self) -> int:
        """How many slates are read by somebody."""
        return sum(bool(each.slate.stream.readers) for each in self._entries.values())

    def find(self, picture: VideoInfo | None, reason: Reason) -> Slate | None:
        """Return the slate that says *reason*; None: one more than this machine shall make.

        Args:
            picture: What the camera's parameter sets said; None: nothing is known of them.
            reason: Why it is away.
        """
        wanted = slate_format(self._codec, picture)
        entry = self._entries.get((wanted, reason))
        if entry is None:
            form = self._affordable(wanted)
            if form is None:
                self._refused.count(f"{wanted.width}x{wanted.height} {reason}")
                return None
            entry = self._entries[wanted, reason] = self._begin(form, reason)
            self._changed.set()
        entry.used_s = self._clock.now()
        return entry.slate

    async def run(self) -> NoReturn:
        """Make slates until cancelled. The child has ended when this returns."""
        await supervise(
            self._serve, name=f"slates:{self._codec}", clock=self._clock, delays=_delays
        )

    def _affordable(self, wanted: SlateFormat) -> SlateFormat | None:
        """Return *wanted*, or what is smaller, as far as the budget goes."""
        for key, entry in list(self._entries.items()):
            if not entry.slate.stream.readers and self._fitting(wanted) != wanted:
                self._forgotten.append(self._entries.pop(key))
        return self._fitting(wanted)

    def _fitting(self, wanted: SlateFormat) -> SlateFormat | None:
        used_bytes = sum(each.form.memory_bytes for each in self._entries.values())
        left_bytes = MEMORY_BYTES[self._codec] - used_bytes
        *larger, smallest = wanted.smaller()
        found = [each for each in larger if each.memory_bytes <= left_bytes // 2]
        if smallest.memory_bytes <= left_bytes:
            found.append(smallest)
        return found[0] if found and len(self._entries) < MOST_SLATES else None

    def _begin(self, form: SlateFormat, reason: Reason) -> _Entry:
        self._numbers += 1
        source = _Nothing()
        gop = GopCache(limit_bytes=GOP_BYTES, limit_s=GOP_S)
        stream = Stream(source, warm=False, linger_s=LINGER_S, gop=gop, clock=self._clock)
        stream.on_opened(VideoFormat(self._codec))
        slate = Slate(reason, stream)
        return _Entry(self._numbers, form, slate, source.counters, self._clock.now())

    async def _serve(self) -> None:
        """Run one child after the other, each while there is a slate. Raises SourceUnavailable."""
        while True:
            while not self._entries:
                self._changed.clear()
                await self._changed.wait()
            try:
                await self._run_child()
            except WorkerLost as error:
                self.deaths += 1
                log.warning("slates_lost", codec=self._codec, detail=str(error))
                raise SourceUnavailable(Reason.STALLED, f"the child {error}") from error

    async def _run_child(self) -> None:
        for entry in self._entries.values():
            entry.second, entry.pictures, entry.broken = None, 0, False
        self._forgotten.clear()
        child = await WorkerProcess.start(
            answers_within_s=ANSWERS_WITHIN_S, command=COMMAND, arguments=(self._codec,)
        )
        self.pid = child.pid
        try:
            while self._entries:
                self._changed.clear()
                await self._make_due(child)
                self._drop_unread()
                await self._until_next_second()
        finally:
            self.pid = None
            self._forgotten.clear()
            await asyncio.shield(child.stop())

    async def _make_due(self, child: WorkerProcess) -> None:
        """Make the pictures of this second. Raises WorkerLost."""
        while self._forgotten:
            gone = self._forgotten.pop()
            await child.request(SlateRequest(Command.FORGET, gone.number, False, gone.form))
        for entry in list(self._entries.values()):
            wall_ms = self._wall_ms()
            if entry.second != wall_ms // 1000 and not entry.broken:
                entry.second = wall_ms // 1000
                await self._make(child, entry, time_text(wall_ms))

    async def _make(self, child: WorkerProcess, entry: _Entry, text: str) -> None:
        keyframe = entry.pictures % KEYFRAME_EVERY == 0
        wording = WORDING[entry.slate.reason]
        texts = wording.vi, wording.en, text
        request = SlateRequest(Command.PICTURE, entry.number, keyframe, entry.form, texts)
        status, body = await child.request(request)
        if status is not Status.DONE:
            entry.broken = True
            detail = body.decode("utf-8", "replace")[:200]
            log.warning("slate_broken", form=str(entry.form), detail=detail)
            return
        entry.pictures += 1
        try:
            self._deliver(entry, *parse_picture(body))
        except MalformedMessage as error:
            raise WorkerLost(f"answers with {error}") from error

    def _deliver(self, entry: _Entry, nals: list[bytes], keyframe: bool) -> None:
        payloads = payloads_of(
            self._codec, nals, keyframe=keyframe, limit_bytes=self._payload_bytes()
        )
        now_s = self._clock.now()
        time_90k = int((now_s - self._begun_s) * VIDEO_CLOCK_HZ)
        entry.last_90k = max(time_90k, entry.last_90k + 1)
        size_bytes = sum(map(len, payloads))
        entry.counters.units += 1
        entry.counters.keyframes += keyframe
        entry.counters.packets += len(payloads)
        entry.counters.received_bytes += size_bytes
        unit = AccessUnit(payloads, entry.last_90k, keyframe, now_s, size_bytes)
        entry.slate.stream.deliver(unit)

    def _drop_unread(self) -> None:
        now_s = self._clock.now()
        for key, entry in list(self._entries.items()):
            if entry.slate.stream.readers:
                entry.used_s = now_s
            elif now_s - entry.used_s >= LINGER_S:
                self._forgotten.append(self._entries.pop(key))

    async def _until_next_second(self) -> None:
        """Return at the next second of the wall clock, or when there is a new slate."""
        left_s = (1000 - self._wall_ms() % 1000) / 1000
        async with asyncio.TaskGroup() as group:
            pause = group.create_task(self._clock.sleep(left_s), name="slates:pause")
            change = group.create_task(self._changed.wait(), name="slates:change")
            await asyncio.wait((pause, change), return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
            change.cancel()


class Slates:
    """The slates of all codecs.

    Args:
        payload_bytes: Returns the largest RTP payload that may be sent now.
        clock: Monotonic.
        wall_ms: What the slates show, in ms since 1970.
    """

    def __init__(
        self,
        *,
        payload_bytes: Callable[[], int],
        clock: Clock,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.services: dict[Codec, SlateService] = {
            codec: SlateService(codec, payload_bytes=payload_bytes, clock=clock, wall_ms=wall_ms)
            for codec in SLATE_CODECS
        }

    def find(self, codec: Codec, picture: VideoInfo | None, reason: Reason) -> Slate | None:
        """Return the slate that says *reason* to viewers who get *codec*; None: there is none."""
        service = self.services.get(codec)
        return None if service is None else service.find(picture, reason)


def _delays() -> Iterator[float]:
    """Yield the pauses after deaths, in seconds."""
    delay_s = FIRST_PAUSE_S
    while True:
        yield delay_s
        delay_s = min(2 * delay_s, LONGEST_PAUSE_S)
