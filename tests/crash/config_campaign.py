"""kill -9 of the whole gateway at random moments of a configuration change.

Each kill is followed by a start, and that start by the next change. A start must find the document
that ran or the one that was sent; never one that was reported rolled back, never one older than
what was reported applied, and never nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.topic_tree import CONFIG_CONFIRM, CONFIG_DESIRED
from gateway.mqtt.topics import build_message
from gateway.ports import InboundMessage
from tests.fixtures.broker import Broker
from tests.fixtures.desired import SigningHarness
from tests.fixtures.site import OWN, Site, cameras, site, tree

REMOTE = '[remote]\nallow = ["/site", "/broker"]\ngate_s = 1\nconnect_s = 10\ncrashes = 3\n'
STEPS = {
    "stay": ("", "applying", "applied"),
    "confirm": ("", "applying", "pending_confirm", "applied"),
    "cancel": ("", "applying", "pending_confirm", "rolled_back"),
    "lose_cameras": ("", "applying", "rolled_back"),
    "dead_broker": ("", "applying", "rolled_back"),
}
"""The ways of a document, and the reports after which a kill may come; "": after it was sent."""

TAKES_S = {"lose_cameras": 2.2}
"""How long a change takes that is not over soon after the second of calm."""

BEHIND_S = 0.03
"""A kill comes so soon after a report, when files are being written."""

FINAL = ("applied", "rolled_back", "rejected")

START_S = 1.6
"""How long a start takes, in which every fourth kill is followed by another."""


@dataclass
class Change:
    """One document, and when the gateway is killed under it."""

    kind: str
    step: str
    delay_s: float
    again_s: float | None

    @classmethod
    def pick(cls, chance: random.Random) -> Change:
        kind = chance.choice(tuple(STEPS))
        step = chance.choice(STEPS[kind])
        delay_s = chance.uniform(0, BEHIND_S if step else TAKES_S.get(kind, 1.1))
        again_s = chance.uniform(0, START_S) if chance.random() < 0.25 else None
        return cls(kind, step, delay_s, again_s)

    def document(
        self, signing: SigningHarness, version: int, installed: dict[str, Any]
    ) -> dict[str, Any]:
        """The document, which says its version as the site's name."""
        doc: dict[str, Any] = {"site": {**installed, "name": f"v{version}"}}
        if self.kind == "lose_cameras":
            (camera,) = doc["site"]["cameras"]
            stream = {**camera["streams"][0], "url": "rtsp://127.0.0.1:554/nobody"}
            doc["site"]["cameras"] = [{**camera, "streams": [stream]}]
        if self.kind == "dead_broker":
            doc["broker"] = {"host": "127.0.0.1", "port": 9}
        unconfirmed = self.kind in ("stay", "lose_cameras")
        return signing.sign(version, doc, rollback_s=0 if unconfirmed else 60)


