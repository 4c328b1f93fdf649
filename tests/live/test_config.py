"""Configuration from the centre, on the real gateway with a real broker: docs/faults.md, E1-E10."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.config.signing import make_key
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.topic_tree import CONFIG_CONFIRM, CONFIG_DESIRED, PLAIN
from gateway.mqtt.topics import build_message
from gateway.ports import InboundMessage
from tests.crash.config_campaign import run_campaign
from tests.fixtures.broker import Broker, Brokers, observing
from tests.fixtures.clock import HANG_S
from tests.fixtures.desired import SigningHarness
from tests.fixtures.site import OWN, Site, cameras, site, tree

pytestmark = pytest.mark.live


def remote(gate_s: int = 60, connect_s: int = 60) -> str:
    """Return settings with these limits of a rollout."""
    return f'[remote]\nallow = ["/site", "/broker"]\ngate_s = {gate_s}\nconnect_s = {connect_s}\n'


@dataclass
class ConfiguredSite:
    """A site, and the key that signs its configurations."""

    site: Site
    signing: SigningHarness

    @property
    def installed(self) -> dict[str, Any]:
        """The site as the installer left it."""
        found: dict[str, Any] = json.loads((self.site.folder / "site.json").read_text())
        return found

    def push(self, document: Mapping[str, Any]) -> None:
        topic = OWN.config_desired
        self.site.centre.client.publish(
            build_message(CONFIG_DESIRED, topic, encode(dict(document)))
        )

    def push_raw(self, payload: bytes, content_type: str = PLAIN) -> None:
        topic = OWN.config_desired
        self.site.centre.client.publish(
            build_message(CONFIG_DESIRED, topic, (content_type, payload))
        )

    def decide(self, document: Mapping[str, Any], act: str = "confirm", number: int = -1) -> None:
        """Decide by the nonce of the last report that had one, or of that *number*."""
        reports = [tree(each) for each in self.site.heard if each.topic == OWN.config_reported]
        nonces = [report["nonce"] for report in reports if "nonce" in report]
        self.decide_raw(self.signing.decision(document, act, nonces[number]))

    def decide_raw(self, decision: Mapping[str, Any]) -> None:
        topic, encoded = OWN.config_confirm, encode(dict(decision))
        self.site.centre.client.publish(build_message(CONFIG_CONFIRM, topic, encoded))

    async def until(self, state: str, version: int | None = None) -> Any:
        """Return the report that a document is in *state*."""

        def wanted(message: InboundMessage) -> bool:
            if message.topic != OWN.config_reported:
                return False
            report = tree(message)
            return report["st"] == state and version in (None, report.get("ver"))

        try:
            return tree(await self.site.until(wanted))
        except TimeoutError:
            heard = [tree(each) for each in self.site.heard if each.topic == OWN.config_reported]
            raise AssertionError(f"not {state}: {heard[-3:]} {self.site.output[-30:]}") from None


@asynccontextmanager
async def configured_site(
    folder: Path, broker: Broker, count: int = 1, **more: Any
) -> AsyncIterator[ConfiguredSite]:
    """Run a gateway with *count* cameras, all of them probed, that trusts a key."""
    signing = SigningHarness.trusted_in(folder / "trusted")
    async with site(folder, broker, cameras(count), **({"more": remote()} | more)) as running:
        await running.until_states(count, "OK" if more.get("keep") else "IDLE")
        yield ConfiguredSite(running, signing)


async def test_a_confirmed_document_runs_and_is_there_after_a_kill(
    tmp_path: Path, broker: Broker
) -> None:
    """Applied, waiting, confirmed; then kill -9, and it runs again without being asked."""
    async with configured_site(tmp_path, broker) as it:
        doc = {"site": {**it.installed, "name": "Tên mới"}}
        document = it.signing.sign(1, doc)
        it.push(document)
        report = await it.until("pending_confirm", 1)
        assert report["applied"] == ["/site/name"]
        assert report.get("restart", []) == []
        assert 0 < report["until_s"] <= 60
        it.decide(document)
        report = await it.until("applied", 1)
        assert (report["running"], report["lkg"]) == (1, 1)

        await it.site.kill_and_start()
        report = await it.until("applied", 1)

        birth = [tree(message) for message in it.site.heard if message.topic == OWN.birth][-1]
        assert birth["name"] == "Tên mới"
        assert birth["digest"]["cfg"] == document["sha256"][:10]


async def test_one_changed_camera_leaves_the_others_sessions_alone(
    tmp_path: Path, broker: Broker
) -> None:
    """E7: sixteen warm cameras, one gets another URL; the other fifteen keep their sessions."""
    async with configured_site(tmp_path, broker, 16, keep="warm") as it:
        running = it.site
        doc = {"site": it.installed}
        doc["site"]["cameras"][7]["streams"][0]["stall_s"] = 90.0
        doc["site"]["cameras"][8]["name"] = "Chỉ đổi tên"
        it.push(it.signing.sign(1, doc))

        report = await it.until("pending_confirm", 1)

        assert report["restart"] == ["c07"]
        assert report["applied"] == [
            "/site/cameras/c07/streams/main/stall_s",
            "/site/cameras/c08/name",
        ]
        ever = [running.camera(number).counts.sessions_ever for number in range(16)]
        assert ever == [1] * 7 + [2] + [1] * 8
        assert running.camera(7).counts.requests["TEARDOWN"] == 1


async def test_a_document_that_nobody_confirms_is_undone(tmp_path: Path, broker: Broker) -> None:
    """At its deadline; the camera it had removed is back."""
    async with configured_site(tmp_path, broker) as it:
        doc = {"site": {**it.installed, "cameras": []}}
        it.push(it.signing.sign(1, doc, rollback_s=15))
        await it.until("pending_confirm", 1)
        it.push_raw(b"{}")  # whatever comes meanwhile does not end the wait
        await it.until("rejected")

        report = await it.until("rolled_back", 1)

        assert (report["why"], report["running"]) == ("deadline", 0)
        await it.site.until_state(0, "IDLE")


async def test_the_centre_can_cancel(tmp_path: Path, broker: Broker) -> None:
    """And what was undone is not tried again when it is delivered again."""
    async with configured_site(tmp_path, broker) as it:
        document = it.signing.sign(1, {"site": {**it.installed, "name": "x"}})
        it.push(document)
        await it.until("pending_confirm", 1)
        it.decide(document, "cancel")
        assert (await it.until("rolled_back", 1))["why"] == "cancel"

        it.push(document)

        assert (await it.until("rolled_back", 1))["why"] == "cancel"
        it.decide(document)
        report = await it.until("rejected")
        assert [fault["code"] for fault in report["errors"]] == ["confirm.stale"]


async def test_a_stranger_with_an_account_cannot_decide(tmp_path: Path, broker: Broker) -> None:
    """Unsigned decisions change nothing, and a decision that was kept is good once."""
    async with configured_site(tmp_path, broker) as it:
        document = it.signing.sign(1, {"site": {**it.installed, "name": "x"}}, rollback_s=600)
        it.push(document)
        await it.until("pending_confirm", 1)
        name = {"ver": 1, "sha256": document["sha256"], "gw": OWN.gateway, "nonce": "A" * 22}
        for act in ("cancel", "confirm"):
            it.decide_raw(name | {"act": act})
            report = await it.until("rejected")
            assert [fault["code"] for fault in report["errors"]] == ["sig.missing"]
            await it.until("pending_confirm", 1)

        it.decide(document, "extend", number=0)
        await it.until("pending_confirm", 1)
        it.decide(document, "extend", number=0)
        report = await it.until("rejected")

        assert [fault["code"] for fault in report["errors"]] == ["confirm.nonce"]


async def test_nothing_bars_the_documents_that_come_after_it(
    tmp_path: Path, broker: Broker
) -> None:
    """One with the highest version that there is, and one of a week ago: refused, forgotten."""
    async with configured_site(tmp_path, broker) as it:
        doc = {"site": {**it.installed, "name": "x"}}
        it.push(it.signing.sign(2**53 - 1, doc))
        report = await it.until("rejected", 2**53 - 1)
        assert [fault["code"] for fault in report["errors"]] == ["version.future"]
        past = round(time.time() * 1000) - 8 * 86_400_000
        it.push(it.signing.sign(3, doc, nbf_ms=past, exp_ms=past + 86_400_000))
        report = await it.until("rejected", 3)
        assert [fault["code"] for fault in report["errors"]] == ["time.late"]

        it.push(it.signing.sign(1, doc))

        await it.until("pending_confirm", 1)


async def test_a_document_that_loses_the_cameras_is_undone(tmp_path: Path, broker: Broker) -> None:
    """The health gate: both cameras point at a closed port, so what ran before runs again."""
    async with configured_site(tmp_path, broker, 2, more=remote(gate_s=4)) as it:
        doc = {"site": it.installed}
        for camera in doc["site"]["cameras"]:
            camera["streams"][0]["url"] = "rtsp://127.0.0.1:554/nobody"
        it.push(it.signing.sign(1, doc))

        report = await it.until("rolled_back", 1)

        assert report["why"] == "health_gate"
        assert "0 of 2 cameras" in report["detail"]
        await it.site.until_state(0, "IDLE")


async def test_a_dead_broker_is_never_gone_to(tmp_path: Path, broker: Broker) -> None:
    """E4: it is tried on a second connection; the first stays up."""
    async with configured_site(tmp_path, broker, more=remote(connect_s=4)) as it:
        doc = {"site": it.installed, "broker": {"host": "127.0.0.1", "port": 9}}
        it.push(it.signing.sign(1, doc))

        report = await it.until("rolled_back", 1)

        assert (report["why"], report["running"]) == ("connect_failed", 0)
        assert "REFUSED" in report["detail"]
        presences = [message for message in it.site.heard if message.topic == OWN.presence]
        assert len(presences) == 1


async def test_another_broker_is_gone_to_and_confirmed_there(
    tmp_path: Path, brokers: Brokers
) -> None:
    """The confirmation comes over the new connection, and the old broker hears a farewell."""
    old, new = await brokers(), await brokers()
    async with configured_site(tmp_path, old) as it, observing(new.address, "cgw/v1/#") as there:
        document = it.signing.sign(
            1, {"site": it.installed, "broker": {"host": "127.0.0.1", "port": new.port}}
        )
        it.push(document)
        pending = await there.until(
            lambda message: (
                message.topic == OWN.config_reported and tree(message)["st"] == "pending_confirm"
            ),
        )
        report = it.signing.decision(document, nonce=tree(pending)["nonce"])
        there.client.publish(build_message(CONFIG_CONFIRM, OWN.config_confirm, encode(report)))
        await there.until(
            lambda message: (
                message.topic == OWN.config_reported and tree(message)["st"] == "applied"
            )
        )

        await it.site.until(
            lambda message: message.topic == OWN.presence and tree(message)["st"] == "offline"
        )


async def test_a_broker_that_dies_after_the_change_is_left_again(
    tmp_path: Path, brokers: Brokers
) -> None:
    """E4: it accepted the preflight and was gone after a power cut; the old one is told."""
    old, new = await brokers(), await brokers()
    async with (
        configured_site(tmp_path, old, more=remote(connect_s=20)) as it,
        observing(new.address, "cgw/v1/#") as there,
    ):
        document = it.signing.sign(
            1,
            {"site": it.installed, "broker": {"host": "127.0.0.1", "port": new.port}},
            rollback_s=10,
        )
        it.push(document)
        await there.until(
            lambda message: (
                message.topic == OWN.config_reported and tree(message)["st"] == "pending_confirm"
            ),
        )
        it.site.process.kill()
        await it.site.process.wait()
    new.stop()
    async with observing(old.address, "cgw/v1/+/+/up/#") as centre:
        await it.site.start_again()
        try:
            message = await centre.until(
                lambda message: (
                    message.topic == OWN.config_reported and tree(message)["st"] == "rolled_back"
                ),
            )
        finally:
            await it.site.end()

    assert (tree(message)["why"], tree(message)["attempt"]) == ("connect_failed", 2)


async def test_a_broker_that_dies_while_it_waits_is_left_again(
    tmp_path: Path, brokers: Brokers
) -> None:
    """E4: nobody can confirm over a connection that is gone, so the deadline is not waited for."""
    old, new = await brokers(), await brokers()
    async with configured_site(tmp_path, old, more=remote(connect_s=10)) as it:
        broker = {"host": "127.0.0.1", "port": new.port}
        document = it.signing.sign(1, {"site": it.installed, "broker": broker}, rollback_s=600)
        async with observing(new.address, "cgw/v1/#", client_id="there") as there:
            it.push(document)
            await there.until(
                lambda message: (
                    message.topic == OWN.config_reported
                    and tree(message)["st"] == "pending_confirm"
                ),
            )
        new.stop()

        report = await it.until("rolled_back", 1)

        assert (report["why"], report["running"]) == ("connect_failed", 0)
        assert report["detail"].startswith("not connected for ")


async def test_of_a_storm_only_the_last_is_tried(tmp_path: Path, broker: Broker) -> None:
    """E5: a hundred at once are each answered; the camera starts anew at most twice."""
    async with configured_site(tmp_path, broker, keep="warm") as it:
        documents = []
        for version in range(1, 101):
            doc = {"site": it.installed}
            doc["site"]["cameras"][0]["streams"][0]["stall_s"] = 60 + version / 10
            documents.append(it.signing.sign(version, doc))
        for document in documents:
            it.push(document)

        await it.until("pending_confirm", 100)

        answered = [
            tree(message) for message in it.site.heard if message.topic == OWN.config_reported
        ]
        superseded = {report["ver"] for report in answered if report["st"] == "superseded"}
        tried = {report["ver"] for report in answered if report["st"] == "applying"}
        assert len(tried) <= 2
        assert superseded | tried == set(range(1, 101))
        assert it.site.camera(0).counts.sessions_ever <= 3


async def test_replays_and_older_documents_change_nothing(tmp_path: Path, broker: Broker) -> None:
    """E6: the same again is answered with what runs, an older one refused; nothing restarts."""
    async with configured_site(tmp_path, broker, keep="warm") as it:
        first = it.signing.sign(1, {"site": {**it.installed, "name": "một"}}, rollback_s=0)
        second = it.signing.sign(2, {"site": {**it.installed, "name": "hai"}}, rollback_s=0)
        it.push(first)
        await it.until("applied", 1)
        it.push(second)
        await it.until("applied", 2)

        it.push(second)
        await it.until("applied", 2)
        it.push(first)
        report = await it.until("rejected", 1)

        assert [fault["code"] for fault in report["errors"]] == ["version.old"]
        assert report["running"] == 2
        assert it.site.camera(0).counts.sessions_ever == 1


async def test_hostile_payloads_are_refused_on_the_wire(tmp_path: Path, broker: Broker) -> None:
    """E1, E2: each is answered with its code; the gateway still works afterwards."""
    hostile = {
        b"": "json",
        b"[" * 10_000 + b"]" * 10_000: "json.depth",
        b'{"ver":1,"ver":1}': "json.duplicate",
        b'{"ver":NaN}': "json.number",
        b'{"ver":1e999}': "json.number",
        b'{"ver":"\xff"}': "utf8",
        b'{"ver":"\\ud800"}': "json.surrogate",
        b"\xef\xbb\xbf{}": "json.bom",
        b"{}": "sig.missing",
    }
    async with configured_site(tmp_path, broker) as it:
        for payload, code in hostile.items():
            it.push_raw(payload)
            report = await it.until("rejected")
            assert [fault["code"] for fault in report["errors"]] == [code]

        it.push(it.signing.sign(1, {"site": it.installed}, rollback_s=0))
        await it.until("applied", 1)


async def test_kill_9_in_the_middle_of_changes_leaves_a_gateway_that_starts(
    tmp_path: Path, broker: Broker
) -> None:
    """The whole program, 8 times (`scripts/crash-test` has no bound): on the old or the new."""
    campaign = await run_campaign(tmp_path, broker, seed=7, kills=8)

    assert campaign.wrong == []
    assert campaign.found["neither"] == 0


async def test_the_centres_command_sends_confirms_and_follows(
    tmp_path: Path, broker: Broker
) -> None:
    """As an operator types it: signed, pushed and confirmed, and then the status."""
    async with configured_site(tmp_path, broker) as it:
        secret, public = make_key(tmp_path, "cfg-cli")
        public.rename(tmp_path / "trusted" / public.name)
        (tmp_path / "site2.json").write_text(json.dumps({**it.installed, "name": "Mới"}))
        new, key = str(tmp_path / "new.json"), str(secret)
        of = ("--key", key, "--gateway", OWN.gateway)
        await command(
            *("config", "sign", str(tmp_path / "site2.json"), *of, "--version", "1", "-o", new)
        )
        where = ("--broker", f"127.0.0.1:{broker.port}", "--province", OWN.province)

        pushed = await command("config", "push", new, "--confirm", "--key", key, *where)
        status = await command("config", "status", OWN.gateway, *where)

        assert "version 1: applied; runs 1, goes back to 1" in pushed
        assert "    /site/name" in pushed
        assert status.startswith("version 1: applied")
        unsigned = await command("config", "push", new, "--confirm", *where, code=2)
        assert "--key" in unsigned


async def test_the_centres_command_decides_later(tmp_path: Path, broker: Broker) -> None:
    """Pushed without a word, extended, then cancelled."""
    async with configured_site(tmp_path, broker) as it:
        secret, public = make_key(tmp_path, "cfg-cli")
        public.rename(tmp_path / "trusted" / public.name)
        new, key = str(tmp_path / "new.json"), str(secret)
        doc = {"site": {**it.installed, "name": "Mới"}}
        (tmp_path / "new.json").write_text(json.dumps(it.signing.sign(1, doc)))
        where = ("--broker", f"127.0.0.1:{broker.port}", "--province", OWN.province)
        await command("config", "push", new, *where)

        extended = await command("config", "decide", new, "extend", "--key", key, *where)
        cancelled = await command("config", "decide", new, "cancel", "--key", key, *where)
        again = await command("config", "decide", new, "confirm", "--key", key, *where, code=1)

        assert "version 1: pending_confirm" in extended
        assert "version 1: rolled_back (cancel)" in cancelled
        assert "rolled_back (cancel)" in again


async def test_what_the_broker_does_not_take_is_said(tmp_path: Path, brokers: Brokers) -> None:
    """An account that may not configure learns so at once, not that nobody has answered."""
    (tmp_path / "acl").write_text("topic read #\n")
    broker = await brokers("allow_anonymous true", f"acl_file {tmp_path / 'acl'}")
    document = SigningHarness.trusted_in(tmp_path / "trusted").sign(1, {"site": {"cameras": []}})
    (tmp_path / "new.json").write_text(json.dumps(document))
    where = ("--broker", f"127.0.0.1:{broker.port}", "--province", OWN.province)

    pushed = await command("config", "push", str(tmp_path / "new.json"), *where, code=1)

    assert f"NOT_AUTHORISED: the broker does not take {OWN.config_desired}" in pushed


async def command(*words: str, code: int = 0) -> str:
    """Return what the command has printed; it must end with *code*."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.timeout(HANG_S):
        printed, _ = await process.communicate()
    assert process.returncode == code, printed.decode()
    return printed.decode()
