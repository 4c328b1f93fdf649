"""A wall clock that is wrong at boot, and one that jumps while running (B11, B12)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.demo.virtual_camera import Behaviour
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress, Tls
from tests.fixtures.broker import Authority, Broker, Brokers, tls_lines
from tests.fixtures.child import until_ended
from tests.fixtures.clock import HANG_S
from tests.fixtures.site import OWN, cameras, site, tree
from tests.live.test_alarms import hasty as hasty
from tests.live.test_alarms import until_alarm
from tests.live.test_commands import ask

pytestmark = pytest.mark.live


class WallClock:
    """The wall clock of one process, by libfaketime; monotonic time stays true."""

    def __init__(self, folder: Path) -> None:
        (self._library,) = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        self._file = folder / "clock"

    @property
    def env(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }

    def shows(self, what: str) -> None:
        """Set it, e.g. ``+0`` or ``-1h``, by the machine's own."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(what)
        fresh.replace(self._file)


async def test_a_clock_that_is_years_behind_at_boot(tmp_path: Path, brokers: Brokers) -> None:
    """B11: the cameras run, the reason is told; once the time has come MQTT is up."""
    authority = Authority.create(tmp_path / "ca")
    ticket = authority.issue("broker", hosts=("localhost", "127.0.0.1"))
    broker = await brokers(*tls_lines(ticket))
    tls = Tls(ca_file=authority.ca_file)
    address = BrokerAddress(host="127.0.0.1", port=broker.port, tls=tls)
    clock = WallClock(tmp_path)
    clock.shows("-20y")
    more = f'[broker.tls]\nca = "{authority.ca_file}"\n'
    async with site(
        tmp_path,
        broker,
        cameras(1),
        address=address,
        env=clock.env,
        online=False,
        more=more,
        keep="warm",
    ) as running:
        async with asyncio.timeout(HANG_S):
            while not any("TLS_NOT_YET_VALID" in line for line in running.output):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            while not running.camera(0).counts.sessions:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.05)
        clock.shows("+0")

        message = await running.until(lambda each: each.topic == OWN.presence)

        assert tree(message)["st"] == "online"
        assert running.camera(0).counts.sessions_ever == 1
        assert running.process.returncode is None


async def test_a_clock_that_jumps_is_not_noticed(tmp_path: Path, broker: Broker) -> None:
    """B12: a year on, then an hour back: no session, no viewer, no connection is lost."""
    clock = WallClock(tmp_path)
    clock.shows("+0")
    async with site(tmp_path, broker, cameras(1), env=clock.env, keep="warm") as running:
        await running.until_state(0, "OK")
        viewer = await running.watch(0)
        for jump in ("+365d", "-1h", "+0"):
            clock.shows(jump)
            await viewer.until(len(viewer.packets) + 60)
        running.recorders[0].kill()
        said = await running.until_state(0, "REFUSED")

        assert 0 <= said["since_s"] < 3_600  # the jumps were of a year and an hour
        assert running.camera(0).counts.sessions_ever == 1
        presences = [each for each in running.heard if each.topic == OWN.presence]
        assert len(presences) == 1
        assert running.process.returncode is None


SYNCED = """
#include <sys/timex.h>
int adjtimex(struct timex *t) {
    t->status = STA_PLL; t->offset = 0; t->esterror = t->maxerror = 1000;
    return TIME_OK;
}
"""
"""A kernel that holds the wall clock to be synchronised, whatever this machine's does."""


async def synced_kernel(folder: Path) -> dict[str, str]:
    """Return the environment of a process for which the clock is synchronised."""
    (folder / "synced.c").write_text(SYNCED)
    library = folder / "synced.so"
    compiler = await asyncio.create_subprocess_exec(
        "cc", "-shared", "-fPIC", "-o", str(library), str(folder / "synced.c")
    )
    assert await until_ended(compiler, "the compiler") == 0
    return {"LD_PRELOAD": str(library)}


@pytest.mark.usefixtures("hasty")
async def test_a_recorder_in_its_factorys_time_zone_is_an_alarm(
    tmp_path: Path, broker: Broker
) -> None:
    """An hour ahead, as its reports say, also those that the fast path has passed on."""
    behaviour = Behaviour(join="next_keyframe", report_s=0.2, clock_ahead_s=3600.0)
    env = await synced_kernel(tmp_path)
    async with site(tmp_path, broker, cameras(1, behaviour), env=env, keep="warm") as running:
        alarm = await until_alarm(running, "cam.c00.clock", raised=True)
        await ask(running, "rebirth", {"sections": ["state"]})
        told = [each for each in running.heard if each.topic == OWN.camera_state("c00")]

        assert (alarm.cause, alarm.severity) == (Reason.CAMERA_TIME_ZONE, "minor")
        assert abs(float(alarm.arguments["clk_s"]) - 3600) <= 60
        assert abs(tree(told[-1])["clk_s"] - 3600) <= 60
