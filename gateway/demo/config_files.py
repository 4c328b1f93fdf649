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


CONTACTS = {
    "contacts": [
        {
            "name": "Nguyễn Văn An (trình diễn)",
            "unit": "Trung tâm Phục vụ hành chính công",
            "position": "Chuyên viên",
            "phone": "0222 000 0001",
            "note": "đầu mối về kỹ thuật, kết nối",
            "role": "technical",
        },
        {
            "name": "Trần Thị Bình (trình diễn)",
            "unit": "Văn phòng UBND tỉnh",
            "position": "Trưởng phòng",
            "phone": "0222 000 0002",
            "note": "đầu mối về tổng hợp dữ liệu, IOC",
            "role": "ioc",
        },
    ]
}
"""The demo's contact persons, who do not exist."""


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
        for name in ("secrets", "secrets/camera", "state", "run"):
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
        self._write(self.folder / "state" / "site.json", json.dumps(site_document(cameras)))
        self._write(self.folder / "state" / "contacts.json", json.dumps(CONTACTS))
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


def site_document(cameras: Sequence[CameraFiles]) -> dict[str, object]:
    """Return the demo's site document: *cameras*, and what people have declared of the site."""
    return {
        "inventory": _survey(cameras),
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


def _survey(cameras: Sequence[CameraFiles]) -> dict[str, object]:
    """Return a survey as a technician fills it in: four cameras more than are connected."""
    models = ("KX-Y2001N3", "DS-2CD1021-I")
    return {
        "surveyed": "2026-11-02",
        "centre": {
            "code": "24-ttpvhcc",
            "former_province": "27",
            "name": SITE,
            "address": "Số 11A Lý Thái Tổ, phường Kinh Bắc, tỉnh Bắc Ninh",
        },
        "vms_kind": "NVR",
        "central_managed": False,
        "reach_from_office": {"ok": True, "net": "mạng Văn phòng UBND (mạng CPNet)"},
        "exposed": {"declared": False, "protocols": ["RTSP"]},
        "line": {"type": "lan", "down_mbps": 100.0, "up_mbps": 100.0},
        "uplink": {"type": "leased", "isp": "VNPT", "down_mbps": 100.0, "up_mbps": 40.0},
        "camera_ip_range": [f"{CAMERAS_HOST.rpartition('.')[0]}.0/24"],
        "camera_count": {"declared": 12, "ip": 12},
        "recorders": [
            {
                "id": "nvr-1",
                "kind": "NVR",
                "name": "Đầu ghi tầng 1",
                "manufacturer": "KBVision",
                "model": "KX-C4K8216N2",
                "channels": 16,
            }
        ],
        "cameras": [
            {
                "id": camera.id,
                "type": "IP",
                "manufacturer": ("KBVision", "Hikvision")[number % 2],
                "model": models[number % 2],
                "nvr": "nvr-1",
                "channel": number + 1,
            }
            for number, camera in enumerate(cameras)
        ],
        "nodes": [
            {"id": "sw-1", "kind": "switch", "name": "Switch PoE tầng 1", "model": "DS-3E0318P-E"},
            {
                "id": "fw-1",
                "kind": "firewall",
                "manufacturer": "Fortinet",
                "model": "FortiGate 60F",
            },
            {"id": "modem-1", "kind": "modem", "name": "Modem quang VNPT"},
        ],
        "links": [
            *([camera.id, "nvr-1"] for camera in cameras),
            ["nvr-1", "sw-1"],
            ["gateway", "sw-1"],
            ["sw-1", "fw-1"],
            ["fw-1", "modem-1"],
            ["modem-1", "wan"],
        ],
        "ioc": [
            {
                "name": "Hệ thống giám sát điều hành thông minh",
                "functions": "Tổng hợp số liệu, theo dõi chỉ tiêu, xem camera công cộng",
                "data_managed": "Hồ sơ thủ tục hành chính, phản ánh của người dân",
            }
        ],
    }
