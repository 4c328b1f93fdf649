"""What is measured of the machine, and that what cannot be measured is None."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.health.clock_status import KernelClock, Timex, parse_timex
from gateway.health.disk import EVERY_S, TrialWrite
from gateway.health.host import Host, HostSampler, machine
from gateway.health.raspberry_pi import UNDERVOLTAGE
from gateway.model.health import HostSample, Machine
from gateway.runtime.bugs import BugCounts
from tests.fixtures.clock import HANG_S, FakeClock


def test_this_machine_is_measured(tmp_path: Path) -> None:
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


def test_the_kernels_own_driver_tells_of_too_little_voltage(tmp_path: Path) -> None:
    """On kernels without the firmware's file; it knows of no other bit."""
    sensor = tmp_path / "sys/class/hwmon/hwmon2"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("rpi_volt\n")
    (sensor / "in0_lcrit_alarm").write_text("1\n")

    assert Host(tmp_path, root=tmp_path).sample(10.0).throttled == UNDERVOLTAGE


@pytest.mark.parametrize(
    ("answer", "bits"), [("throttled=0x50005", 0x50005), ("error=1", None), ("throttled=?", None)]
)
def test_the_firmware_is_asked_where_there_is_no_file(
    tmp_path: Path, answer: str, bits: int | None
) -> None:
    """By its own program; an answer that is none is unknown."""
    program = tmp_path / "usr/bin/vcgencmd"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)

    assert Host(tmp_path, root=tmp_path).sample(10.0).throttled == bits


def test_what_this_process_holds_is_counted(tmp_path: Path) -> None:
    """Its descriptors and what it has written."""
    sample = Host(tmp_path).sample(10.0)

    assert sample.descriptors is not None
    assert sample.descriptors_limit is not None
    assert 3 <= sample.descriptors <= sample.descriptors_limit
    assert sample.written_mib is not None


def test_a_trial_write_leaves_nothing_behind(tmp_path: Path) -> None:
    """It succeeds, and the folder is as it was."""
    assert TrialWrite(tmp_path).check(0.0) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_takes_nothing_is_named_and_tried_again_at_once(tmp_path: Path) -> None:
    """A write that cannot be done has its errno's name; when it can be, it is well again."""
    obstacle = tmp_path / ".trial"
    obstacle.mkdir()
    trial = TrialWrite(tmp_path)

    broken = trial.check(0.0)
    obstacle.rmdir()
    mended = trial.check(1.0)

    assert (broken, mended) == ("EISDIR", "")


def test_a_full_card_is_named(tmp_path: Path) -> None:
    """By the kernel's own device that is always full; room again is seen at once."""
    (tmp_path / ".trial").symlink_to("/dev/full")
    trial = TrialWrite(tmp_path)

    assert [trial.check(0.0), trial.check(1.0)] == ["ENOSPC", ""]


def test_a_well_card_is_tried_every_ten_minutes_only(tmp_path: Path) -> None:
    """Looking after the card must not wear it."""
    trial = TrialWrite(tmp_path)
    trial.check(0.0)
    (tmp_path / ".trial").mkdir()

    assert [trial.check(EVERY_S - 1), trial.check(EVERY_S)] == ["", "EISDIR"]


def test_a_card_that_is_suspected_is_tried_at_once(tmp_path: Path) -> None:
    """Hardly any room is left: whether it is full is not found out ten minutes later."""
    trial = TrialWrite(tmp_path)
    trial.check(0.0)
    (tmp_path / ".trial").symlink_to("/dev/full")

    assert trial.check(1.0, suspected=True) == "ENOSPC"


@pytest.mark.parametrize(
    ("state", "status", "clock"),
    [
        (0, 0x0001, KernelClock("ntp", synced=True, offset_ms=12.0, error_ms=3)),
        (0, 0x2001, KernelClock("ntp", synced=True, offset_ms=0.012, error_ms=3)),
        (0, 0x0007, KernelClock("pps", synced=True, offset_ms=12.0, error_ms=3)),
        (5, 0x0001, KernelClock("free", synced=False, error_ms=3)),
        (0, 0x0040, KernelClock("free", synced=False, error_ms=3)),
    ],
)
def test_adjtimex_is_parsed(state: int, status: int, clock: KernelClock) -> None:
    """Micro- or nanoseconds by its status; nobody's clock has no offset."""
    timex = Timex(offset=12_000, esterror=3_500, status=status)

    assert parse_timex(state, timex) == clock


def test_rates_need_two_samples(tmp_path: Path) -> None:
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


async def test_a_bug_ends_one_sample_and_not_the_sampler(contained_bugs: BugCounts) -> None:
    """The sample before stays until the next one; the bug is counted."""
    taken: list[HostSample | Exception] = [
        HostSample(rss_mib=1.0),
        RuntimeError("a bug in a measurement"),
        HostSample(rss_mib=3.0),
    ]
    shown: asyncio.Queue[float | None] = asyncio.Queue(10)

    def take(_now_s: float) -> HostSample:
        following = taken.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    class Clock(FakeClock):
        async def sleep(self, delay_s: float) -> None:  # noqa: ARG002
            await shown.put(sampler.sample.rss_mib)
            if not taken:
                await asyncio.Event().wait()

    sampler = HostSampler(take, clock=Clock())
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        running = group.create_task(sampler.run())
        sizes = [await shown.get() for _ in range(3)]
        running.cancel()

    assert sizes == [1.0, 1.0, 3.0]
    assert contained_bugs.counts == {"report": 1}
