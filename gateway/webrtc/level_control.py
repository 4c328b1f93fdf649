"""One viewer's picture fitted to its line: reports in, level and pace out.

`gateway.webrtc.loss_meter` measures, `gateway.webrtc.adaptation` decides, and
`gateway.webrtc.level_switch` does it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from gateway.model.quality import ViewLevel
from gateway.model.reasons import Reason
from gateway.rtp.rtcp import ReceiverReport
from gateway.streams.stream import Stream
from gateway.webrtc.adaptation import Adaptation, LevelOption
from gateway.webrtc.camera_absence import NO_SLATE, CameraAbsence, SlateOffer
from gateway.webrtc.level_switch import LevelSender, LevelSwitch
from gateway.webrtc.loss_meter import LossMeter
from gateway.webrtc.packet_batch import HEADER_BYTES, TAG_BYTES, RtpParameters
from gateway.webrtc.playout_delay import PlayoutDelay

PACKET_OVERHEAD_BYTES = 28 + HEADER_BYTES + TAG_BYTES
"""Of IPv4, UDP and SRTP."""

GOP_SHARE = 0.5
"""The share of a stream's rate that cached GOPs, sent again on request, may come to."""

CALM_TICKS = 5
"""A viewer whose line carries all is looked after every so many ticks (seconds)."""

log = structlog.get_logger(__name__)


class PacedSender(LevelSender, Protocol):
    """What is needed of the viewer's sender (`gateway.webrtc.rtp_sender.RtpSender`)."""

    @property
    def packets(self) -> int:
        """Media packets sent, retransmissions not counted."""
        ...

    @property
    def octets(self) -> int:
        """Payload bytes of these packets."""
        ...

    @property
    def next_seq(self) -> int:
        """Extended sequence number of the next packet."""
        ...

    @property
    def first_sent_s(self) -> float | None:
        """When the first unit was sent, on the monotonic clock; None: none was yet."""
        ...

    def set_playout_delay(self, delay_s: float) -> bool:
        """Tell the player how long to wait with each picture; False if it cannot be told."""
        ...

    @property
    def last_sent_s(self) -> float | None:
        """When the newest unit was sent, on the monotonic clock; None: none was yet."""
        ...

    def set_pace(self, bps: float | None, *, sent_bps: float = 0.0, loss: float = 0.0) -> None:
        """Put no more than *bps* on the line; None: the usual."""
        ...


