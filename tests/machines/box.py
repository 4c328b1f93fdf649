"""A gateway in a machine: installed as docs/install.md says; a broker and cameras beside it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.machines.facts import Facts
from tests.machines.machine import Machine, MachineLost
from tests.machines.site import BROKER, CAMERA_PORT, CAMERAS, GuestSite

T = TypeVar("T")

UNIT = "camera-gateway"
STATE = "/var/lib/camera-gateway"
HEARD = "/run/machine-test-heard"
"""What the centre has heard: a file in memory, which goes on while the disk takes nothing."""

LOOK_EVERY_S = 2.0

_LIVE = re.compile(r"cameras: (\d+) live")

_PREPARE = f"""
set -e
mkdir -p /mnt/host; mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144 host /mnt/host
cd /mnt/host
install -m 644 broker/mosquitto.conf broker/acl /etc/mosquitto/
install -D -m 644 broker/mosquitto.service.conf \
  /etc/systemd/system/mosquitto.service.d/camera-gateway.conf
install -d -m 750 -g mosquitto /etc/mosquitto/tls
install -m 640 -g mosquitto tls/ca.pem /etc/mosquitto/tls/staff-ca.pem
install -m 640 -g mosquitto tls/crl.pem /etc/mosquitto/tls/staff-crl.pem
install -m 640 -g mosquitto tls/broker.pem tls/broker.key /etc/mosquitto/tls/
install -d -m 700 /etc/machine-test/tls
cp /mnt/host/tls/* /etc/machine-test/tls/
install -d /etc/machine-test/tests/machines
cp -r tests/machines/__init__.py tests/machines/guest /etc/machine-test/tests/machines/
cp -r footage camera-password /etc/machine-test/
cat > /etc/systemd/system/machine-test-centre.service <<'END'
[Unit]
After=mosquitto.service
[Service]
ExecStart=/bin/sh -c 'exec mosquitto_sub -V 5 -q 1 -i console -h {BROKER} -p 8883 \
  --cafile /etc/machine-test/tls/ca.pem --cert /etc/machine-test/tls/console.pem \
  --key /etc/machine-test/tls/console.key -t "cgw/v1/+/+/up/#" -F %%j >> {HEARD}'
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
END
cat > /etc/systemd/system/machine-test-cameras.service <<'END'
[Service]
WorkingDirectory=/etc/machine-test
ExecStart=/opt/machine-test/bin/python -B -m tests.machines.guest.cameras \
  {CAMERA_PORT} /etc/machine-test/camera-password {" ".join(CAMERAS)}
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
"""

_INSTALL = "dpkg -i /mnt/host/camera-gateway.deb"

_SET_UP = f"""
set -e
cd /mnt/host
install -m 644 gateway.toml /etc/camera-gateway/gateway.toml
install -m 644 tls/ca.pem tls/gateway.pem /etc/camera-gateway/tls/
install -m 640 -g camera-gateway tls/gateway.key /etc/camera-gateway/tls/
install -m 644 trusted/*.pem /etc/camera-gateway/trusted/
install -d -m 700 /etc/camera-gateway/secrets/camera
install -m 600 camera-password /etc/camera-gateway/secrets/camera/dvr1@127.0.0.1
install -m 600 -o camera-gateway -g camera-gateway site.json {STATE}/site.json
"""

# The cameras go on, whatever becomes of the release under test: a second name for its files.
_START_SITE = """
set -e
cp -al "$(readlink -f /opt/camera-gateway/current)" /opt/machine-test
sed -i "s#^home = .*#home = /usr/bin#" /opt/machine-test/pyvenv.cfg
systemctl enable --now mosquitto machine-test-centre machine-test-cameras
"""

_START = """
set -e
systemctl enable --now camera-gateway-reboot.path
systemctl enable --now --no-block camera-gateway
"""


@dataclass
class Box:
    """The machine, its site, and what is known of both.

    Attributes:
        machine: Connected.
        site: What it was given.
        facts: Where facts are told.
    """

    machine: Machine
    site: GuestSite
    facts: Facts

    def ask(self, command: str, within_s: float = 120.0) -> str:
        """Return what *command* says in the guest."""
        return self.machine.ask(command, within_s)

    def must(self, command: str, within_s: float = 120.0) -> str:
        """Return what *command* says. Raises ValueError: it has failed."""
        done = self.machine.run(command, within_s)
        if done.status:
            raise ValueError(f"exit {done.status}: {done.output[-1500:]}")
        return done.output

    def show(self, item: str, unit: str = UNIT) -> str:
        """Return *item* of *unit*, as systemd tells it."""
        return self.ask(f"systemctl show -P {item} {unit}")

    def moment_us(self, item: str, unit: str = UNIT) -> int:
        """Return *item*, a moment of *unit* on the guest's monotonic clock, in microseconds."""
        return int(self.show(f"{item}TimestampMonotonic", unit) or 0)

    def until(self, look: Callable[[], T], holds: Callable[[T], object], within_s: float) -> T:
        """Return what *look* gives as soon as it *holds*, or the last of *within_s* seconds."""
        end_s = time.monotonic() + within_s
        while True:
            got = look()
            if holds(got) or time.monotonic() > end_s:
                return got
            time.sleep(LOOK_EVERY_S)

    def prepare(self) -> None:
        """Put the broker, the centre and the cameras there; nothing of the product yet."""
        self.must(_PREPARE, within_s=300)

    def install(self) -> None:
        """Install the package and write the settings, as docs/install.md says."""
        self.must(_INSTALL, within_s=900)
        self.must(_SET_UP)
        self.must(_START_SITE)

    def start(self) -> None:
        """Start the gateway, without waiting for it."""
        self.must(_START)

    def until_active(self, within_s: float = 300.0) -> bool:
        """Return whether systemd has heard READY within *within_s* seconds."""
        state = self.until(lambda: self.show("ActiveState"), "active".__eq__, within_s)
        return state == "active"

    def after_restart(self) -> None:
        """Make the guest see the host's folder again."""
        self.must("mount -t 9p -o trans=virtio,version=9p2000.L,ro host /mnt/host")

    def heard(self, topic: str, since: int = 0) -> list[dict[str, Any]]:
        """Return the payloads under topics that end with *topic*, from byte *since* of `HEARD`."""
        said = self.ask(f"tail -c +{since + 1} {HEARD} | grep -F '{topic}\"' | tail -n 40")
        return [each for line in said.splitlines() if (each := payload_of(line, topic)) is not None]

    def heard_bytes(self) -> int:
        """Return how much has been heard so far."""
        return int(self.ask(f"stat -c %s {HEARD} 2>/dev/null || echo 0"))

    def until_heard(
        self,
        topic: str,
        wanted: Callable[[dict[str, Any]], object],
        within_s: float,
        since: int = 0,
    ) -> dict[str, Any] | None:
        """Return the newest payload under *topic* that is *wanted*; None: none came in time."""

        def look() -> dict[str, Any] | None:
            return next((each for each in reversed(self.heard(topic, since)) if wanted(each)), None)

        return self.until(look, lambda found: found is not None, within_s)

    def live_cameras(self, within_s: float = 180.0) -> int:
        """Return how many cameras are live by ``systemctl status``, as soon as all are."""

        def look() -> int:
            found = _LIVE.search(self.show("StatusText"))
            return int(found[1]) if found else 0

        return self.until(look, len(CAMERAS).__eq__, within_s)

    def restarted(self, act: str, within_s: float = 600.0) -> bool:
        """Do *act*, which restarts the machine; return whether it has, and connect again."""
        before = self.ask("cat /proc/sys/kernel/random/boot_id")
        self.ask(act)

        def look() -> str:
            try:
                self.machine.connect(30)
                return self.ask("cat /proc/sys/kernel/random/boot_id", within_s=20)
            except MachineLost:
                return ""

        after = self.until(look, lambda got: got and got != before, within_s)
        return bool(after) and after != before


def payload_of(line: str, topic: str) -> dict[str, Any] | None:
    """Return the payload in *line*, as mosquitto_sub writes it; None: another topic's."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    if not isinstance(told, dict) or not str(told.get("topic", "")).endswith(topic):
        return None
    payload = told.get("payload")
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return None
    return payload if isinstance(payload, dict) else None
