"""Commands to a real gateway through a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from gateway.commands.handlers.registry import COMMANDS
from gateway.config.signing import SigningKey, load_key, make_key, sign
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.command import FINAL, decode_reply
from gateway.mqtt.topic_tree import BROADCAST, CENTRE_STATE, LOG, REPLY
from gateway.mqtt.topics import build_message, parse_topic
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.broker import Broker
from tests.fixtures.child import until_ended
from tests.fixtures.clock import HANG_S
from tests.fixtures.site import OWN, PASSWORD, Site, cameras, site, tree

pytestmark = pytest.mark.live


def command(
    name: str,
    args: dict[str, Any] | None = None,
    *,
    key: SigningKey | None = None,
    to: str = "answer-1",
    expiry_s: int | None = 20,
    retain: bool = False,
    **more: Any,
) -> tuple[str, OutboundMessage]:
    """Return the id and the message of a command; *more* replaces parts of it."""
    asked: dict[str, Any] = {"id": str(ULID()), "name": name, "args": args or {}, "gw": OWN.gateway}
    asked |= {"actor": "op-17", "ttl_s": 20, **more}
    payload = json.dumps(asked if key is None else sign(asked, key)).encode()
    topic = f"{OWN.replies}op-17/{to}" if "/" not in to else to
    return asked["id"], OutboundMessage(
        OWN.command(name),
        payload,
        retain=retain,
        expiry_s=expiry_s,
        response_topic=topic,
        correlation_data=b"\x00\xff",
    )


async def answers(running: Site, command_id: str) -> list[dict[str, Any]]:
    """Return everything that is said to a command, up to the final word."""
    said: list[dict[str, Any]] = []

    def noted(inbound: InboundMessage) -> bool:
        place = parse_topic(inbound.topic)
        if place is None or place.spec is not REPLY or tree(inbound)["id"] != command_id:
            return False
        assert inbound.correlation_data == b"\x00\xff"
        assert decode_reply(inbound.payload, inbound.content_type).state == tree(inbound)["st"]
        said.append(tree(inbound))
        return tree(inbound)["st"] in FINAL

    await running.until(noted)
    return said


async def ask(running: Site, name: str, *args: Any, **more: Any) -> dict[str, Any]:
    """Send a command and return the final word on it."""
    command_id, message = command(name, *args, **more)
    running.centre.client.publish(message)
    return (await answers(running, command_id))[-1]


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """A key for commands that the gateway trusts."""
    secret, _ = make_key(tmp_path / "trusted", "cmd-2026a")
    return load_key(secret)


@asynccontextmanager
async def started_again(running: Site) -> AsyncIterator[None]:
    """The same gateway once more, after its end; ended afterwards."""
    arguments = ("-m", "gateway", "run", "--settings", str(running.folder / "gateway.toml"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stderr=DEVNULL, env=dict(os.environ)
    )
    try:
        yield
    finally:
        await until_ended(process, "the gateway", signal.SIGTERM)


async def killed(running: Site) -> None:
    await until_ended(running.process, "the gateway", signal.SIGKILL)


async def test_what_the_birth_promises_is_answered(tmp_path: Path, broker: Broker) -> None:
    """Each command, by a gateway that has one good camera; no secret is in any answer."""
    async with site(tmp_path, broker, cameras(1)) as running:
        birth = (
            next(tree(each) for each in running.heard if each.topic == OWN.birth)
            if any(each.topic == OWN.birth for each in running.heard)
            else tree(await running.until(lambda inbound: inbound.topic == OWN.birth))
        )
        configured = await ask(running, "config.get")
        probed = await ask(running, "probe", {"cam": "c00"})
        elsewhere = await ask(running, "probe", {"host": "8.8.8.8"})
        born = await ask(running, "rebirth", {"sections": ["birth", "cams"]})
        pictured = await ask(running, "snapshot", {"cam": "c00", "width": 320})
        nowhere = await ask(running, "snapshot", {"cam": "c77"})
        tried = await ask(running, "snapshot", {"cam": "c00"}, dry_run=True)

        # No host of releases is in its settings: it would fetch none.
        assert birth["caps"]["cmd"] == [
            spec.name for spec in COMMANDS if spec.default_allowed and spec.name != "update"
        ]
        camera = configured["res"]["doc"]["cameras"][0]
        assert camera["password"] == {"$ref": "secret:cameras"}
        assert "/cameras/0/streams/0/transport" in configured["res"]["default"]
        assert "/cameras/0/streams/0/url" not in configured["res"]["default"]
        assert probed["res"]["ok"], probed
        assert [step["step"] for step in probed["res"]["steps"]][-1] == "picture"
        assert elsewhere["res"]["steps"][-1]["why"] == "POLICY_DENIED"
        assert elsewhere["res"]["steps"][-1]["code"] == "url.network"
        assert born["st"] == "succeeded"
        assert pictured["st"] in ("succeeded", "failed")
        assert (nowhere["code"], nowhere["errors"][0]["at"]) == ("bad_args", "/args/cam")
        assert tried["res"]["would"] == {"cam": "c00", "width": 640}
        assert PASSWORD.encode() not in b"".join(each.payload for each in running.heard)


async def test_rebirth_tells_the_sections_again(tmp_path: Path, broker: Broker) -> None:
    """Those that were asked for, and no others."""
    async with site(tmp_path, broker, cameras(1)) as running:
        await running.until(lambda inbound: inbound.topic == OWN.inventory("ioc"))
        seen = len(running.heard)
        await ask(running, "rebirth", {"sections": ["presence", "birth", "nvr"]})

        told = {each.topic for each in running.heard[seen:]}
        assert told >= {OWN.presence, OWN.birth, OWN.inventory("nvr")}
        # Nothing changes these by itself, as it may what is told of cameras.
        assert not told & {OWN.inventory(name) for name in ("site", "net", "ioc")}


async def test_a_restart_must_be_signed_and_says_how_many_watched(
    tmp_path: Path, broker: Broker, key: SigningKey
) -> None:
    """One session ends and another begins; the viewer goes on without a click."""
    async with site(tmp_path, broker, cameras(1)) as running:
        viewer = await running.watch(0)
        counts = running.camera(0).counts
        unsigned = await ask(running, "stream.restart", {"cam": "c00"})
        for_another = await ask(running, "stream.restart", {"cam": "c00"}, key=key, gw="site-2")
        before = counts.sessions_ever
        command_id, message = command("stream.restart", {"cam": "c00"}, key=key)
        running.centre.client.publish(message)
        said = await answers(running, command_id)
        seen = len(viewer.packets)
        await viewer.until(seen + 20)

        assert (unsigned["code"], unsigned["errors"][0]["code"]) == ("bad_sig", "sig.missing")
        assert for_another["code"] == "forbidden"
        assert before == 1
        assert [each["st"] for each in said] == ["accepted", "running", "succeeded"]
        assert said[1]["res"] == said[2]["res"] == {"viewers": 1}
        assert counts.sessions_ever == 2
        assert counts.requests["TEARDOWN"] == 1
        assert viewer.peer.connectionState == "connected"


def is_log(message: InboundMessage) -> bool:
    """Return whether *message* is a part of a followed log."""
    place = parse_topic(message.topic)
    return place is not None and place.spec is LOG


async def test_a_followed_log_says_what_happens(tmp_path: Path, broker: Broker) -> None:
    """Lines come while something happens, and only those that were asked for."""
    async with site(tmp_path, broker, cameras(1)) as running:
        args = {"level": "debug", "max_s": 600.0, "filter": "SESSION"}
        command_id, message = command("logs.tail", args)
        running.centre.client.publish(message)
        await running.until(
            lambda each: "/up/rsp/" in each.topic and tree(each)["id"] == command_id
        )
        await running.watch(0)
        sent = next(filter(is_log, running.heard), None) or await running.until(is_log)

    lines = tree(sent)["lines"]
    assert lines
    assert all("session" in line.casefold() for line in lines)


async def test_a_followed_log_ends_by_itself(tmp_path: Path, broker: Broker) -> None:
    """The answer says on which topic it was, and how many lines there were."""
    async with site(tmp_path, broker, cameras(1)) as running:
        command_id, message = command("logs.tail", {"level": "debug", "max_s": 1.0})
        running.centre.client.publish(message)
        said = await answers(running, command_id)

    stream = OWN.log(said[-1]["res"]["stream"])
    lines = [line for each in running.heard if each.topic == stream for line in tree(each)["lines"]]
    assert said[-1]["st"] == "succeeded"
    assert len(lines) == said[-1]["res"]["lines"]
    assert {each.topic for each in running.heard if is_log(each)} <= {stream}


async def test_kill_9_between_accepted_and_done(tmp_path: Path, broker: Broker) -> None:
    """The asker is told by whoever comes after; the id is spent, and what came late has expired."""
    async with site(tmp_path, broker, cameras(1)) as running:
        spent, message = command("logs.tail", {"max_s": 300.0})
        running.centre.client.publish(message)
        await running.until(lambda inbound: "/up/rsp/" in inbound.topic)
        await killed(running)
        late, too_late = command("rebirth", ttl_s=1, expiry_s=1)
        ageless, of_no_age = command("rebirth", expiry_s=None)
        for each in (too_late, of_no_age):
            running.centre.client.publish(each)
        await asyncio.sleep(1.5)  # the message's own life

        async with started_again(running):
            interrupted = (await answers(running, spent))[-1]
            refused = (await answers(running, ageless))[-1]
            running.centre.client.publish(message)
            again = await answers(running, spent)

        ids = [tree(each)["id"] for each in running.heard if "/up/rsp/" in each.topic]
        assert (interrupted["st"], interrupted["code"]) == ("failed", "interrupted")
        assert (refused["code"], refused["errors"][0]["code"]) == ("bad_args", "expiry.missing")
        assert [(each["st"], each["code"]) for each in again] == [("failed", "interrupted")]
        assert late not in ids


async def test_what_must_not_be_done_is_not(tmp_path: Path, broker: Broker) -> None:
    """Retained commands, foreign response topics, 10 MB: and commands are answered after it."""
    async with site(tmp_path, broker, cameras(1)) as running:
        stolen, message = command("rebirth", to=OWN.config_desired)
        running.centre.client.publish(message)
        told = await running.until(
            lambda inbound: inbound.topic == OWN.event and tree(inbound)["type"] == "command"
        )
        huge = tmp_path / "huge"
        huge.write_bytes(b'{"id":"' + b"a" * 10_000_000)
        sender = await asyncio.create_subprocess_exec(
            "mosquitto_pub", "-V", "5", "-p", str(broker.port), "-q", "1",
            "-t", OWN.command("rebirth"), "-f", str(huge),
        )  # fmt: skip
        assert await until_ended(sender, "mosquitto_pub") == 0
        kept, retained = command("rebirth", retain=True, expiry_s=300)
        running.centre.client.publish(retained)
        await ask(running, "rebirth")
        await killed(running)
        async with started_again(running):
            refused = (await answers(running, kept))[-1]

        ids = [tree(each).get("id") for each in running.heard if "/up/rsp/" in each.topic]
        assert stolen not in ids
        audit = tree(told)
        assert (audit["st"], audit["code"]) == ("rejected", "forbidden")
        assert audit["errors"] == ["response_topic"]
        assert OWN.config_desired not in {each.topic for each in running.heard}
        assert (refused["st"], refused["code"]) == ("rejected", "expired")


async def test_a_reboot_is_begun_once(
    tmp_path: Path, broker: Broker, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed and allowed on this machine; the same id again, after the fall, begins nothing."""
    done = tmp_path / "rebooted"
    script = f"import os; open({str(done)!r}, 'a').write('x')"
    monkeypatch.setenv(
        "CAMERA_GATEWAY__COMMANDS__REBOOT", json.dumps([sys.executable, "-c", script])
    )
    monkeypatch.setenv("CAMERA_GATEWAY__COMMANDS__ALLOWED", '["reboot"]')
    async with site(tmp_path, broker, cameras(1)) as running:
        unsigned = await ask(running, "reboot", {"delay_s": 0})
        command_id, message = command("reboot", {"delay_s": 0.0}, key=key)
        running.centre.client.publish(message)
        async with asyncio.timeout(HANG_S):
            while not done.exists():  # noqa: ASYNC110 (another process has no event for it)
                await asyncio.sleep(0.02)
        await killed(running)
        async with started_again(running):
            first = (await answers(running, command_id))[-1]
            running.centre.client.publish(message)
            again = (await answers(running, command_id))[-1]

        assert unsigned["code"] == "bad_sig"
        assert first["code"] == "interrupted"  # the machine itself has not been down
        assert again["code"] == "interrupted"
        assert done.read_text() == "x"


