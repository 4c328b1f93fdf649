"""What the guest is given: certificates, settings, cameras, keys; and what the centre says to it.

All of it is written into one folder, which the guest sees read-only under ``/mnt/host``. The broker
runs the project's own configuration (config/broker), with certificates and access rules.
"""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulid import ULID

from gateway.config.signing import SigningKey, load_key, make_key, sign
from gateway.demo.encoder import CodedPicture, EncoderSettings, record
from gateway.model.media import Codec
from gateway.mqtt.topics import Topics
from tests.fixtures.access import revoke
from tests.fixtures.broker import Authority

TOP = Path(__file__).resolve().parents[2]
_NOT_FOR_THE_GUEST = shutil.ignore_patterns("__pycache__", "node_modules")

OWN = Topics("24", "bacninh-ttpvhcc-01")
BROKER = "mqtt.test"
CAMERA_PORT = 8554
CAMERAS = ("quay1", "quay2")
PASSWORD = "Mật-khẩu-camera-7391"
WIDTH, HEIGHT, FPS = 320, 192, 5
"""Small and slow: the emulated processor has to decode it."""

CODECS: tuple[Codec, ...] = ("h264", "h265", "mjpeg")

SETTINGS = f"""\
[gateway]
id = "{OWN.gateway}"
province = "{OWN.province}"

[broker]
host = "{BROKER}"
port = 8883

[broker.tls]
ca = "tls/ca.pem"
cert = "tls/gateway.pem"
key = "tls/gateway.key"

[cameras]
networks = ["127.0.0.1/32"]

[commands]
allowed = ["rebirth", "reboot", "snapshot"]
reboot = ["touch", "/run/camera-gateway/reboot"]

[alarms]
check_s = 2.0
raise_checks = 1
raise_s = 0.0
clear_s = 5.0

[picture_checks]
every_s = 10.0
"""


@dataclass(frozen=True, slots=True)
class GuestSite:
    """The site in the guest, as the host knows it.

    Attributes:
        share: The folder that the guest sees.
        command_key: Signs commands; the gateway trusts it.
        config_key: Signs configurations; likewise.
    """

    share: Path
    command_key: SigningKey
    config_key: SigningKey

    @classmethod
    def create(cls, share: Path, private: Path) -> GuestSite:
        """Write everything into *share*; what only the centre has into *private*."""
        share.mkdir(parents=True, exist_ok=True)
        _write_certificates(share / "tls", private)
        _write_settings(share)
        for codec in CODECS:
            _write_footage(share / "footage" / f"{codec}.json", codec)
        shutil.copytree(TOP / "tests", share / "tests", ignore=_NOT_FOR_THE_GUEST)
        keys = {}
        for key_id in ("cmd-machine", "cfg-machine"):
            secret, public = make_key(private / "keys", key_id)
            (share / "trusted").mkdir(exist_ok=True)
            shutil.copy(public, share / "trusted")
            keys[key_id] = load_key(secret)
        return cls(share, keys["cmd-machine"], keys["cfg-machine"])

    def command(self, name: str, args: dict[str, Any], *, ttl_s: int) -> tuple[str, str]:
        """Return a signed command's id, and the guest's command line that publishes it."""
        asked: dict[str, Any] = {
            "id": str(ULID()),
            "name": name,
            "args": args,
            "gw": OWN.gateway,
            "actor": "op-17",
            "ttl_s": ttl_s,
        }
        return asked["id"], self._publish(
            OWN.command(name),
            json.dumps(sign(asked, self.command_key)).encode(),
            f"-D publish message-expiry-interval {ttl_s}"
            f" -D publish response-topic {OWN.replies}op-17/machine"
            " -D publish correlation-data 1",
        )

    def configuration(self, document: dict[str, Any]) -> str:
        """Return the guest's command line that publishes *document* as the wanted configuration."""
        payload = json.dumps(sign(document, self.config_key)).encode()
        return self._publish(OWN.config_desired, payload, "-r")

    def _publish(self, topic: str, payload: bytes, options: str) -> str:
        folder = self.share / "messages"
        folder.mkdir(exist_ok=True)
        name = f"{len(list(folder.iterdir()))}.json"
        (folder / name).write_bytes(payload)
        return (
            f"mosquitto_pub -V 5 -q 1 -i console-pub -h {BROKER} -p 8883"
            " --cafile /etc/machine-test/tls/ca.pem --cert /etc/machine-test/tls/console.pem"
            f" --key /etc/machine-test/tls/console.key -t {topic} {options}"
            f" -f /mnt/host/messages/{name}"
        )


def site_document() -> dict[str, Any]:
    """Return the site's document: two cameras of one recorder, always open."""
    cameras = [
        {
            "id": camera,
            "name": f"Quầy {number}",
            "device": "dvr-1",
            "username": "gateway",
            "password": {"$ref": "secret:dvr1"},
            "streams": [
                {
                    "profile": "main",
                    "url": f"rtsp://127.0.0.1:{CAMERA_PORT}/{camera}",
                    "transport": "tcp",
                    "keep": "warm",
                    "stall_s": 20.0,
                }
            ],
        }
        for number, camera in enumerate(CAMERAS, start=1)
    ]
    return {"version": 1, "name": "Trung tâm Phục vụ hành chính công", "cameras": cameras}


def _write_settings(share: Path) -> None:
    (share / "gateway.toml").write_text(SETTINGS)
    (share / "site.json").write_text(json.dumps(site_document(), ensure_ascii=False))
    (share / "camera-password").write_text(PASSWORD)
    shutil.copytree(TOP / "config" / "broker", share / "broker")


def _write_certificates(folder: Path, private: Path) -> None:
    """Write what config/broker/README.md has an authority make."""
    folder.mkdir()
    staff = Authority.create(private / "authority")
    shutil.copy(staff.ca_file, folder / "ca.pem")
    hosts = {"broker": (BROKER,)}
    for stem, name in (
        ("broker", "broker"),
        ("relay", "relay"),
        ("console", "console"),
        ("gateway", f"{OWN.province}/{OWN.gateway}"),
    ):
        ticket = staff.issue(name, hosts=hosts.get(name, ()), days=(-1, 300))
        assert ticket.cert_file is not None
        assert ticket.key_file is not None
        shutil.copy(ticket.cert_file, folder / f"{stem}.pem")
        shutil.copy(ticket.key_file, folder / f"{stem}.key")
    revoke(staff, folder / "crl.pem")


def _write_footage(path: Path, codec: Codec) -> None:
    """Write two seconds of a camera, encoded here: the guest would take minutes."""
    settings = EncoderSettings(codec, WIDTH, HEIGHT, fps=FPS, gop_s=1.0, bitrate_bps=200_000)
    pictures = record(f"machine {codec}", settings, seconds=2.0).pictures
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps(
            {
                "codec": codec,
                "width": WIDTH,
                "height": HEIGHT,
                "fps": FPS,
                "pictures": [_as_tree(each) for each in pictures],
            }
        )
    )


def _as_tree(picture: CodedPicture) -> dict[str, Any]:
    units = [base64.b64encode(unit).decode() for unit in picture.nal_units]
    return {"nal_units": units, "keyframe": picture.keyframe}
