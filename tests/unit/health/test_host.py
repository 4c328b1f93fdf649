"""What a look at the machine finds, and that it finds nothing where there is nothing."""

from __future__ import annotations

from pathlib import Path

from gateway.health.host import Host, machine
from gateway.model.health import Machine


def test_this_machine_can_be_looked_at(tmp_path: Path) -> None:
    """The values that every Linux machine has are there and plausible."""
    sample = Host(tmp_path).sample(10.0)

    assert sample.uptime_s is not None
    assert sample.uptime_s > 0
    assert sample.memory_percent is not None
    assert 0 < sample.memory_percent < 100
    assert sample.rss_mib is not None
    assert 5 < sample.rss_mib < 5000
    assert sample.disk_read_only is False
    assert sample.load is not None


def test_what_is_missing_is_unknown(tmp_path: Path) -> None:
    """No /proc and no state folder: nothing raises."""
    sample = Host(tmp_path / "missing", root=tmp_path).sample(10.0)

    assert (sample.uptime_s, sample.disk_percent, sample.disk_read_only) == (None, None, None)
    assert (sample.interface, sample.throttled) == (None, None)


def test_throttling_bits_are_read_as_hexadecimal(tmp_path: Path) -> None:
    """As the Raspberry Pi's firmware writes them: under-voltage has occurred."""
    bits = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    bits.parent.mkdir(parents=True)
    bits.write_text("50005\n")

    assert Host(tmp_path, root=tmp_path).sample(10.0).throttled == 0x50005


def test_rates_need_two_looks(tmp_path: Path) -> None:
    """The first has nothing to compare with."""
    routes = tmp_path / "proc/net/route"
    routes.parent.mkdir(parents=True)
    routes.write_text("Iface\tDestination\tGateway\nlo\t00000000\t0100007F\n")
    host = Host(tmp_path, root=tmp_path)

    first, second = host.sample(10.0), host.sample(20.0)

    assert (first.interface, first.sent_kbps) == ("lo", None)
    assert second.sent_kbps is not None
    assert second.sent_kbps >= 0


def test_garbage_is_unknown(tmp_path: Path) -> None:
    """Files that say something else than expected are as good as missing."""
    for name in ("proc/uptime", "proc/net/route"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\n\xff\n")

    sample = Host(tmp_path, root=tmp_path).sample(10.0)

    assert (sample.uptime_s, sample.interface) == (None, None)


def test_a_board_is_named_by_its_device_tree(tmp_path: Path) -> None:
    """And known again by its serial number, which itself is not told."""
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    (tree / "serial-number").write_bytes(b"10000000abcdef01\0")

    found = machine("1.4.2", root=tmp_path)

    assert (found.version, found.model) == ("1.4.2", "Raspberry Pi 5 Model B Rev 1.0")
    assert len(found.hardware) == 12
    assert "abcdef01" not in found.hardware


def test_an_unknown_board_is_empty(tmp_path: Path) -> None:
    """Empty, not invented."""
    found = machine("1", root=tmp_path)

    assert found == Machine("1", os=found.os, arch=found.arch)
