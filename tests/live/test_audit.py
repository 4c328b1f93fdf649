"""The audit of a whole gateway: every viewing from begin to end, also over kill -9, verified."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection

from gateway.model.signalling import Answer
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.site import OWN, Site, bye, cameras, site, tree
from tests.fixtures.viewer import Viewer

VIEWINGS = 12


async def verify(*arguments: object) -> tuple[int, str]:
    """Run ``camera-gateway audit verify`` and return its exit code and what it said."""
    command = (sys.executable, "-m", "gateway", "audit", "verify", *map(str, arguments))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    async with asyncio.timeout(HANG_S):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def sessions(running: Site) -> list[dict[str, Any]]:
    """Return every event of a session that has been heard, in order."""
    heard = (tree(message) for message in running.heard if message.topic == OWN.event)
    return [each for each in heard if each["type"] == "session" and "seq" in each]


async def until_ends(running: Site, count: int) -> None:
    """Return once that many viewings have ended."""
    ended = {each["sid"] for each in sessions(running) if each["act"] == "end"}

    def wanted(_: object) -> bool:
        ended.update(each["sid"] for each in sessions(running) if each["act"] == "end")
        return len(ended) >= count

    if len(ended) < count:
        await running.until(wanted)


async def test_every_viewing_is_in_the_chain_also_after_kill_9(
    tmp_path: Path, broker: Broker
) -> None:
    """Begin and end of each; the file, what was published, and both together are whole."""
    async with site(tmp_path, broker, cameras(1)) as running:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        running.peers.append(peer)
        offer = await Viewer(peer).offer()
        for number in range(VIEWINGS):
            assert isinstance(await running.ask(0, offer), Answer)
            if number % 2:
                running.say(bye(number + 1))
        await until_ends(running, VIEWINGS // 2)
        await running.kill_and_start()
        await until_ends(running, VIEWINGS)
        await running.watch(0)
        assert await running.terminate() == 0

        events = sessions(running)
        export = tmp_path / "events.jsonl"
        export.write_text("".join(json.dumps(each) + "\n" for each in events))
        own = await verify(tmp_path / "audit.db")
        published = await verify(export)
        both = await verify(tmp_path / "audit.db", "--published", export)
        cut = await verify(export, "--head", f"{events[-1]['seq'] + 1}:{events[-1]['hash']}")

    for act in ("begin", "end"):
        told = {each["sid"] for each in events if each["act"] == act}
        assert {f"session-{number + 1}" for number in range(VIEWINGS)} <= told
    crashed = [each for each in events if each.get("why") == "crash"]
    assert {each["actor"] for each in crashed} == {"an.nguyen"}
    assert [own[0], published[0], both[0]] == [0, 0, 0], (own, published, both)
    assert (cut[0], "[truncated]" in cut[1]) == (1, True)
