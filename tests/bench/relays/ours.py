"""The gateway as it is installed: real settings, a real Mosquitto."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from gateway.demo.config_files import free_port
from tests.bench.relays import Running
from tests.bench.signalling import GATEWAY, PROVINCE
from tests.bench.testbed import HERE, Testbed, await_port, python

MOSQUITTO = "/usr/sbin/mosquitto"


UNIT = HERE.parents[1] / "systemd" / "camera-gateway.service"


def environment_of(unit: Path) -> dict[str, str]:
    """Return the environment that systemd's *unit* gives the gateway."""
    lines = unit.read_text().splitlines()
    words = [line.partition("=")[2] for line in lines if line.startswith("Environment=")]
    return dict(word.split("=", 1) for word in words)


class CameraGateway:
    """Ours.

    Args:
        subs: URLs of the cameras' sub-streams; none, or one for each camera.
        options: Of each stream, beside its URL, as the site document has them.
    """

    name = "camera-gateway"
    joins = True
    log_level = "warning"

    def __init__(
        self, subs: Sequence[str] = (), options: Mapping[str, str | float] | None = None
    ) -> None:
        self._subs = subs
        self._options = dict(options or {})

    def absent(self) -> str | None:
        """It is always here."""
        return None

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:
        """Start broker and gateway; only the gateway is measured."""
        broker = free_port()
        config = testbed.folder / "mosquitto.conf"
        config.write_text(f"listener {broker} 127.0.0.1\nallow_anonymous true\n")
        testbed.start([MOSQUITTO, "-c", str(config)], quiet=True)
        await_port(broker)
        both = [cameras, self._subs] if self._subs else [cameras]
        listed = [
            {
                "id": f"c{number:03d}",
                "name": f"Camera {number}",
                "streams": [
                    {"profile": profile, "url": url, "transport": "tcp", **self._options}
                    for profile, url in zip(("main", "sub"), urls, strict=False)
                ],
            }
            for number, urls in enumerate(zip(*both, strict=True))
        ]
        limits = {"viewers": max(1000, viewers), "viewers_per_camera": max(1000, viewers)}
        document = {"version": 1, "cameras": listed, "limits": limits}
        (testbed.folder / "site.json").write_text(json.dumps(document))
        settings = testbed.folder / "gateway.toml"
        ports = sorted({urlsplit(url).port or 554 for url in (*cameras, *self._subs)})
        settings.write_text(
            f'[gateway]\nid = "{GATEWAY}"\nprovince = "{PROVINCE}"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {broker}\n'
            f'[state]\ndir = "{testbed.folder}"\n'
            f'[cameras]\nnetworks = ["127.0.0.0/8"]\nports = {ports}\n'
            "[webrtc]\nrequire_token = false\n"
            "[picture_checks]\nenabled = false\n"
            f'[log]\nlevel = "{self.log_level}"\nformat = "console"\n'
        )
        command = python("gateway", "run", "--settings", settings)
        process = testbed.start(command, environment=environment_of(UNIT))
        return Running(process.pid, f"mqtt:{broker}")
