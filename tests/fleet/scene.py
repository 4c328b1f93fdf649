"""The invented site of a simulated gateway, and its cameras with their measurements."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from gateway.model.health import CameraSnapshot
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.model.site_document import SiteConfig

NETWORK = "10.24.8.0/24"
SDP = "v=0\r\n" + "a=candidate:1 1 udp 2130706431 10.24.8.7 50000 typ host\r\n" * 60
"""As long as an answer is: 3.4 kB."""

STREAMS = 5.0
"""Of ten cameras so many are being watched or warm."""

FRAME_BYTES = 10_240


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen at one gateway.

    Attributes:
        health_s: Interval of health reports.
        changes_per_hour: Cameras that fail or recover; each makes an alarm and an event.
        events_per_hour: Other events.
        spread_s: Time over which the gateways start.
    """

    health_s: float = 60.0
    changes_per_hour: float = 5.3
    events_per_hour: float = 5.0
    spread_s: float = 60.0


def site_tree(gateway: str, cameras: int, note: str = "") -> dict[str, object]:
    """Return the site document of *gateway*: one recorder, *cameras* on it; *note* is a change."""
    return {
        "name": f"Trung tâm {gateway}",
        "cameras": [
            {
                "id": f"c{number:02d}",
                "name": f"Quầy {number}{note if number == 1 else ''}",
                "location": "Sảnh A, tầng 1",
                "device": "nvr1",
                "streams": [
                    {"url": f"rtsp://10.24.8.10/Streaming/Channels/{number}01"},
                    {
                        "profile": "sub",
                        "url": f"rtsp://10.24.8.10/Streaming/Channels/{number}02",
                    },
                ],
            }
            for number in range(1, cameras + 1)
        ],
    }


class SimulatedSite:
    """The cameras of one simulated gateway.

    Args:
        site: Which there are.
        chance: Decides what happens.
        now_s: Monotonic clock at the beginning.
    """

    def __init__(self, site: SiteConfig, chance: random.Random, now_s: float) -> None:
        self._chance = chance
        self._begun_s = now_s
        self._cameras: dict[str, CameraSnapshot] = {}
        self.show(site)

    def show(self, site: SiteConfig) -> None:
        """Change to *site*; cameras that stay keep their state."""
        self._cameras = {
            each.id: replace(
                self._cameras.get(each.id, _camera(each.id, self._begun_s)),
                name=each.name,
                location=each.location,
            )
            for each in site.cameras
        }

    def random_camera(self) -> str:
        """Return the id of a random camera."""
        return self._chance.choice(tuple(self._cameras))

    def toggle(self, name: str, now_s: float) -> bool:
        """Let camera *name* fail or recover; return whether it is down now."""
        camera = self._cameras[name]
        gone = camera.reason is not Reason.TIMEOUT
        reason = Reason.TIMEOUT if gone else Reason.OK
        self._cameras[camera.id] = replace(camera, reason=reason, since_s=now_s)
        return gone

    def working(self) -> frozenset[str]:
        """Return the ids of the cameras that are not down."""
        return frozenset(
            name for name, each in self._cameras.items() if each.reason is not Reason.TIMEOUT
        )

    def snapshots(self, now_s: float) -> tuple[CameraSnapshot, ...]:
        """Return the cameras as if they had sent frames since the start."""
        units = round((now_s - self._begun_s) * 25)
        return tuple(
            replace(
                camera,
                counters=SourceCounters(units=units, received_bytes=units * FRAME_BYTES),
                last_unit_s=now_s - 0.04,
            )
            if camera.reason is Reason.OK
            else camera
            for camera in self._cameras.values()
        )


def _camera(name: str, now_s: float) -> CameraSnapshot:
    streaming = int(name[1:]) % 10 < STREAMS
    return CameraSnapshot(
        id=name,
        name="",
        enabled=True,
        reason=Reason.OK if streaming else Reason.IDLE,
        since_s=now_s,
        profiles=("main", "sub"),
        viewers=int(streaming),
        codec="h264",
        width=1920,
        height=1080,
        gop_s=2.0,
    )
