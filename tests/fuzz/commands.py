"""What the centre, or whoever has its account, may ask, mutated, until the time is up.

    python -m tests.fuzz.commands SECONDS SEED

Commands go as messages through a real dispatcher with its journal on the disk; signed documents
and lists go to their decoders. Nothing raises, every message is acknowledged, and nothing is done
that was not asked for.
Prints what was tried, and the seed of the first failure; that seed alone shows it again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from gateway.model.errors import Fault, MessageRejected
from gateway.mqtt.payloads.codec import decode_tree
from gateway.ports import InboundMessage
from gateway.runtime import bugs
from tests.fixtures.clock import HANG_S
from tests.fixtures.commands import (
    ANSWERS,
    OWN,
    CommandHarness,
    envelope,
    message,
    running_dispatcher,
)
from tests.fuzz.viewer import mutated, mutated_text

NAMES = ("dig", "dig.fast", "dig.once", "dig.signed", "dig.other", "dig.forbidden", "dig.survives")
KEYS = ("id", "name", "args", "actor", "reason", "ttl_s", "gw", "dry_run", "sig", "nbf", "exp", "x")
VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 2**53, 2**63, -(2**200), "", "good",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "\ud800", "\u202e", "\x1b[2J", "a" * 5_000, [], [[]], {}, {"depth": 1}, {"depth": 1e9},
    {"depth": True}, {"depth": "1"}, {"v": "good"},
)  # fmt: skip
TYPES = ("application/json", "application/json+zlib", "application/cbor", "", "x" * 300, "\x00")
PLACES = (
    ANSWERS,
    None,
    "",
    "a",
    f"{OWN.replies}#",
    f"{OWN.replies}../x",
    ANSWERS + "/" * 300,
    "\ud7ff",
)


def hostile(random: Random) -> InboundMessage:
    """Return a message to the topic of a command."""
    name = random.choice(NAMES)
    tree: dict[str, object] = dict(envelope(name, {"depth": random.randrange(6)}))
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        tree[random.choice(KEYS)] = random.choice(VALUES)
    text = json.dumps(tree)
    if random.random() < 0.3:
        text = mutated_text(text, random)
    payload = text.encode("utf-8", "surrogatepass")
    content_type = random.choice(TYPES) if random.random() < 0.2 else TYPES[0]
    if content_type == TYPES[1]:
        payload = zlib.compress(payload)
    if random.random() < 0.2:
        payload = mutated(payload, random)
    whole = message(name, payload=payload, retain=random.random() < 0.05)
    return replace(
        whole,
        content_type=content_type,
        response_topic=random.choice(PLACES) if random.random() < 0.2 else ANSWERS,
        correlation_data=random.choice((b"\x01\x02", b"", None, bytes(400))),
        expiry_s=random.choice((20, 20, 20, None, 0, 2**32 - 1)),
    )


async def acknowledged(harness: CommandHarness, number: int) -> None:
    """Return once *number* messages are acknowledged; replies are read meanwhile."""
    async with asyncio.timeout(HANG_S):
        while len(harness.bus.acknowledged) < number:
            while not harness.bus.posted.empty():
                reply = harness.bus.posted.get_nowait()
                assert reply.topic.startswith(OWN.replies), "an answer that goes elsewhere"
            await asyncio.sleep(0.001)


async def fuzz(seed: int, go_on: Callable[[int], bool]) -> int:
    """Try one seed after the other while `go_on(how many)`; return 1 if something failed later.

    What fails at once is raised, after its seed has been printed.
    """
    late: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: late.append(str(context)))
    before, tried = Counter(bugs.bug_counts()), Counter[str]()
    with TemporaryDirectory() as folder:
        async with running_dispatcher(Path(folder), per_min=1e9, burst=1e9) as harness:
            try:
                while not late and go_on(tried.total()):
                    random = Random(seed)
                    said = hostile(random)
                    harness.deliver(said)
                    tried[said.topic.rpartition("/")[2]] += 1
                    await acknowledged(harness, tried.total())
                    assert len(harness.fake_command.depths) <= accepted(harness), "done twice"
                    with_code(said)
                    assert Counter(bugs.bug_counts()) == before, f"a bug: {bugs.last_bug()}"
                    seed += 1
            finally:
                print(f"until seed {seed}: {dict(tried)}", *late)
    return int(bool(late))


def accepted(harness: CommandHarness) -> int:
    """Return how many commands were accepted so far; each may be done once."""
    return sum(each.facts.get("st") == "accepted" for each in harness.events.all)


def with_code(said: InboundMessage) -> None:
    """Decode the payload alone; what is refused is refused with a place and a code."""
    faults: tuple[Fault, ...] = ()
    try:
        decode_tree(said.payload, said.content_type)
    except MessageRejected as error:
        faults = error.faults
    assert all(each.code for each in faults)


if __name__ == "__main__":
    seconds, first = [*sys.argv[1:], *("60", "0")[len(sys.argv) - 1 :]]
    end_s = time.monotonic() + float(seconds)
    sys.exit(asyncio.run(fuzz(int(first), lambda _tried: time.monotonic() < end_s)))
