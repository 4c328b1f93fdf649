"""How much of what one viewer is sent gets there, from its receiver reports.

Browsers attach a report to every NACK, so that `fraction_lost`, which begins anew with each report,
covers a few milliseconds or one packet. What counts is the difference of the cumulative fields over
windows of `WINDOW_S` at least, of the media's own block. A camera's loss is not in it: what is sent
to a viewer is numbered anew.

Reference: RFC 3550 §6.4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.rtp.rtcp import ReceiverReport

WINDOW_S = 0.5
"""A window is no shorter."""

LEAST_PACKETS, LONGEST_S = 50, 2.0
"""A window waits for that many packets, but no longer than that."""


@dataclass(frozen=True, slots=True)
class LossWindow:
    """What became of the packets of one stretch of time.

    Attributes:
        seconds: Its length.
        expected: Media packets sent that the viewer can know of, by their numbers.
        lost: Those it has not received, repeats not counted; 0 to *expected*.
        received_bps: What it has received, repeats and headers of IP and UDP included.
    """

    seconds: float
    expected: int
    lost: int
    received_bps: float

    @property
    def loss(self) -> float:
        """Share of the packets lost, 0 to 1."""
        return self.lost / self.expected if self.expected else 0.0


@dataclass(slots=True)
class _Stream:
    """The cumulative fields of one SSRC: as reported last, and where the window began."""

    highest: int
    lost: int = 0
    window_highest: int = 0
    window_lost: int = 0

    def on_report(self, report: ReceiverReport) -> None:
        if 0 < _signed32(report.highest_seq - self.highest) < 1 << 17:
            self.highest = report.highest_seq
            self.lost = report.cumulative_lost

    def end_window(self) -> tuple[int, int]:
        """Return packets expected and lost since it was called last."""
        expected = _signed32(self.highest - self.window_highest)
        lost = max(0, min(expected, self.lost - self.window_lost))
        self.window_highest, self.window_lost = self.highest, self.lost
        return expected, lost


class LossMeter:
    """Makes windows out of the reports of one viewer.

    Args:
        ssrc: Of the media.
        rtx_ssrc: Of its repeats.
        first_seq: Extended sequence number of the first media packet.

    Attributes:
        loss: Share lost in the last window, 0 to 1.
    """

    def __init__(self, ssrc: int, rtx_ssrc: int, *, first_seq: int) -> None:
        before = (first_seq - 1) & 0xFFFF_FFFF
        self._media = _Stream(before, 0, before, 0)
        self._rtx: _Stream | None = None
        self._ssrc, self._rtx_ssrc = ssrc, rtx_ssrc
        self._began_s: float | None = None
        self.loss = 0.0

    def begin(self, now_s: float) -> None:
        """Let the first window begin at *now_s*, of a monotonic clock; the first call counts."""
        if self._began_s is None:
            self._began_s = now_s

    def on_report(
        self, report: ReceiverReport, *, packet_bytes: float, now_s: float
    ) -> LossWindow | None:
        """Take one report block; return the window that it completes, if it does.

        Args:
            report: Of any SSRC; those of others are ignored.
            packet_bytes: Mean size of a packet on the line.
            now_s: When it came.
        """
        if report.source_ssrc == self._rtx_ssrc:
            if self._rtx is None:
                self._rtx = _Stream(report.highest_seq, 0, report.highest_seq, 0)
            self._rtx.on_report(report)
            return None
        if report.source_ssrc != self._ssrc:
            return None
        self._media.on_report(report)
        self.begin(now_s)
        assert self._began_s is not None
        seconds = now_s - self._began_s
        ready = _signed32(self._media.highest - self._media.window_highest) >= LEAST_PACKETS
        if seconds < WINDOW_S or not (ready or seconds >= LONGEST_S):
            return None
        return self._end_window(seconds, packet_bytes, now_s)

    def _end_window(self, seconds: float, packet_bytes: float, now_s: float) -> LossWindow:
        expected, lost = self._media.end_window()
        received = expected - lost
        if self._rtx is not None:
            repeated, repeats_lost = self._rtx.end_window()
            received += repeated - repeats_lost
        self._began_s = now_s
        self.loss = lost / expected if expected else 0.0
        return LossWindow(seconds, expected, lost, received * packet_bytes * 8 / seconds)


def _signed32(number: int) -> int:
    return ((number + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
