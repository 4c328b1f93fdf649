"""The gateway as a process that may open few files, or none more."""

from __future__ import annotations

import resource
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.model.alarm import Alarm
from gateway.model.signalling import Refusal
from gateway.ports import InboundMessage
from gateway.runtime.descriptors import ENOUGH, LEAST
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.descriptors import none_free
from tests.fixtures.site import OWN, Site, cameras, site, tree, write_settings
from tests.live.test_alarms import alarm_in, until_alarm
from tests.live.test_alarms import hasty as hasty

pytestmark = pytest.mark.live


async def until_told_down(running: Site) -> tuple[dict[str, Any], Alarm]:
    """Return state and alarm of camera 1, told in either order, once descriptors are the cause."""
    state: dict[str, Any] = {}
    alarms: list[Alarm] = []

    def both(message: InboundMessage) -> bool:
        alarm = alarm_in(message)
        if message.topic == OWN.camera_state("c01") and tree(message)["why"] == "DESCRIPTORS_LOW":
            state.update(tree(message))
        elif alarm and (alarm.key, alarm.cause) == ("cam.c01.down", "DESCRIPTORS_LOW"):
            alarms.append(alarm)
        return bool(state and alarms)

    await running.until(both)
    assert all(alarm.raised for alarm in alarms)
    return state, alarms[-1]


@pytest.mark.usefixtures("hasty")
async def test_a_gateway_that_can_open_nothing_more_goes_on(tmp_path: Path, broker: Broker) -> None:
    """Viewers are refused, a camera is retried with the reason and its alarm raised, and so on."""
    async with site(tmp_path, broker, cameras(2)) as running:
        watching, lost = await running.watch(0), await running.watch(1)
        await running.until_states(2, "OK")
        running.recorders[1].kill()  # and its socket is free for others
        await running.until_state(1, "REFUSED")
        with none_free(running.process.pid):
            said = await running.ask(0, watching.peer.localDescription.sdp)
            await running.recorders[1].open_port()
            state, alarm = await until_told_down(running)
            await watching.until(len(watching.packets) + 100)

        assert isinstance(said, Refusal)
        assert (said.code, said.reason) == (503, "DESCRIPTORS_LOW")
        assert "Too many open files" in said.detail
        assert state["st"] == "off"
        assert (alarm.severity, alarm.flapping) == ("major", False)
        await lost.until(len(lost.packets) + 10)
        await until_alarm(running, "cam.c01.down", raised=False)
        assert running.process.returncode is None


def started_with(limit: tuple[int, int], settings: Path) -> subprocess.CompletedProcess[str]:
    """Run a gateway to its end, with *limit* on its descriptors."""
    command = [sys.executable, "-m", "gateway", "run", "--settings", str(settings)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit),
        check=False,
    )


@pytest.mark.parametrize("limit", [8, 9, 10, 11, 12, 13, LEAST - 1])
def test_too_few_descriptors_are_a_sentence_at_the_start(tmp_path: Path, limit: int) -> None:
    """Exit code 2 and what to do, in both languages, instead of a traceback."""
    settings = write_settings(tmp_path, 1, ())

    ended = started_with((limit, limit), settings)

    assert ended.returncode == 2
    assert f"{limit} " in ended.stderr
    assert "LimitNOFILE" in ended.stderr
    assert "tệp" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_soft_limit_is_raised_to_the_hard_one(tmp_path: Path, broker: Broker) -> None:
    """The gateway says so and runs."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with AsyncExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))  # children inherit it
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        running = await stack.enter_async_context(site(tmp_path, broker, ()))
        now = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)

        assert now == (min(ENOUGH, before[1]), before[1])
        assert any("descriptor_limit_raised" in line for line in running.output)
