"""Handles a viewer's RTCP: NACK, PLI, FIR and receiver reports (RFC 4585, RFC 5104)."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.rtp.rtcp import Fir, Nack, Pli, ReceiverReport, parse_compound
from gateway.webrtc.rtp_sender import RtpSender

KEYFRAME_INTERVAL_S = 1.0
"""A viewer that requests keyframes gets the cached GOP at most once in this time."""

_NTP_EPOCH_S = 2_208_988_800


class RtcpFeedback:
    """Handles the RTCP of one viewer.

    Args:
        sender: Sends packets again.
        replay_gop: Sends the cached GOP again.

    Attributes:
        last_received_s: When the last RTCP came, on the monotonic clock.
        lost_share: Share of packets lost in the viewer's last report, 0 to 1.
        round_trip_s: From the viewer's last report; None until one refers to a report of ours.
        keyframe_requests: PLI and FIR received.
    """

    def __init__(self, sender: RtpSender, replay_gop: Callable[[], None]) -> None:
        self._sender = sender
        self._replay_gop = replay_gop
        self._replayed_s = time.monotonic()  # the GOP has just been sent
        self.last_received_s = time.monotonic()
        self.lost_share = 0.0
        self.round_trip_s: float | None = None
        self.keyframe_requests = 0

    def on_rtcp(self, datagram: bytes) -> None:
        """Handle one decrypted RTCP datagram."""
        self.last_received_s = time.monotonic()
        for packet in parse_compound(datagram):
            match packet:
                case Nack():
                    self._sender.retransmit(packet.lost)
                case Pli() | Fir():
                    self._on_keyframe_request()
                case ReceiverReport():
                    self._on_receiver_report(packet)
                case _:
                    pass

    def _on_keyframe_request(self) -> None:
        self.keyframe_requests += 1
        if self.last_received_s - self._replayed_s >= KEYFRAME_INTERVAL_S:
            self._replayed_s = self.last_received_s
            self._replay_gop()

    def _on_receiver_report(self, report: ReceiverReport) -> None:
        self.lost_share = report.fraction_lost / 256
        if report.lsr:
            # RFC 3550 §6.4.1: middle 32 bits of NTP time, in 1/65536 s.
            now_ntp = int((time.time() + _NTP_EPOCH_S) * 65_536) & 0xFFFF_FFFF
            trip = (now_ntp - report.lsr - report.dlsr) & 0xFFFF_FFFF
            if trip < 0x8000_0000:
                self.round_trip_s = trip / 65_536
