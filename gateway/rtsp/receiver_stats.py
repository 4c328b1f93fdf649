"""Statistics of a received stream, and the receiver reports that tell the camera about it.

Some cameras stop sending when they never get a receiver report.

References: RFC 3550 §6.4.2 and §A.3.
"""

from __future__ import annotations

import asyncio
import secrets

from gateway.model.media import ClockReading
from gateway.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    SenderReport,
    parse_compound,
    receiver_report,
    unix_of_ntp,
)
from gateway.rtsp.headers import LONGEST_DATE, parse_date

CNAME = "camera-gateway"
MOST_RTCP_BYTES = 1_500


class ReceiverStats:
    """Statistics of one RTP stream, from samples of its packets.

    Attributes:
        last_rtp_s: When the last RTP packet came, on the monotonic clock.
        sender_report: The camera's last one; None: none yet.
        left: Set when the camera has said goodbye.
        left_s: When that was, on the monotonic clock; None: never.
    """

    def __init__(self) -> None:
        self._ssrc = secrets.randbits(32)
        self._source: int | None = None
        self._highest_seq = 0
        self._lsr = 0
        self._sr_s = 0.0
        self._date, self._date_s = "", 0.0
        self.last_rtp_s = 0.0
        self.sender_report: SenderReport | None = None
        self.left = asyncio.Event()
        self.left_s: float | None = None

    @property
    def source(self) -> int:
        """SSRC of the newest packet; 0: none has come."""
        return self._source or 0

    def on_rtp(self, packet: bytes, now_s: float) -> None:
        """Note the newest RTP packet; at least one of every 32,767 must be noted."""
        self.last_rtp_s = now_s
        if len(packet) < 12:
            return
        seq = packet[2] << 8 | packet[3]
        source = int.from_bytes(packet[8:12], "big")
        if source != self._source:
            self._source, self._highest_seq = source, seq
        else:
            step = (seq - self._highest_seq) & 0xFFFF
            self._highest_seq += step if step < 0x8000 else 0

    def on_rtcp(self, packets: list[bytes], now_s: float) -> None:
        """Note sender reports and goodbyes in the camera's RTCP *packets*."""
        for packet in packets:
            for report in parse_compound(packet[:MOST_RTCP_BYTES]):
                if isinstance(report, SenderReport):
                    self.sender_report, self._sr_s = report, now_s
                    self._lsr = report.ntp_64 >> 16 & 0xFFFF_FFFF
                elif isinstance(report, Goodbye) and self._source in report.ssrcs:
                    self.left_s = now_s
                    self.left.set()

    def on_date(self, date: str, now_s: float) -> None:
        """Note the `Date` header of an answer (RFC 2326 §12.18)."""
        self._date, self._date_s = date[:LONGEST_DATE], now_s

    @property
    def clock_reading(self) -> ClockReading | None:
        """What the camera's clock showed last; None: it does not say.

        By its sender reports, else by the `Date` of its answers.
        """
        unix_s = None if self.sender_report is None else unix_of_ntp(self.sender_report.ntp_64)
        if unix_s is not None:
            return ClockReading(unix_s, self._sr_s)
        unix_s = parse_date(self._date)
        return None if unix_s is None else ClockReading(unix_s, self._date_s)

    def build_report(self, now_s: float) -> bytes:
        """Return a receiver report (RFC 3550 §6.4.2) of what has come so far."""
        if self._source is None:
            return receiver_report(self._ssrc, CNAME)
        delay = int((now_s - self._sr_s) * 65_536) & 0xFFFF_FFFF if self._lsr else 0
        block = ReceiverReport(
            self._ssrc, self._source, 0, 0, self._highest_seq, 0, self._lsr, delay
        )
        return receiver_report(self._ssrc, CNAME, block)