async def test_the_centre_speaks_to_all(tmp_path: Path, broker: Broker) -> None:
    """A broadcast is heard, a retained one is not; without a centre we stay, and say less."""
    async with site(tmp_path, broker, cameras(1)) as running:
        post = running.centre.client.publish

        def broadcast(group: str, *sections: str, retain: bool = False) -> None:
            sealed = encode(
                {"op": "rebirth", "id": str(ULID()), "sections": sections, "spread_s": 0}
            )
            message = build_message(BROADCAST, f"ctl/v1/bcast/{group}", sealed)
            post(OutboundMessage(message.topic, message.payload, retain=retain))

        await running.until(lambda inbound: inbound.topic == OWN.inventory("ioc"))
        seen = len(running.heard)
        broadcast("prov-01", "site")
        broadcast("all", "net")
        await running.until(lambda inbound: inbound.topic == OWN.inventory("net"))
        post(build_message(CENTRE_STATE, "ctl/v1/state", encode({"online": False, "ep": 5})))
        post(build_message(CENTRE_STATE, "ctl/v1/state", encode({"online": True, "ep": 4})))
        broadcast("prov-79", "health", "nvr")
        await running.until(lambda inbound: inbound.topic == OWN.inventory("nvr"))
        without = [each.topic for each in running.heard[seen:]]
        post(build_message(CENTRE_STATE, "ctl/v1/state", encode({"online": True, "ep": 5})))
        broadcast("prov-79", "health")
        await running.until(lambda inbound: inbound.topic == OWN.cameras_health)

        assert OWN.inventory("site") not in without
        assert OWN.site_health in without
        assert OWN.cameras_health not in without


async def test_a_discovery_tells_its_progress_and_what_it_found(
    tmp_path: Path, broker: Broker, key: SigningKey
) -> None:
    """The site's own camera, by its port; a network of somebody else is refused."""
    async with site(tmp_path, broker, cameras(1)) as running:
        command_id, message = command("discover", {"nets": ["127.0.0.1/32"]}, key=key)
        running.centre.client.publish(message)
        said = await answers(running, command_id)
        outside = await ask(running, "discover", {"nets": ["10.9.0.0/30"]}, key=key)

    assert said[-1]["st"] == "succeeded", said[-1]
    assert [each["ip"] for each in said[-1]["res"]["devices"]] == ["127.0.0.1"]
    assert {each["st"] for each in said[:-1]} >= {"accepted", "running"}, said
    assert (outside["code"], outside["errors"][0]["at"]) == ("bad_args", "/args/nets/0")
