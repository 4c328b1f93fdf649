"""The relays that are measured side by side: ours and those of others.

None of the others is part of this repository; a relay that is not installed is left out and logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.bench.testbed import Testbed


@dataclass(frozen=True, slots=True)
class Running:
    """A relay that takes viewers.

    Attributes:
        pid: Its process; children count as well.
        dialect: How viewers agree with it (`tests.bench.signalling`).
    """

    pid: int
    dialect: str


class Relay(Protocol):
    """Something that pulls RTSP and serves WebRTC."""

    name: str
    joins: bool
    """Whether viewers come and go; False for a relay that pushes to whom it was told."""

    def absent(self) -> str | None:
        """Return why it cannot be measured here and how to get it; None if it can."""

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:
        """Start it on *testbed* with the cameras of these URLs, for that many viewers.

        Raises:
            tests.bench.testbed.NotStarted: It does not come up.
        """


def known(source: str = "tcp") -> dict[str, Relay]:
    """Return all relays by name, ours first, which pulls cameras over *source*."""
    from tests.bench.relays import aiortc, ffmpeg, go2rtc, janus, mediamtx, ours

    relays: tuple[Relay, ...] = (
        ours.CameraGateway(options={"transport": source}),
        janus.Janus(),
        ffmpeg.FfmpegWhip(),
        aiortc.Aiortc(),
        go2rtc.Go2rtc(),
        mediamtx.MediaMtx(),
    )
    return {relay.name: relay for relay in relays}
