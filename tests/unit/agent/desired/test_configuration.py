"""Documents and confirmations as they come in: read while there is time for it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gateway.agent.desired.configuration import BURST, Configuration
from gateway.agent.desired.judge import Judge
from gateway.agent.desired.kept import KeptConfig
from gateway.agent.desired.standing import Standing
from gateway.agent.desired.trial import Hands
from gateway.agent.desired.voice import Voice
from gateway.agent.desired.wanted import Wanted
from gateway.agent.loading import load_settings
from gateway.agent.redact import Redactor
from gateway.agent.secrets import Secrets
from gateway.agent.signing import Keyring
from gateway.model.config import SiteConfig
from gateway.mqtt.wire import Stamp, read
from gateway.ports import Letter
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import Bus, Told
from tests.fixtures.site import OWN, write_settings


async def nothing(*_: object) -> str:
    """Reach no broker and prove nothing: no document comes so far."""
    return ""


async def unreached(_: Wanted) -> None:
    """Likewise."""


def test_of_a_flood_only_so_many_are_read(tmp_path: Path) -> None:
    """The rest is answered without a look, and soon another one is read."""
    settings = load_settings(write_settings(tmp_path, 1883, ()))
    bus, told, clock = Bus(), Told(), FakeClock()
    standing = Standing(Wanted(site=SiteConfig()))
    configuration = Configuration(
        standing,
        judge=Judge(
            settings,
            Secrets(settings.secrets_folder, redactor=Redactor()),
            verify=lambda tree: Keyring(tmp_path).verify(tree, "cfg"),
        ),
        disk=KeptConfig(tmp_path),
        hands=Hands(lambda _: (), unreached, frozenset, nothing, lambda: True, 60.0),
        voice=Voice(OWN, standing, bus=bus, events=told, stamp=lambda: Stamp(0, 1, 1), clock=clock),
        events=told,
        clock=clock,
    )
    letter = Letter(OWN.config_desired, b"{}", content_type="application/json")
    for _ in range(BURST + 10):
        configuration.deliver(letter)
    clock.time_s += 1.0
    configuration.deliver(letter)

    answered = Counter[str]()
    while not bus.posted.empty():
        posted = bus.posted.get_nowait()
        answered[read(posted.payload, posted.content_type)["errors"][0]["code"]] += 1  # type: ignore[index]
    assert answered == {"sig.missing": BURST + 1, "rate_limited": 10}
