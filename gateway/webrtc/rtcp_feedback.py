"""Handles a viewer's RTCP: NACK, PLI, FIR, REMB and receiver reports (RFC 4585, RFC 5104).

What a viewer may ask for has a budget: whatever it sends, it costs us no more than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from gateway.ports import Clock
from gateway.rtp.rtcp import Fir, Nack, Pli, ReceiverReport, Remb, iter_compound
from gateway.runtime.rate_limit import TokenBucket
from gateway.webrtc.rtp_sender import RtpSender

KEYFRAME_INTERVAL_S = 1.0
"""A viewer that requests keyframes gets one at most once in this time."""

ITEMS_PER_S, ITEMS_BURST = 2_000, 2_000
"""Items of feedback examined for one viewer: sequence numbers, report blocks, keyframe requests.
Browsers list at most 1,000 missing packets (libwebrtc, ``kMaxNackPackets``) and ask for each again
after a round trip; 8 Mb/s with a tenth lost are 90 a second."""

_NTP_EPOCH_S = 2_208_988_800

T = TypeVar("T")


class RtcpFeedback:
    """Handles the RTCP of one viewer.

    Args:
        sender: Sends packets again.
        on_keyframe_request: Sends the viewer a picture to begin with.
        on_report: Called with each report block.
        on_remb: Called with the viewer's estimate of its line, in bits per second.
        on_refused: Called once for each datagram of which a part is beyond the budget.
        clock: Monotonic, for the budget.

    Attributes:
        last_received_s: When the last RTCP came, on the monotonic clock.
        round_trip_s: From the viewer's last report; None until one refers to a report of ours.
        keyframe_requests: PLI and FIR received.
        items: Items examined.
    """

    def __init__(
        self,
        sender: RtpSender,
        *,
        on_keyframe_request: Callable[[], None],
        on_report: Callable[[ReceiverReport], None] = lambda _report: None,
        on_remb: Callable[[int], None] = lambda _bps: None,
        on_refused: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._sender = sender
        self._answer_keyframe_request = on_keyframe_request
        self._on_report, self._on_remb = on_report, on_remb
        self._on_refused = on_refused
        self._budget = TokenBucket(ITEMS_PER_S * 60, ITEMS_BURST, clock=clock)
        self._refused = False
        self._replayed_s = time.monotonic()  # the GOP has just been sent
        self.last_received_s = time.monotonic()
        self.round_trip_s: float | None = None
        self.keyframe_requests = 0
        self.items = 0

    def on_rtcp(self, datagram: bytes) -> None:
        """Handle one decrypted RTCP datagram, as far as the budget allows."""
        self.last_received_s = time.monotonic()
        self._refused = False
        for packet in self._within_budget(iter_compound(datagram)):
            match packet:
                case Nack():
                    self._sender.retransmit(self._within_budget(packet.lost))
                case Pli() | Fir():
                    self._on_keyframe_request()
                case ReceiverReport():
                    self._on_receiver_report(packet)
                case Remb():
                    self._on_remb(packet.bps)
                case _:
                    pass
        if self._refused:
            self._on_refused()

    def _within_budget(self, items: Iterable[T]) -> Iterator[T]:
        """Yield *items* as long as there is budget; each is made only after it is paid for."""
        rest = iter(items)
        while True:
            if not self._budget.try_acquire():
                self._refused = True
                return
            try:
                item = next(rest)
            except StopIteration:
                return
            self.items += 1
            yield item

    def _on_keyframe_request(self) -> None:
        self.keyframe_requests += 1
        if self.last_received_s - self._replayed_s >= KEYFRAME_INTERVAL_S:
            self._replayed_s = self.last_received_s
            self._sender.forget_requests()
            self._answer_keyframe_request()

    def _on_receiver_report(self, report: ReceiverReport) -> None:
        self._on_report(report)
        if report.lsr:
            # RFC 3550 §6.4.1: middle 32 bits of NTP time, in 1/65536 s.
            now_ntp = int((time.time() + _NTP_EPOCH_S) * 65_536) & 0xFFFF_FFFF
            trip = (now_ntp - report.lsr - report.dlsr) & 0xFFFF_FFFF
            if trip < 0x8000_0000:
                self.round_trip_s = trip / 65_536
