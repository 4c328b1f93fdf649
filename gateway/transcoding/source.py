"""A camera's stream, transcoded: a source like any other, that reads another stream.

It is opened by the first viewer who needs it and ended after the linger, like the camera itself
(`gateway.streams.stream`, `gateway.cameras.stream_supervisor`). When its child dies the supervisor
runs it again; the viewers stay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.model.errors import CodecUnsupported, SourceUnavailable
from gateway.model.media import AccessUnit, Codec, SourceCounters
from gateway.model.reasons import Reason
from gateway.ports import Clock, Sink
from gateway.rtp.video_info import VideoInfo
from gateway.streams.reader import Reader
from gateway.streams.stream import Stream
from gateway.transcoding.capacity import Capacity, Load, reference_ms
from gateway.transcoding.encoder_choice import EncoderChoice
from gateway.transcoding.encoder_output import EncoderOutput
from gateway.transcoding.messages import OutputHeader, Report
from gateway.transcoding.output_format import OutputFormat, output_size
from gateway.transcoding.process import TranscodingProcess
from gateway.vision.pipe import MalformedMessage
from gateway.vision.piped_child import ChildLost

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
"""Pause after a child's death: the first in `DEATHS_S`, doubled with each further one."""
DEATHS_S = 60.0
HARDWARE_DEATHS = 2
"""So many deaths within `DEATHS_S` and the next child encodes in software."""
LONG_GOP_S = 2.0
"""If the newest keyframe is older at the start, a camera that can be asked is asked for another."""
UNDECODED, STUCK = 50, 250
"""So many units of which a child could decode none: nobody here can. So many behind others that it
could: another child is tried."""
UNDECODED_PARK_S = 60.0
USUAL_SIZE = 1920, 1080
USUAL_FPS = 25.0
"""What a camera sends of which nothing is known yet."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TranscodeState:
    """What a transcode is doing, for health.

    Attributes:
        encoder: FFmpeg's name of the encoder that runs, or ran last.
        running: Whether a child runs now.
        deaths: Children that died or were killed since the gateway started.
        last_death: How the last one ended.
        dropped_before: What former children have thrown away.
        report: The child's last report about itself.
    """

    encoder: str = ""
    running: bool = False
    deaths: int = 0
    last_death: str = ""
    dropped_before: int = 0
    report: OutputHeader = OutputHeader(Report.PROGRESS)  # noqa: RUF009 (frozen)


class TranscodeSource:
    """`gateway.ports.Source` that transcodes *stream*.

    Args:
        name: For log lines, e.g. ``c01/main``.
        stream: What is transcoded.
        output: What comes out.
        encoder: Which one is used; told when it fails.
        payload_bytes: Largest RTP payload that is delivered.
        capacity: Of this machine; shared by all.
        picture: Returns what the camera's parameter sets say; None: they have not come.

    Attributes:
        state: For health.
    """

    def __init__(
        self,
        name: str,
        stream: Stream,
        *,
        output: OutputFormat,
        encoder: EncoderChoice,
        payload_bytes: int,
        capacity: Capacity,
        picture: Callable[[], VideoInfo | None] = lambda: None,
        clock: Clock,
    ) -> None:
        self._name = name
        self._stream = stream
        self._output = output
        self._encoded = EncoderOutput(name, payload_bytes, capacity, clock)
        self._picture = picture
        self._clock = clock
        self._child: TranscodingProcess | None = None
        self._sent_90k = -1
        self._cached_90k = -1
        self._codec: Codec | None = None
        self._undecoded = 0  # units in a row of which there is no picture
        self._deaths_s: deque[float] = deque(maxlen=16)
        self._changes_s: deque[float] = deque(maxlen=16)
        self._encoder = encoder
        self.state = TranscodeState()

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._encoded.counters

    @property
    def pid(self) -> int | None:
        """Process id of the child; None while there is none."""
        return None if self._child is None else self._child.pid

    @property
    def running(self) -> bool:
        """Whether its child runs now."""
        return self.state.running

    @property
    def divisor(self) -> int:
        """One picture of so many is encoded now; 0: it does not run."""
        return self.state.report.divisor if self.state.running else 0

    @property
    def dropped(self) -> int:
        """Pictures thrown away because the child had fallen behind."""
        return self.state.dropped_before + self.state.report.dropped

    @property
    def deaths(self) -> int:
        """Children that died or had to be killed."""
        return self.state.deaths

    @property
    def target_bps(self) -> float:
        """Its mean rate, in bits per second."""
        return float(self._output.bitrate_bps)

    def admit(self) -> str:
        """Let one viewer open it; return why this machine cannot carry it, or nothing."""
        return self._encoded.admit(self._expected_load())

    def _expected_load(self) -> Load:
        picture, video = self._picture(), self._stream.video
        width, height = (picture.width, picture.height) if picture else USUAL_SIZE
        out_width, out_height = output_size(width, height, None, self._output.height)
        codec: Codec = video.codec if video is not None else "h265"
        share = min(1.0, self._output.fps / USUAL_FPS)  # all are decoded, so many encoded
        encoded = round(out_width * out_height * share)
        return Load(reference_ms(codec, width * height, encoded), USUAL_FPS)

    async def check(self) -> None:
        """Nothing can be said of a transcode before it runs."""

    def request_keyframe(self) -> bool:
        """Make the next picture a keyframe; False: there is no child to make it."""
        return self._encoded.request_keyframe()

    async def run(self, sink: Sink) -> None:
        """Transcode into *sink*; see `gateway.ports.Source.run`."""
        waiting = Reader(lambda _unit: True)
        reader = Reader(self._send)
        self._stream.attach(waiting)
        if self._clock.now() - (self._stream.keyframe_s or 0.0) > LONG_GOP_S:
            self._stream.want_keyframe()  # all since the cached one would have to be decoded first
        try:
            child = await self._start(sink, on_ready=reader.resume)
            cached = self._stream.gop.units
            self._cached_90k = cached[-1].time_90k if cached else -1
            self._stream.attach(reader)
            self._stream.detach(waiting)
            await child.watch()
        except ChildLost as error:
            if self._undecoded >= UNDECODED and not self.state.report.decoded:
                raise self._refusal() from error
            if self._child is not None and self._child.changed:
                raise self._change(str(error)) from error
            raise self._loss(str(error)) from error
        finally:
            self._stream.detach(waiting)
            self._stream.detach(reader)
            await self._stop()

    async def _start(self, sink: Sink, on_ready: Callable[[], None]) -> TranscodingProcess:
        """Start a child for what the camera sends, as soon as that is known. Raises ChildLost."""
        if self._stream.video is None:
            await self._stream.until_opened()
        assert self._stream.video is not None
        self._codec = self._stream.video.codec
        self.state.encoder = self._encoder.name_for(self._codec)
        self._child = child = await TranscodingProcess.start(
            self._codec,
            self._output,
            self.state.encoder,
            on_report=self._on_report,
            on_ready=on_ready,
        )
        self.state.running = True
        self._undecoded = 0
        self.state.dropped_before += self.state.report.dropped
        self.state.report = OutputHeader(Report.PROGRESS)
        self._encoded.begin(sink, child, self._expected_load())
        return child

    async def _stop(self) -> None:
        child, self._child = self._child, None
        self.state.running = False
        self._encoded.end()
        if child is not None:
            await asyncio.shield(child.stop())

    def _send(self, unit: AccessUnit) -> bool:
        child = self._child
        if child is None:
            return True
        video = self._stream.video
        if video is not None and video.codec != self._codec:
            child.lose(f"was made for {self._codec}; the camera now sends {video.codec}")
            return True
        self._sent_90k = max(self._sent_90k, unit.time_90k)
        return child.send(
            unit, unit.time_90k - unit.early_90k, cached=unit.time_90k <= self._cached_90k
        )

    def _on_report(self, head: OutputHeader, nals: list[bytes]) -> None:
        before, self.state.report = self.state.report, head
        self._look_at_decoder(before, head)
        if head.report is Report.UNIT and head.time_90k > self._sent_90k:
            raise MalformedMessage("a picture of the future")
        self._encoded.take(head, nals, head.time_90k)

    def _look_at_decoder(self, before: OutputHeader, head: OutputHeader) -> None:
        """Give the child up if it decodes nothing of what it gets."""
        moved = (head.decoded, head.dropped) != (before.decoded, before.dropped)
        self._undecoded = 0 if moved else self._undecoded + 1
        most = STUCK if head.decoded else UNDECODED
        if self._undecoded == most and self._child is not None:
            self._child.lose(f"can decode none of {most} pictures")

    def _refusal(self) -> CodecUnsupported:
        picture = self._picture()
        shown = f" of {picture.width}x{picture.height}" if picture else ""
        detail = f"none of {self._undecoded} pictures{shown} can be decoded here"
        return CodecUnsupported(Reason.UNSUPPORTED_CODEC, detail, park_s=UNDECODED_PARK_S)

    def _change(self, why: str) -> SourceUnavailable:
        """Return why the child ends whose picture has changed, and how long to wait: at first not.

        A camera that changes all the time would otherwise cost a start for each keyframe.
        """
        now_s = self._clock.now()
        self._changes_s.append(now_s)
        recent = sum(now_s - each <= DEATHS_S for each in self._changes_s)
        pause_s = min(FIRST_PAUSE_S * 2 ** (recent - 2), LONGEST_PAUSE_S) if recent > 1 else 0.0
        return SourceUnavailable(Reason.STALLED, f"the transcoder {why}", longest_s=pause_s)

    def _loss(self, why: str) -> SourceUnavailable:
        now_s = self._clock.now()
        self._deaths_s.append(now_s)
        recent = sum(now_s - each <= DEATHS_S for each in self._deaths_s)
        pause_s = min(FIRST_PAUSE_S * 2 ** (recent - 1), LONGEST_PAUSE_S)
        self.state.deaths += 1
        self.state.last_death = why
        if recent >= HARDWARE_DEATHS:
            self._encoder.reject(self.state.encoder, why)
        log.warning("transcoder_lost", name=self._name, detail=why, deaths=self.state.deaths)
        return SourceUnavailable(Reason.STALLED, f"the transcoder {why}", longest_s=pause_s)
