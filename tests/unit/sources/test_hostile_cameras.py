"""Hostile cameras over real sockets: each is cut off, and no turn of the loop is long before."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import Any

import pytest

from gateway.cameras.probe import probe
from gateway.model.errors import GatewayError
from gateway.model.reasons import Reason
from gateway.rtsp.budget import READ_BYTES
from gateway.rtsp.connection import RtspConnection
from tests.attack.cameras import ATTACKS, hostile_camera
from tests.fixtures.clock import HANG_S
from tests.fixtures.sinks import RecordingSink
from tests.unit.sources.test_rtsp_source import source

MAX_CALLS = 100_000
"""Calls of Python's within one read: about 10 ms on the development machine."""


class ReadMeter:
    """Counts what each read of a connection costs, and the turns of the loop in between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read_bytes: list[int] = []
        self.calls: list[int] = []
        self.turns_at: list[int] = []
        self._turns = self._calls = 0
        real = RtspConnection.buffer_updated

        def metered(connection: RtspConnection, nbytes: int) -> None:
            self._calls = 0
            sys.setprofile(self._count)
            try:
                real(connection, nbytes)
            finally:
                sys.setprofile(None)
                self.read_bytes.append(nbytes)
                self.calls.append(self._calls)
                self.turns_at.append(self._turns)

        monkeypatch.setattr(RtspConnection, "buffer_updated", metered)

    async def count_turns(self) -> None:
        while True:
            await asyncio.sleep(0)
            self._turns += 1

    def _count(self, _frame: FrameType, event: str, _argument: Any) -> None:
        self._calls += event in ("call", "c_call")


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_hostile_camera_is_cut_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its reason, after a bounded amount, and others have their turn after every read."""
    attack, meter = ATTACKS[name], ReadMeter(monkeypatch)

    async with asyncio.timeout(HANG_S), hostile_camera(attack) as made:
        turning = asyncio.create_task(meter.count_turns())
        with pytest.raises(GatewayError) as caught:
            await source(made.served).run(RecordingSink())
        turning.cancel()

    assert caught.value.reason in attack.reasons, str(caught.value)
    assert max(meter.read_bytes) <= READ_BYTES
    assert max(meter.calls) <= MAX_CALLS
    assert len(set(meter.turns_at)) == len(meter.turns_at)


async def test_a_probe_of_a_hostile_camera_ends_as_well() -> None:
    """With the same budget: it is where somebody looks who suspects the camera."""
    async with asyncio.timeout(HANG_S), hostile_camera(ATTACKS["aggregated pictures"]) as made:
        steps = [
            step
            async for step in probe(
                made.url,
                username=None,
                password=None,
                allow_basic=False,
                policy=made.served.policy,
                transport="tcp",
                watch_s=30,
            )
        ]

    assert steps[-1].reason is Reason.ABUSIVE
