"""Power cuts at random moments under a gateway that is given documents and commands.

The gateway's state lies on an ext4 file system, on a disk that loses what was not flushed. The
gateway itself goes on: each cut is an image of what would have been left, looked at afterwards.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ulid import ULID

from gateway.config.signing import SigningKey, load_key, make_key, sign
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.topic_tree import CONFIG_CONFIRM, CONFIG_DESIRED, EVENT, REPLY
from gateway.mqtt.topics import build_message, parse_topic
from gateway.ports import InboundMessage, OutboundMessage
from tests.fixtures.broker import Broker
from tests.fixtures.desired import SigningHarness
from tests.fixtures.site import OWN, Site, cameras, site, tree
from tests.machines.power.cut_images import Found, Moment, look_at
from tests.machines.power.lossy_mount import lossy_file_system, order, run_step

REMOTE = '[remote]\nallow = ["/site", "/broker"]\ngate_s = 1\nconnect_s = 10\ncrashes = 3\n'
UNSYNCED = "import os\nos.fsync = lambda descriptor: None\nos.fdatasync = os.fsync\n"
"""What makes the mutant: a program that forgets to flush."""

KINDS = ("stay", "stay", "confirm", "cancel")
FINAL = ("applied", "rolled_back", "rejected", "superseded")
CHANGE_S = 20.0


@dataclass
class Ledger:
    """What the centre knows, and since when (on the monotonic clock)."""

    sent: int = 0
    past: list[tuple[float, str, int | str]] = field(default_factory=list)

    def note(self, what: str, which: int | str) -> None:
        """Note that *what* is known of *which* from now on."""
        self.past.append((time.monotonic(), what, which))

    def at(self, name: str, moment_s: float, pending: int, survived: int) -> Moment:
        """Return what was known at *moment_s*."""
        known: dict[str, list[Any]] = {}
        for since_s, what, which in self.past:
            if since_s <= moment_s:
                known.setdefault(what, []).append(which)
        return Moment(
            name,
            applied=max(known.get("applied", [0])),
            undone=frozenset(known.get("rolled_back", [])),
            sent=max(known.get("sent", [0])),
            event=max(known.get("event", [0])),
            commands=frozenset(known.get("accepted", [])),
            pending=pending,
            survived=survived,
        )


async def run_campaign(folder: Path, *, cuts: int, seed: int, synced: bool = True) -> Found:
    """Cut the power *cuts* times or a few more, and return what was found.

    Args:
        folder: Empty; the images go there, 48 MiB each.
        cuts: How many.
        seed: Of everything that is random here; the program's own pace is not.
        synced: False for the mutant that flushes nothing.
    """
    (folder / "cuts").mkdir()
    known = Ledger()
    with lossy_file_system(folder, cuts=cuts // 2, seed=seed) as mounted:
        state = mounted / "state"
        state.mkdir(mode=0o700)
        (folder / "broker").mkdir()
        broker = Broker(folder / "broker")
        await broker.start()
        try:
            await _drive(state, broker, known, folder, cuts=cuts, seed=seed, synced=synced)
        finally:
            broker.stop()
    found, look = Found(), folder / "look"
    look.mkdir()
    for line in (folder / "cuts" / "cuts.txt").read_text().splitlines():
        name, at_s, pending, survived = line.split()
        image = folder / "cuts" / f"{name}.img"
        look_at(image, known.at(name, float(at_s), int(pending), int(survived)), look, found)
        image.unlink()
    return found


async def _drive(
    state: Path,
    broker: Broker,
    known: Ledger,
    folder: Path,
    *,
    cuts: int,
    seed: int,
    synced: bool,
) -> None:
    """Give a gateway with its state in *state* documents and commands until all cuts are made."""
    chance = random.Random(seed)
    signing = SigningHarness.trusted_in(state / "trusted")
    secret, _ = make_key(state / "trusted", "cmd-2026a")
    key = load_key(secret)
    secret.unlink()
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    if not synced:
        (folder / "mutant").mkdir()
        (folder / "mutant" / "sitecustomize.py").write_text(UNSYNCED)
        environment["PYTHONPATH"] = str(folder / "mutant")
    async with site(state, broker, cameras(1), more=REMOTE, env=environment) as running:
        shutil.copy(state / "site.json", folder / "site.json")
        await asyncio.to_thread(run_step, "sync", "-f", str(state))
        await asyncio.to_thread(order, folder, "arm")
        ordered = 0
        while ordered < cuts - cuts // 2:
            ordered = await _change(running, signing, key, known, chance, folder, ordered)


async def _change(
    running: Site,
    signing: SigningHarness,
    key: SigningKey,
    known: Ledger,
    chance: random.Random,
    folder: Path,
    ordered: int,
) -> int:
    """Send one document and one command; cut at random moments; return how many were ordered."""
    known.sent += 1
    kind = chance.choice(KINDS)
    installed = json.loads((folder / "site.json").read_text())
    document = signing.sign(
        known.sent,
        {"site": {**installed, "name": f"v{known.sent}"}},
        rollback_s=0 if kind == "stay" else 60,
    )
    known.note("sent", known.sent)
    client = running.centre.client
    client.publish(build_message(CONFIG_DESIRED, OWN.config_desired, encode(document)))
    client.publish(command_signed_by(key))
    moments = sorted(chance.uniform(0.0, 1.2) for _ in range(2))

    async def cut_at(moment_s: float, number: int) -> None:
        await asyncio.sleep(moment_s)
        await asyncio.to_thread(order, folder, f"cut order-{number}")

    cutting = [
        asyncio.create_task(cut_at(moment_s, ordered + index), name="cut")
        for index, moment_s in enumerate(moments)
    ]

    def over(message: InboundMessage) -> bool:
        note(message, known)
        if message.topic != OWN.config_reported:
            return False
        said = tree(message)
        if said.get("ver") != known.sent:
            return False
        if said["st"] == "pending_confirm":
            act = "cancel" if kind == "cancel" else "confirm"
            word = signing.decision(document, act, said["nonce"])
            client.publish(build_message(CONFIG_CONFIRM, OWN.config_confirm, encode(word)))
        return said["st"] in FINAL

    try:
        async with asyncio.timeout(CHANGE_S):
            await running.centre.until(over)
        await asyncio.to_thread(order, folder, f"cut order-{ordered + 2}")  # as soon as it is said
    finally:
        await asyncio.gather(*cutting)
    return ordered + 3


def command_signed_by(key: SigningKey) -> OutboundMessage:
    """Return a command that may be executed once only, as all may."""
    asked: dict[str, Any] = {"id": str(ULID()), "name": "rebirth", "args": {}, "gw": OWN.gateway}
    asked |= {"actor": "op-17", "ttl_s": 20}
    return OutboundMessage(
        OWN.command("rebirth"),
        json.dumps(sign(asked, key)).encode(),
        expiry_s=20,
        response_topic=f"{OWN.replies}op-17/cuts",
        correlation_data=b"1",
    )


def note(message: InboundMessage, known: Ledger) -> None:
    """Note what *message* makes the centre know."""
    if message.topic == OWN.config_reported:
        said = tree(message)
        if said["st"] in ("applied", "rolled_back") and said.get("ver"):
            known.note(said["st"], said["ver"])
        return
    place = parse_topic(message.topic)
    if place is None:
        return
    if place.spec is EVENT:
        known.note("event", tree(message)["n"])
    elif place.spec is REPLY and tree(message)["st"] != "rejected":
        known.note("accepted", tree(message)["id"])