@dataclass
class Campaign:
    """What was sent, reported and found so far.

    Attributes:
        found: How often a start found the old document, the new one, or neither.
        wrong: What was found when it was neither.
        applied: The newest version that was reported applied.
        undone: The versions that were reported rolled back.
        sent: The newest version that was sent.
        kills: In changes.
        late: Beside them, when the change was over already.
        starts: Beside them, in the starts after the others.
    """

    site: Site
    signing: SigningHarness
    installed: dict[str, Any]
    found: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    applied: int = 0
    undone: set[int] = field(default_factory=set)
    sent: int = 0
    kills: int = 0
    late: int = 0
    starts: int = 0
    ended_s: float | None = None

    async def kill(self, change: Change) -> None:
        """Send a document, kill the gateway under it, start it, and check what runs."""
        self.sent += 1
        self.ended_s = None
        document = change.document(self.signing, self.sent, self.installed)
        topic = OWN.config_desired
        self.site.centre.client.publish(build_message(CONFIG_DESIRED, topic, encode(document)))
        with suppress(TimeoutError):
            async with asyncio.timeout(3.5 if change.step else change.delay_s):
                await self._accompany_change(change, document)
        if change.step:
            await asyncio.sleep(change.delay_s)  # the random moment
        if self._is_over():
            self.late += 1
        else:
            self.kills += 1
        self._kill_process()
        if change.again_s is not None:
            await self.site.process.wait()
            await self.site.start_again()
            await asyncio.sleep(change.again_s)  # another one, in the middle of a start
            self._kill_process()
            self.starts += 1
        await self._check_start()

    def _is_over(self) -> bool:
        clock_s = asyncio.get_running_loop().time()
        return self.ended_s is not None and clock_s - self.ended_s > 2 * BEHIND_S

    def _kill_process(self) -> None:
        if self.site.process.returncode is not None:
            self.wrong.append(f"ended by itself: {self.site.output[-5:]}")
        else:
            self.site.process.kill()

    async def _accompany_change(self, change: Change, document: dict[str, Any]) -> None:
        """Confirm or cancel as the change asks; return at its moment."""

        def come(message: InboundMessage) -> bool:
            self._note_report(message)
            said = tree(message) if message.topic == OWN.config_reported else {}
            if said.get("ver") != document["ver"]:
                return False
            if said["st"] in FINAL:
                self.ended_s = asyncio.get_running_loop().time()
            if said["st"] == "pending_confirm":
                act = "cancel" if change.kind == "cancel" else "confirm"
                word = self.signing.decision(document, act, said["nonce"])
                to = OWN.config_confirm
                self.site.centre.client.publish(build_message(CONFIG_CONFIRM, to, encode(word)))
            return bool(change.step) and said["st"] == change.step

        await self.site.centre.until(come)

    def _note_report(self, message: InboundMessage) -> None:
        if message.topic != OWN.config_reported:
            return
        report = tree(message)
        if report["st"] == "applied" and report.get("ver"):
            self.applied = max(self.applied, report["ver"])
        if report["st"] == "rolled_back" and report.get("ver"):
            self.undone.add(report["ver"])

    async def _check_start(self) -> None:
        await self.site.process.wait()
        while not self.site.centre.messages.empty():  # what it had said before it died
            self._note_report(self.site.centre.messages.get_nowait())
        await asyncio.gather(*self.site.readers)
        del self.site.output[:]
        await self.site.start_again()
        try:
            birth = await self.site.centre.until(lambda message: message.topic == OWN.birth)
        except TimeoutError:
            self.found["neither"] += 1
            self.wrong.append(f"not up: {self.site.output[-5:]}")
            return
        (version,) = versions_in(self.site.output)
        name = tree(birth).get("name")
        expected = f"v{version}" if version else self.installed["name"]
        right = self.applied <= version <= self.sent and version not in self.undone
        if not right or name != expected:
            self.found["neither"] += 1
            self.wrong.append(
                f"v{version} ({name}) runs; applied {self.applied}, undone {sorted(self.undone)}"
            )
        else:
            self.found["new" if version == self.sent else "old"] += 1


def versions_in(output: list[str]) -> Iterator[int]:
    """Yield what each start that is logged in *output* said it would run."""
    for line in output:
        with suppress(ValueError):
            said = json.loads(line)
            if said.get("event") == "config_loaded":
                yield said["version"]


async def run_campaign(folder: Path, broker: Broker, *, seed: int, kills: int) -> Campaign:
    """Kill one gateway so often at least, under one document after another."""
    chance = random.Random(seed)
    signing = SigningHarness.trusted_in(folder / "trusted")
    async with site(folder, broker, cameras(1), more=REMOTE) as running:
        await running.until_state(0, "IDLE")
        installed = json.loads((folder / "site.json").read_text())
        campaign = Campaign(running, signing, installed)
        while campaign.kills < kills:
            await campaign.kill(Change.pick(chance))
    return campaign
