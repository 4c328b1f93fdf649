"""The files of config/broker fit together: what one asks for, another gives or says."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "config" / "broker"
BROKER = (FOLDER / "mosquitto.conf").read_text(encoding="utf-8")
SERVICE = (FOLDER / "mosquitto.service.conf").read_text(encoding="utf-8")
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_what_the_broker_opens_below_1024_systemd_lets_it_open() -> None:
    """Mosquitto 2.0 drops root before it opens its ports."""
    ports = [int(port) for port in re.findall(r"^listener (\d+)$", BROKER, re.MULTILINE)]

    assert min(ports) < 1024
    assert "\nUser=mosquitto\n" in SERVICE
    assert "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n" in SERVICE


def test_there_are_files_enough_for_every_connection() -> None:
    """Mosquitto keeps systemd's limit, 1024 unless it is told otherwise."""
    (limit,) = re.findall(r"^LimitNOFILE=(\d+)$", SERVICE, re.MULTILINE)

    assert int(limit) > 6000


def test_the_readme_installs_every_file_that_the_broker_reads() -> None:
    """Certificates, keys, revocation lists and access lists, where the configuration has them."""
    read = set(re.findall(r"^\w+file (/etc/mosquitto/\S+)$", BROKER, re.MULTILINE))
    read |= set(re.findall(r"^acl_file (/etc/mosquitto/\S+)$", BROKER, re.MULTILINE))
    installed = set(re.findall(r"/etc/mosquitto/tls/[\w.-]+", README))
    installed |= {
        f"/etc/mosquitto/{name}" for name in re.findall(r"config/broker/(acl\S*)", README)
    }

    assert len(read) == 8
    assert read <= installed
