"""What has been heard of a stream, and what we tell the camera about it in RTCP.

Some cameras stop sending when they never hear a receiver report.

References: RFC 3550 §6.4.2 and §A.3.
"""

from __future__ import annotations

import secrets

from gateway.rtp.rtcp import ReceiverReport, SenderReport, parse_compound, receiver_report

CNAME = "camera-gateway"
MOST_RTCP_BYTES = 1_500


class ReceiverStats:
    """What has been heard of one RTP stream, read from samples of it.

    Attributes:
        heard_s: When the last RTP packet came, on the monotonic clock.
        wall: The camera's last sender report: which of its RTP times is which wall time.
    """

    def __init__(self) -> None:
        self._ssrc = secrets.randbits(32)
        self._source: int | None = None
        self._highest_seq = 0
        self._lsr = 0
        self._sr_s = 0.0
        self.last_rtp_s = 0.0
        self.sender_report: SenderReport | None = None

    def on_rtp(self, packet: bytes, now_s: float) -> None:
        """Take the newest RTP packet; often enough that less than 32,768 were in between."""
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
        """Take the camera's RTCP; its sender reports tie RTP time to wall time."""
        for packet in packets:
            for said in parse_compound(packet[:MOST_RTCP_BYTES]):
                if isinstance(said, SenderReport):
                    self.sender_report, self._sr_s = said, now_s
                    self._lsr = said.ntp_64 >> 16 & 0xFFFF_FFFF

    def build_report(self, now_s: float) -> bytes:
        """Return a receiver report of what has been heard so far."""
        if self._source is None:
            return receiver_report(self._ssrc, CNAME)
        delay = int((now_s - self._sr_s) * 65_536) & 0xFFFF_FFFF if self._lsr else 0
        block = ReceiverReport(
            self._ssrc, self._source, 0, 0, self._highest_seq, 0, self._lsr, delay
        )
        return receiver_report(self._ssrc, CNAME, block)
