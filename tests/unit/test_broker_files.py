"""The files of config/broker fit together: what one asks for, another gives or says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_every_listener_bounds_its_connections_within_the_files() -> None:
    """A flood at one leaves the others their connections."""
    (files,) = re.findall(r"^LimitNOFILE=(\d+)$", SERVICE, re.MULTILINE)
    listeners = BROKER.split("\nlistener ")[1:]
    most = [re.findall(r"^max_connections (\d+)$", each, re.MULTILINE) for each in listeners]

    assert [len(each) for each in most] == [1, 1, 1]
    assert sum(int(number) for (number,) in most) < int(files)


@pytest.mark.parametrize(
    "limit",
    [
        "max_packet_size",
        "memory_limit",
        "max_inflight_messages",
        "max_inflight_bytes",
        "max_queued_messages",
        "max_queued_bytes",
        "max_keepalive",
    ],
)
def test_nothing_of_the_broker_is_unlimited(limit: str) -> None:
    """Left out or 0, each of these would be."""
    (number,) = re.findall(rf"^{limit} (\d+)$", BROKER, re.MULTILINE)

    assert int(number) > 0


def test_sessions_of_those_who_stay_away_end() -> None:
    """What waits for them is not kept for ever."""
    assert re.search(r"^persistent_client_expiration \d+d$", BROKER, re.MULTILINE)


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
