"""The program that docs/mqtt.md shows, run as it stands there, under the shipped access list."""

from __future__ import annotations

import signal
import sys
from asyncio import create_subprocess_exec, create_task, timeout, to_thread, wait
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from gateway.mqtt.topic_tree import PLAIN
from tests.contract.document import HERE
from tests.contract.examples import EXAMPLES
from tests.fixtures.access import Person, SecuredBroker
from tests.fixtures.child import until_ended
from tests.fixtures.clock import HANG_S

pytestmark = pytest.mark.live

SAID = [
    ("inv.cams", "inv/cams"),  # packed
    ("contacts", "inv/contacts"),
    ("state", "cam/c07/state"),
    ("alarm", "alarm/cam.c07.down"),
    ("cameras", "health/cams"),
    ("event", "event"),
    ("event", "event"),
    ("change", "inv/log"),
    ("change", "inv/log"),
    ("", "cam/c07/state"),
    ("offline", "presence"),
]
HEARD = [
    "inv.cams cams is",
    "c07 off: TIMEOUT",
    "cam.c07.down raised major: TIMEOUT",
    "c01 2048.0 kb/s, 2 viewers",
    "c07 0.0 kb/s, 0 viewers",
    "event {",
    "inv.log {",
    "cam.c07.state is no longer there",
    "presence offline: stopping",
]


async def test_the_program_shown_to_others_works(tmp_path: Path) -> None:
    """As an operator of province 79: all that happens there, each event once, no contacts."""
    secured = SecuredBroker(tmp_path / "etc")
    secured.start()
    ticket = secured.staff.issue("op79")
    certificate_files = map(str, (ticket.ca_file, ticket.cert_file, ticket.key_file))
    where = ("localhost", str(secured.ports[8883]), "79")
    program = await create_subprocess_exec(
        sys.executable, str(HERE / "consumer.py"), *where, *certificate_files, stdout=PIPE
    )
    gateway = await to_thread(secured.gateway, "79/hcm-q1-01")
    far = await to_thread(secured.gateway, "24/bacninh-01")
    assert program.stdout is not None
    try:
        async with timeout(HANG_S):
            first = create_task(program.stdout.readline())
            while not first.done():  # it has subscribed once it hears something
                say(gateway, "79/hcm-q1-01", "online", "presence")
                await wait([first], timeout=0.1)
            say(far, "24/bacninh-01", "online", "presence")
            for name, place in SAID:
                say(gateway, "79/hcm-q1-01", name, place)
            told = [(await first).decode()]
            while "offline" not in told[-1]:
                told.append((await program.stdout.readline()).decode())
    finally:
        await until_ended(program, "the consumer", signal.SIGTERM)
        for person in (gateway, far):
            person.leave()
        secured.stop()

    news = [line for line in told if not line.endswith("presence online\n")]
    assert len(told) > len(news)
    for line, start in zip(news, HEARD, strict=True):
        assert line.startswith(f"79 hcm-q1-01 {start}"), news


def say(person: Person, name: str, example: str, place: str) -> None:
    """Let *person* say an example of the document; none: nothing at all."""
    content_type, payload = EXAMPLES[example][1] if example else (PLAIN, b"")
    assert person.say(f"cgw/v1/{name}/up/{place}", payload, content_type)
