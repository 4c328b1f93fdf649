"""One RTSP session of a virtual camera: numbers, stamps and sends what its reel shows."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.demo.encoder import Coded
from gateway.demo.faults import InterleavedGarbage, Jump, Loss
from gateway.demo.rtp_output import Pipe
from gateway.demo.video_loop import Marked, VideoLoop
from gateway.demo.virtual_camera import VirtualCamera
from gateway.model.media import VIDEO_CLOCK_HZ
from gateway.rtp.packet import header
from gateway.rtp.rtcp import sender_report

PAYLOAD_TYPE = 96
_NTP_TO_UNIX_S = 2_208_988_800


class Session:
    """From the first SETUP to TEARDOWN, timeout or the loss of its connection.

    Args:
        expired: Called when nothing was heard of the viewer for too long.
    """

    def __init__(
        self, camera: VirtualCamera, reel: VideoLoop, expired: Callable[[Session], None]
    ) -> None:
        self.camera = camera
        self.id = secrets.token_hex(5)
        self.pipe: Pipe | None = None
        self.ssrc = secrets.randbits(32)
        self.seq = camera.habits.first_sequence
        self.time_90k = camera.habits.first_time_90k
        self.playing = False
        self.open = True
        self._reel = reel
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._reported_s = self._loop.time()
        self._timer = self._loop.call_later(camera.habits.session_timeout_s, self._look)
        self._offset_90k: int | None = None
        self._pictures = self._octets = self._sent = 0
        self._jump: Jump | None = None
        self._jumped = 0
        counts = camera.counts
        counts.sessions += 1
        counts.sessions_ever += 1
        counts.sessions_peak = max(counts.sessions_peak, counts.sessions)

    def heard(self) -> None:
        """The viewer has shown that it is alive."""
        self._heard_s = self._loop.time()

    def play(self) -> None:
        """Send from now on."""
        if self.pipe is not None and not self.playing:
            self.playing = True
            self._reel.join(self)

    def silence(self) -> None:
        """Send no more; the session still counts."""
        self._reel.leave(self)
        if self.pipe is not None:
            self.pipe.close()
            self.pipe = None

    def end(self) -> None:
        """Be over; may be called again."""
        self.silence()
        self._timer.cancel()
        if self.open:
            self.open = False
            self.camera.counts.sessions -= 1

    def hold(self, held_s: float) -> None:
        """Be over after *held_s*, as a session is whose connection was lost."""
        self.silence()
        self._timer.cancel()
        self._timer = self._loop.call_later(held_s, self.end)

    def show(self, coded: Coded, payloads: Marked, time_90k: int) -> None:
        """Send one picture, with whatever is wrong with the camera."""
        camera, pipe = self.camera, self.pipe
        if pipe is None or camera.silent:
            return
        if self._offset_90k is None:
            if not coded.keyframe and camera.habits.join != "middle":
                return
            self._offset_90k = camera.habits.first_time_90k - time_90k
        self.time_90k = time_90k + self._offset_90k
        self._pictures += 1
        garbage = camera.active_fault(InterleavedGarbage)
        if garbage and self._pictures % garbage.every == 0:
            pipe.litter(garbage.size_bytes)
        packets = self._packets(payloads, self._displaced(self.time_90k))
        if pipe.send(packets):
            camera.counts.packets += len(packets)
        else:
            camera.counts.unsent += 1
        self._report(pipe)

    def _packets(self, payloads: Marked, time_90k: int) -> list[bytes]:
        loss = self.camera.active_fault(Loss)
        packets = []
        for payload, marker in payloads:
            if not (loss and self.seq % loss.every == 0):
                packets.append(
                    header(PAYLOAD_TYPE, marker, self.seq, time_90k, self.ssrc) + payload
                )
            self.seq = (self.seq + 1) & 0xFFFF
            self._sent += 1
            self._octets += len(payload)
        return packets

    def _displaced(self, time_90k: int) -> int:
        jump = self.camera.active_fault(Jump)
        if jump is not self._jump:
            self._jump, self._jumped = jump, 0
        if jump is None or 0 < jump.pictures <= self._jumped:
            return time_90k
        self._jumped += 1
        return time_90k + round(jump.by_s * VIDEO_CLOCK_HZ)

    def _report(self, pipe: Pipe) -> None:
        now_s = self._loop.time()
        if self._sent and now_s - self._reported_s < self.camera.habits.report_s:
            return
        self._reported_s = now_s
        ntp = round((datetime.now(UTC).timestamp() + _NTP_TO_UNIX_S) * 2**32)
        pipe.report(
            sender_report(self.ssrc, ntp, self.time_90k, self._sent, self._octets, "camera")
        )

    def _look(self) -> None:
        left_s = self._heard_s + self.camera.habits.session_timeout_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
            return
        self.camera.counts.expired += 1
        self.end()
        self._expired(self)
