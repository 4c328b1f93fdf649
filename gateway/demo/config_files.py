"""Writes the configuration files of a demo centre: broker, gateway, site and console."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config.signing import make_key

GATEWAY = "demo-ttpvhcc-01"
PROVINCE = "24"
SITE = "Trung tâm Phục vụ hành chính công (trình diễn)"
CAMERAS_HOST = "127.20.0.1"
"""Address of the cameras, other than the gateway's as on a real site; 127/8 is all loopback."""
USERNAME = "gateway"
WARM = 4
"""The first cameras are always open; the others, whose pictures cost more, for viewers only."""
OPERATOR = "người trực (trình diễn)"
"""Who watches, as the console's tokens say."""


@dataclass(frozen=True, slots=True)
class CameraFiles:
    """A camera for the site document."""

    id: str
    name: str
    url: str

    @property
    def port(self) -> int:
        """Port of the URL."""
        return int(self.url.split("/")[2].rsplit(":", 1)[1])


class ConfigFiles:
    """Writes the files into *folder*, which must be private."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker_port = free_port()
        self.password_file = folder / "secrets" / "camera" / "all"
        for name in ("secrets", "secrets/camera", "state"):
            (folder / name).mkdir(mode=0o700)
        self.viewing_key, public = make_key(folder / "centre", "view-demo")
        (folder / "trusted").mkdir()
        shutil.copy(public, folder / "trusted")
        self._write(self.password_file, secrets.token_urlsafe(18))

    def write_broker(self) -> Path:
        """Write Mosquitto's configuration."""
        lines = [
            f"listener {self.broker_port} 127.0.0.1",
            "allow_anonymous true",
            "persistence false",
            "log_dest stderr",
            # Started as root it would switch to the user mosquitto, who cannot read this folder.
            *(["user root"] if os.geteuid() == 0 else []),
        ]
        return self._write(self.folder / "mosquitto.conf", "\n".join(lines) + "\n")

    def write_gateway(self, cameras: Sequence[CameraFiles]) -> Path:
        """Write the gateway's settings and its site document."""
        self._write(self.folder / "state" / "site.json", json.dumps(_site(cameras)))
        lines = [
            "[gateway]",
            f'id = "{GATEWAY}"',
            f'province = "{PROVINCE}"',
            "[broker]",
            'host = "127.0.0.1"',
            f"port = {self.broker_port}",
            "[state]",
            f"dir = {json.dumps(str(self.folder / 'state'))}",
            'secrets = "secrets"',
            "[cameras]",
            f'networks = ["{CAMERAS_HOST}/32"]',
            f"ports = {sorted({camera.port for camera in cameras})}",
        ]
        return self._write(self.folder / "gateway.toml", "\n".join(lines) + "\n")

    def write_console(self, address: str, port: int) -> Path:
        """Write the settings of the operators' page."""
        lines = [
            "[listen]",
            f'address = "{address}"',
            f"port = {port}",
            f"open_to_network = {'false' if address == '127.0.0.1' else 'true'}",
            "[viewing]",
            f"key = {json.dumps(str(self.viewing_key))}",
            f'actor = "{OPERATOR}"',
            'purpose = "trình diễn"',
            "[broker]",
            'host = "127.0.0.1"',
            f"port = {self.broker_port}",
        ]
        return self._write(self.folder / "console.toml", "\n".join(lines) + "\n")

    def _write(self, path: Path, text: str) -> Path:
        path.touch(mode=0o600)
        path.write_text(text)
        return path


def free_port() -> int:
    """Return a TCP port of loopback that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def port_or_free(address: str, port: int) -> int:
    """Return *port* if it is free, else 0, with which a server takes a free one."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            return 0
        return port


def _site(cameras: Sequence[CameraFiles]) -> dict[str, object]:
    return {
        "version": 1,
        "name": SITE,
        "cameras": [
            {
                "id": camera.id,
                "name": camera.name,
                "location": "Tầng 1",
                "username": USERNAME,
                "password": {"$ref": "secret:all"},
                "streams": [
                    {
                        "profile": "main",
                        "url": camera.url,
                        "keep": "warm" if number < WARM else "on_demand",
                    }
                ],
            }
            for number, camera in enumerate(cameras)
        ],
    }
