"""A rollout through a real broker, by the command that the centre uses."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.centre.releases import sign_release
from gateway.config.signing import Keyring, load_key, make_key
from gateway.mqtt.payloads.codec import decode_tree, encode
from gateway.mqtt.topic_tree import BIRTH, PRESENCE, UPDATE_REPORTED
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import InboundMessage
from tests.fixtures.broker import Broker, observing
from tests.fixtures.clock import HANG_S
from tests.fixtures.payloads import release_files, write_payload

pytestmark = pytest.mark.live

WHEN = datetime(2026, 11, 28, tzinfo=UTC)
STAMP = {"t": 1, "ep": 1, "n": 1}


@asynccontextmanager
async def gateway(
    broker: Broker, keys: Path, name: str, ends: str, asked: list[str]
) -> AsyncIterator[None]:
    """A gateway that verifies what it is asked and says how it *ends*."""
    topics = Topics("79", name)

    def on_command(message: InboundMessage) -> None:
        tree = decode_tree(message.payload, message.content_type)
        assert Keyring(keys).verify(tree, "cmd") == "cmd-2026a"
        assert message.expiry_s
        asked.append(name)
        for state in ("applying", "pending_confirm", ends):
            said: dict[str, Any] = STAMP | {"id": tree["id"], "st": state, "why": "health_gate"}
            each = build_message(UPDATE_REPORTED, topics.update_reported, encode(said))
            observer.client.publish(each)

    async with observing(
        broker.address, topics.command("update"), client_id=name, on_message=on_command
    ) as observer:
        online = STAMP | {"st": "online", "v": "0.1.0"}
        born = STAMP | {"arch": "aarch64", "v": "0.1.0"}
        observer.client.publish(build_message(PRESENCE, topics.presence, encode(online)))
        observer.client.publish(build_message(BIRTH, topics.birth, encode(born)))
        yield


async def release(*words: object) -> tuple[int | None, list[Any]]:
    """Run ``camera-gateway release``; return its exit code and the lines it prints."""
    command = (sys.executable, "-m", "gateway", "release", *map(str, words))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    async with asyncio.timeout(HANG_S):
        said, _ = await process.communicate()
    lines = said.decode().splitlines()
    return process.returncode, [json.loads(each) for each in lines if each.startswith("{")]


async def test_a_rollout_stops_at_the_site_that_rolls_back(tmp_path: Path, broker: Broker) -> None:
    """The ring before has it, the ring after was asked nothing; again, by force, goes on."""
    keys, asked = tmp_path / "keys", list[str]()
    signing = load_key(make_key(keys, "rel-2026a")[0], "rel")
    secret, _ = make_key(keys, "cmd-2026a")
    payload = write_payload(tmp_path / "payload.tar.xz", release_files())
    bundle, _ = sign_release(payload, signing, tmp_path, made_at=WHEN)
    names = ("hcm-q1", "hcm-q2", "hcm-q3")
    sites, state = tmp_path / "sites", tmp_path / "rollout.json"
    sites.write_text("".join(f"79/{name}\n" for name in names))
    where = ("--mirror", "https://anh.example", "--sites", sites, "--trusted", keys)
    planned, _ = await release(
        "plan", state, "--bundle", bundle, *where, "--rings", "33,66,100", "--by-list"
    )
    run = ("rollout", state, "--key", secret, "--json", "--broker", f"127.0.0.1:{broker.port}")

    async with AsyncExitStack() as gateways:
        for name in names:
            ends = "rolled_back" if name == "hcm-q2" else "applied"
            await gateways.enter_async_context(gateway(broker, keys, name, ends, asked))
        stopped, said = await release(*run)
        refused, _ = await release(*run)
        first = list(asked)

    assert (planned, stopped, refused) == (0, 1, 1)
    assert first == ["hcm-q1", "hcm-q2"]
    assert [said[-1][each] for each in ("applied", "failed", "waiting")] == [1, 1, 1]
    assert "health_gate" in next(each["why"] for each in said if each.get("st") == "failed")

    async with AsyncExitStack() as gateways:
        for name in names:
            await gateways.enter_async_context(gateway(broker, keys, name, "applied", asked))
        done, _ = await release(*run, "--retry")

    assert done == 0
    assert asked == ["hcm-q1", "hcm-q2", "hcm-q2", "hcm-q3"]
