"""One RTSP session of a virtual camera: numbers, time-stamps and sends the pictures."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.demo.encoder import CodedPicture
from gateway.demo.faults import InterleavedGarbage, Jump, Loss
from gateway.demo.rtp_output import RtpOutput
from gateway.demo.rtsp_messages import payload_type
from gateway.demo.video_loop import MarkedPayloads, VideoLoop
from gateway.demo.virtual_camera import VirtualCamera
from gateway.model.media import VIDEO_CLOCK_HZ
from gateway.rtp.packet import build_header
from gateway.rtp.rtcp import NTP_EPOCH_S, sender_report


class Session:
    """An RTSP session, from the first SETUP to TEARDOWN, timeout or loss of its connection.

    Args:
        expired: Called when the viewer has sent nothing for `Behaviour.session_timeout_s`.
    """

    def __init__(
        self, camera: VirtualCamera, video_loop: VideoLoop, expired: Callable[[Session], None]
    ) -> None:
        self.camera = camera
        self.id = secrets.token_hex(5)
        self.output: RtpOutput | None = None
        self.ssrc = secrets.randbits(32)
        self.seq = camera.behaviour.first_sequence
        self.time_90k = camera.behaviour.first_time_90k
        self.playing = False
        self.open = True
        self._video_loop = video_loop
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._reported_s = self._loop.time()
        self._timer = self._loop.call_later(camera.behaviour.session_timeout_s, self._check_timeout)
        self._offset_90k: int | None = None
        self._pictures = self._octets = self._sent = 0
        self._jump: Jump | None = None
        self._jumped = 0
        counts = camera.counts
        counts.sessions += 1
        counts.sessions_ever += 1
        counts.sessions_peak = max(counts.sessions_peak, counts.sessions)

    def touch(self) -> None:
        """Restart the session timeout: the viewer has sent something."""
        self._heard_s = self._loop.time()

    def play(self) -> None:
        """Start sending."""
        if self.output is not None and not self.playing:
            self.playing = True
            self._video_loop.subscribe(self)

    def stop_sending(self) -> None:
        """Stop sending; the session still counts."""
        self._video_loop.unsubscribe(self)
        if self.output is not None:
            self.output.close()
            self.output = None

    def close(self) -> None:
        """End the session; may be called again."""
        self.stop_sending()
        self._timer.cancel()
        if self.open:
            self.open = False
            self.camera.counts.sessions -= 1

    def close_after(self, held_s: float) -> None:
        """Stop sending and end the session after *held_s*: its connection was lost."""
        self.stop_sending()
        self._timer.cancel()
        self._timer = self._loop.call_later(held_s, self.close)

    def send_picture(self, coded: CodedPicture, payloads: MarkedPayloads, time_90k: int) -> None:
        """Send one picture, changed by the camera's faults."""
        camera, output = self.camera, self.output
        if output is None or camera.silent:
            return
        if self._offset_90k is None:
            if not coded.keyframe and camera.behaviour.join != "middle":
                return
            self._offset_90k = camera.behaviour.first_time_90k - time_90k
        self.time_90k = time_90k + self._offset_90k
        self._pictures += 1
        garbage = camera.active_fault(InterleavedGarbage)
        if garbage and self._pictures % garbage.every == 0:
            output.send_garbage(garbage.size_bytes)
        packets = self._packets(payloads, self._apply_jump(self.time_90k))
        if output.send_rtp(packets):
            camera.counts.packets += len(packets)
        else:
            camera.counts.unsent += 1
        self._report(output)

    def _packets(self, payloads: MarkedPayloads, time_90k: int) -> list[bytes]:
        loss = self.camera.active_fault(Loss)
        kind = payload_type(self.camera.footage.settings.codec)
        packets = []
        for payload, marker in payloads:
            if not (loss and self.seq % loss.every == 0):
                packets.append(build_header(kind, marker, self.seq, time_90k, self.ssrc) + payload)
            self.seq = (self.seq + 1) & 0xFFFF
            self._sent += 1
            self._octets += len(payload)
        return packets

    def _apply_jump(self, time_90k: int) -> int:
        jump = self.camera.active_fault(Jump)
        if jump is not self._jump:
            self._jump, self._jumped = jump, 0
        if jump is None or 0 < jump.pictures <= self._jumped:
            return time_90k
        self._jumped += 1
        return time_90k + round(jump.by_s * VIDEO_CLOCK_HZ)

    def _report(self, output: RtpOutput) -> None:
        now_s = self._loop.time()
        if self._sent and now_s - self._reported_s < self.camera.behaviour.report_s:
            return
        self._reported_s = now_s
        told_s = datetime.now(UTC).timestamp() + self.camera.behaviour.clock_ahead_s
        ntp = round((told_s + NTP_EPOCH_S) * 2**32)
        output.send_rtcp(
            sender_report(self.ssrc, ntp, self.time_90k, self._sent, self._octets, "camera")
        )

    def _check_timeout(self) -> None:
        left_s = self._heard_s + self.camera.behaviour.session_timeout_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._check_timeout)
            return
        self.camera.counts.expired += 1
        self.close()
        self._expired(self)
