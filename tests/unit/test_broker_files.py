"""The files of config/broker fit together: what one asks for, another gives or says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "config" / "broker"
CENTRE = (FOLDER / "mosquitto.conf").read_text(encoding="utf-8")
RELAY = (FOLDER / "relay.conf").read_text(encoding="utf-8")
VIEWERS = (FOLDER / "viewers.conf").read_text(encoding="utf-8")
BROKERS = pytest.mark.parametrize("broker", [CENTRE, VIEWERS], ids=["centre", "viewers"])
SERVICE = (FOLDER / "mosquitto.service.conf").read_text(encoding="utf-8")
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_what_the_broker_opens_below_1024_systemd_lets_it_open() -> None:
    """Mosquitto 2.0 drops root before it opens its ports."""
    ports = [int(port) for port in re.findall(r"^listener (\d+)", CENTRE, re.MULTILINE)]

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
    listeners = (CENTRE + RELAY).split("\nlistener ")[1:]
    most = [re.findall(r"^max_connections (\d+)$", each, re.MULTILINE) for each in listeners]

    assert [len(each) for each in most] == [1, 1, 1]
    assert sum(int(number) for (number,) in most) < int(files)


def test_there_are_files_enough_for_every_viewer() -> None:
    """In the viewers' broker likewise."""
    unit = (FOLDER.parents[1] / "systemd" / "mosquitto-viewers.service").read_text(encoding="utf-8")
    (files,) = re.findall(r"^LimitNOFILE=(\d+)$", unit, re.MULTILINE)
    (most,) = re.findall(r"^max_connections (\d+)$", VIEWERS, re.MULTILINE)

    assert int(most) < int(files)


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
@BROKERS
def test_nothing_of_the_broker_is_unlimited(broker: str, limit: str) -> None:
    """Left out or 0, each of these would be."""
    (number,) = re.findall(rf"^{limit} (\d+)$", broker, re.MULTILINE)

    assert int(number) > 0


@BROKERS
def test_sessions_of_those_who_stay_away_end(broker: str) -> None:
    """What waits for them is not kept for ever."""
    assert re.search(r"^persistent_client_expiration \d+[hd]$", broker, re.MULTILINE)


def test_client_ids_of_the_bridges_are_made_secret() -> None:
    """Whoever knows one can throw out its connection; so README.md puts in what nobody knows."""
    for name, text in (("relay.conf", RELAY), ("viewers.conf", VIEWERS)):
        ids = re.findall(r"^(?:local|remote)_clientid (\S+)$", text, re.MULTILINE)
        assert len(set(ids)) == 2
        assert all(each.endswith("-CHANGE-ME") for each in ids)
        assert f's/CHANGE-ME/$(openssl rand -hex 16)/" config/broker/{name} |' in README


def test_the_readme_installs_every_file_that_the_brokers_read() -> None:
    """Certificates, keys, revocation lists and access lists, where the configurations have them."""
    text = CENTRE + RELAY + VIEWERS
    read = set(re.findall(r"^\w+file (/etc/mosquitto\S*/\S+)$", text, re.MULTILINE))
    installed = set(re.findall(r"/etc/mosquitto(?:-viewers)?/tls/[\w.-]+", README))
    installed |= {
        f"{folder.rstrip('/')}/{name}"
        for line in README.splitlines()
        if "install " in line
        for name in re.findall(r"config/broker/(acl(?:\.\w+)?)", line)
        for folder in re.findall(r"/etc/mosquitto(?:-viewers)?(?=/)", line)
    }

    assert len(read) == 16
    assert read <= installed
