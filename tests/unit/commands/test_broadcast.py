"""Broadcasts of the centre: answered once, spread, and never from the past."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.commands.broadcast import KNOWN, PENDING, BroadcastListener
from gateway.mqtt.topics import parse_topic
from gateway.ports import InboundMessage
from gateway.runtime.spread import phase_s
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import OWN


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[BroadcastListener, list[tuple[str, ...]], FakeClock]]:
    clock = FakeClock()
    resent: list[tuple[str, ...]] = []
    centre = BroadcastListener(
        OWN, resend=lambda sections: resent.append(tuple(sections)), clock=clock
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(centre.run())
        yield centre, resent, clock
        running.cancel()


async def deliver(
    centre: BroadcastListener, topic: str, payload: object, *, retain: bool = False
) -> None:
    place = parse_topic(topic)
    assert place is not None
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    centre.deliver(place, InboundMessage(topic, raw, retain=retain))
    for _ in range(8):
        await asyncio.sleep(0)


def rebirth(number: int, **more: Any) -> dict[str, Any]:
    return {"op": "rebirth", "id": f"rebirth-{number:04}", "spread_s": 300, **more}


async def test_a_broadcast_is_answered_at_our_own_moment_and_once() -> None:
    """Within the spread, always at the same place of it; the same again is nothing new."""
    async with listening() as (centre, resent, clock):
        for _ in range(2):
            await deliver(centre, "ctl/v1/bcast/all", rebirth(1))

        assert resent == [("presence", "birth")]
        assert clock.slept == [phase_s(OWN.gateway, 300)]
        assert 0 <= clock.slept[0] < 300


async def test_broadcasts_that_are_old_or_wrong_are_nothing() -> None:
    """Retained, unreadable, unknown: nothing is published again."""
    async with listening() as (centre, resent, _):
        await deliver(centre, "ctl/v1/bcast/all", rebirth(1), retain=True)
        await deliver(centre, "ctl/v1/bcast/all", b"{" * 10_000)
        await deliver(centre, "ctl/v1/bcast/all", rebirth(2, op="reboot"))
        await deliver(centre, "ctl/v1/bcast/all", rebirth(3, sections=["everything"]))
        await deliver(centre, "ctl/v1/bcast/all", rebirth(4, spread_s=1e9))
        for number in range(KNOWN + PENDING):
            await deliver(centre, "ctl/v1/state", {"online": True, "ep": number})

        assert resent == []
        assert centre.online


async def test_a_late_will_of_the_centre_is_ignored() -> None:
    """An offline of a lower epoch belongs to a connection that has been replaced."""
    async with listening() as (centre, _, __):

        async def online_after(state: object, *, retain: bool = False) -> bool:
            await deliver(centre, "ctl/v1/state", state, retain=retain)
            return centre.online

        assert centre.online
        assert await online_after({"online": True, "ep": 88}, retain=True)
        assert await online_after({"online": False, "ep": 87})
        assert not await online_after({"online": False, "ep": 88})
        assert not await online_after(b"", retain=True)