class LevelControl:
    """Chooses what one viewer is sent.

    Args:
        sender: Sends it.
        streams: What may be sent, best first; at least one.
        parameters: The viewer's SSRCs.
        fitting: Tells whether the viewer can take what a stream sends.
        refused: Returns why a stream may not be opened for a lesser level, or nothing.
        round_trip_s: Returns how long it is to the viewer and back; None: not known.
        slates: What the viewer is shown while nothing of that comes.
        on_level: Called when another level is sent, or a slate, or no slate any more.
        on_bug: Called with what nobody expects a stream's call to raise.
        now: The monotonic clock.

    Attributes:
        received: Whether the viewer has reported that it receives its camera; a slate is none.
    """

    def __init__(
        self,
        sender: PacedSender,
        streams: Mapping[ViewLevel, Stream],
        parameters: RtpParameters,
        *,
        fitting: Callable[[Stream], bool],
        refused: Callable[[Stream], str] = lambda _stream: "",
        round_trip_s: Callable[[], float | None] = lambda: None,
        slates: SlateOffer = NO_SLATE,
        on_level: Callable[[], None] = lambda: None,
        on_bug: Callable[[Exception], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._now = now
        self._on_level = on_level
        self._adaptation = Adaptation(next(iter(streams)))
        self._playout = PlayoutDelay()
        self._round_trip_s = round_trip_s
        self._switch = LevelSwitch(
            sender,
            streams,
            fitting=fitting,
            refused=refused,
            on_changed=self._on_changed,
            on_returned=on_level,
            on_bug=on_bug,
            now=now,
        )
        self._absence = CameraAbsence(
            self._switch,
            slates,
            sent_s=lambda: sender.last_sent_s,
            on_shown=on_level,
            now=now,
        )
        self._meter = LossMeter(parameters.ssrc, parameters.rtx_ssrc, first_seq=sender.next_seq)
        self._sent_bps, self._sent_octets, self._sent_s = 0.0, 0, now()
        self._next_gop_s = 0.0
        self._ticks = -1
        self.received = False

    @property
    def level(self) -> ViewLevel:
        """What the viewer is sent."""
        return self._switch.level

    @property
    def narrow(self) -> bool:
        """Whether that is less than it could be, because of the line."""
        return self._switch.level is not self._adaptation.top

    @property
    def slate(self) -> Reason | None:
        """What the slate says that is sent; None: none is."""
        return self._absence.reason

    @property
    def loss(self) -> float:
        """Share of the packets lost in the last window, 0 to 1."""
        return self._meter.loss

    @property
    def dropped(self) -> int:
        """Units left out since the last change, because the viewer was too slow."""
        return self._switch.dropped

    @property
    def estimate_bps(self) -> float | None:
        """What the line carries, in bits per second; None: more than was ever sent."""
        return self._adaptation.estimate_bps

    def start(self) -> None:
        """Send the best stream."""
        self._switch.start()

    def close(self) -> None:
        """Let go of the streams."""
        self._switch.close()

    def resume(self) -> None:
        """Send what waits; the sender can again."""
        self._switch.resume()

    def sync(self) -> None:
        """Let the sender know what the fast path has sent."""
        self._switch.sync()

    def on_report(self, report: ReceiverReport) -> None:
        """Take one report block of the viewer."""
        packet_bytes = self._sender.octets / max(1, self._sender.packets) + PACKET_OVERHEAD_BYTES
        now_s = self._now()
        self._meter.begin(self._sender.first_sent_s or now_s)
        window = self._meter.on_report(report, packet_bytes=packet_bytes, now_s=now_s)
        if window is not None and self.slate is None:  # a slate says nothing of the line
            self.received = self.received or window.received_bps > 0
            options = self._options() if window.lost else ()  # nearly always nothing is
            self._adaptation.on_window(window, options, now_s)
            if not self._calm:
                self._apply()
            if not self._narrow_line and self._playout.on_window(window, self._round_trip_s()):
                self._tell_playout_delay()

    def on_remb(self, bps: int) -> None:
        """Take the viewer's own estimate."""
        self._adaptation.on_remb(bps)

    def on_tick(self) -> None:
        """Do what is due every second."""
        self._switch.on_tick()
        self._absence.on_tick()
        self._ticks += 1
        if self.slate is not None:
            return
        if self._calm and self._ticks % CALM_TICKS:
            return
        self._adaptation.on_tick(self._options(), self._now())
        self._apply()

    def on_keyframe_request(self) -> None:
        """Answer a PLI or FIR: with the cached GOP, unless there were too many lately."""
        now_s = self._now()
        gop = not self._narrow_line and now_s >= self._next_gop_s
        if gop:
            size_bytes, bps = self._switch.gop_bytes, self._switch.bps
            self._next_gop_s = now_s + (size_bytes * 8 / (bps * GOP_SHARE) if bps else 0.0)
        self._switch.request_keyframe(gop=gop)

    def _tell_playout_delay(self) -> None:
        if self._sender.set_playout_delay(self._playout.delay_s):
            log.info("playout_delay_told", seconds=self._playout.delay_s, loss=round(self.loss, 3))
            self._switch.reclaim()

    @property
    def _narrow_line(self) -> bool:
        return self._adaptation.estimate_bps is not None

    @property
    def _calm(self) -> bool:
        """Whether the best is sent, and nothing lost of it."""
        adaptation = self._adaptation
        best = adaptation.wanted is adaptation.top is self._switch.level
        return best and not self._narrow_line and not self._meter.loss

    def _options(self) -> tuple[LevelOption, ...]:
        streams = self._switch.available()
        listed: list[LevelOption] = []
        for level, stream in streams:
            better_bps = listed[-1].bps if listed else None
            bps = stream.bps
            # A transcode of a small stream may be larger than that.
            if better_bps is None or bps is None or bps < better_bps:
                listed.append(LevelOption(level, bps))
        return (*listed, LevelOption(ViewLevel.KEYFRAMES))

    def _apply(self) -> None:
        """Do what has been decided."""
        self._switch.want(
            self._adaptation.wanted,
            urgent=self._adaptation.urgent,
            carried_bps=self._adaptation.estimate_bps,
        )
        now_s, octets = self._now(), self._sender.octets
        if now_s - self._sent_s >= 1.0:
            self._sent_bps = (octets - self._sent_octets) * 8 / (now_s - self._sent_s)
            self._sent_octets, self._sent_s = octets, now_s
        pace_bps = self._adaptation.pace_bps(self._options())
        self._sender.set_pace(pace_bps, sent_bps=self._sent_bps, loss=self.loss)

    def _on_changed(self, level: ViewLevel) -> None:
        self._adaptation.on_changed(level, self._now())
        estimate_bps = self._adaptation.estimate_bps
        kbps = None if estimate_bps is None else round(estimate_bps / 1000)
        log.info("level_changed", sent=level.value, loss=round(self.loss, 3), estimate_kbps=kbps)
        self._on_level()
