"""Runs a fleet against one broker as it is shipped, phase by phase, and measures the broker."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from gateway.config.signing import load_key, make_key
from gateway.mqtt.client.broker import BrokerAddress, Tls
from tests.fixtures.access import SecuredBroker
from tests.fleet.centre import FakeCentre, centre
from tests.fleet.scene import Pace, site_tree

PROVINCES = ("01", "04", "08", "11", "24", "48", "79", "92")
OVERHEAD_BYTES = 40
"""Of a PUBLISH beside topic and payload: header, properties."""

CALM_S = 5.0
"""Between two phases."""


@dataclass(frozen=True, slots=True)
class Country:
    """What is simulated.

    Attributes:
        gateways: How many.
        cameras: Of each.
        generators: Processes that they are spread over.
        seconds: Of the steady phase.
        asks_per_s: Commands and viewings that the centre asks for.
        restart_s: How long the broker is away.
        longest_s: After so long a phase is given up.
        calm_s: Between two phases.
        configs: Gateways that get another configuration.
        pace: How much happens at each gateway.
    """

    gateways: int = 1000
    cameras: int = 32
    generators: int = 2
    seconds: float = 120.0
    asks_per_s: float = 3.5
    restart_s: float = 2.0
    longest_s: float = 240.0
    calm_s: float = CALM_S
    configs: int = 100
    pace: Pace = field(default_factory=Pace)

    @property
    def names(self) -> list[str]:
        """Of all gateways, with their provinces."""
        return [
            f"{PROVINCES[number % len(PROVINCES)]}/fleet-{number:04d}"
            for number in range(self.gateways)
        ]


class Meter:
    """Processor time and memory of the broker over a phase, and what the centre heard in it."""

    def __init__(self, broker: SecuredBroker, fake: FakeCentre) -> None:
        self._broker = psutil.Process(broker.pid)
        self._fake = fake
        self._begin()

    def _begin(self) -> None:
        self._fake.take_counts()
        self._cpu_s, self._begun_s = self._spent_s(), time.monotonic()

    def _spent_s(self) -> float:
        times = self._broker.cpu_times()
        return times.user + times.system

    def measure(self, phase: str) -> dict[str, Any]:
        """Return what was measured since the last reading."""
        lasted_s = time.monotonic() - self._begun_s
        spent_s = self._spent_s() - self._cpu_s
        heard = self._fake.take_counts()
        messages = sum(heard.messages.values())
        payload_bytes = sum(heard.payload_bytes.values())
        whole = payload_bytes + heard.topic_bytes + messages * OVERHEAD_BYTES
        self._cpu_s, self._begun_s = self._spent_s(), time.monotonic()
        return {
            "phase": phase,
            "seconds": round(lasted_s, 1),
            "messages": messages,
            "messages_per_s": round(messages / lasted_s, 1),
            "payload_kb_per_s": round(payload_bytes / lasted_s / 1000, 1),
            "with_heads_kb_per_s": round(whole / lasted_s / 1000, 1),
            "broker_cpu_percent": round(100 * spent_s / lasted_s, 2),
            "broker_us_per_message": round(1e6 * spent_s / max(1, messages)),
            "broker_rss_mb": round(self._broker.memory_info().rss / 1e6, 1),
            "by_channel": {
                name: {
                    "per_s": round(count / lasted_s, 2),
                    "bytes": round(heard.payload_bytes[name] / count),
                }
                for name, count in heard.messages.most_common()
            },
        }


async def run(country: Country, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Simulate *country*; tell each phase as it ends and return all of it.

    Raises:
        TimeoutError: A phase took too long.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    phases: list[dict[str, Any]] = []

    def note(phase: dict[str, Any]) -> None:
        phases.append(phase)
        report(phase)

    try:
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
            broker = SecuredBroker(Path(folder) / "broker", for_viewers=False)
            tickets = _issue_certificates(broker, country)
            secret, _ = make_key(Path(folder) / "trusted", "cfg-fleet")
            broker.start()
            try:
                address = BrokerAddress(
                    host="localhost", port=broker.ports[8883], tls=broker.staff.issue("console")
                )
                async with (
                    centre(address, country.names, load_key(secret)) as fake,
                    _load_generators(country, broker, folder, tickets) as generators,
                ):
                    await _phases(country, broker, fake, note)
                    ends = [await _stop_generator(each) for each in generators]
                    verdict = await _verdict(country, fake, ends)
            finally:
                broker.stop()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    report(verdict)
    return {"country": asdict(country), "phases": phases, "verdict": verdict}


async def _phases(
    country: Country,
    broker: SecuredBroker,
    fake: FakeCentre,
    note: Callable[[dict[str, Any]], None],
) -> None:
    meter = Meter(broker, fake)
    took_s = await _until(lambda: len(fake.online) == country.gateways, country.longest_s)
    note(meter.measure("connect") | {"all_online_s": took_s})
    await asyncio.sleep(country.calm_s)
    meter.measure("")
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(_ask(country, fake), name="asking")
        await asyncio.sleep(country.seconds)
        note(meter.measure("steady") | {"asked": fake.asked, "answered": fake.answered})
        asking.cancel()
    chosen = country.names[:: max(1, country.gateways // country.configs)][: country.configs]
    note(await _configure(country, fake, meter, chosen))
    note(await _rebirth(country, fake, meter))
    fake.forget(name.split("/")[1] for name in chosen)
    asked = fake.ask_for_stale()
    took_s = await _until(lambda: not fake.stale(), country.longest_s)
    note(meter.measure("inventory") | {"gateways_asked": asked, "all_held_s": took_s})
    epochs = dict(fake.online)
    broker.stop()
    await asyncio.sleep(country.restart_s)
    broker.start()
    meter = Meter(broker, fake)
    took_s = await _until(
        lambda: all(fake.online.get(name, 0) > epoch for name, epoch in epochs.items()),
        country.longest_s,
    )
    await asyncio.sleep(country.calm_s)
    await _until(lambda: not fake.stale(), country.longest_s)
    note(meter.measure("broker restarted") | {"all_back_s": took_s})


async def _configure(
    country: Country, fake: FakeCentre, meter: Meter, chosen: list[str]
) -> dict[str, Any]:
    """Give the *chosen* another configuration; return once the centre has confirmed each."""
    for name in chosen:
        site = site_tree(name.split("/")[1], country.cameras, note=", tầng 2")
        fake.configure(name, 1, site)
    took_s = await _until(
        lambda: all(fake.configured.get(name.split("/")[1]) == (1, "applied") for name in chosen),
        country.longest_s,
    )
    return meter.measure("configuration") | {"configured": len(chosen), "all_confirmed_s": took_s}


async def _rebirth(country: Country, fake: FakeCentre, meter: Meter) -> dict[str, Any]:
    before = fake.births.copy()
    fake.rebirth(country.pace.spread_s)
    took_s = await _until(
        lambda: all(fake.births[name] > before[name] for name in before), country.longest_s
    )
    return meter.measure("rebirth") | {"all_reborn_s": took_s}


async def _ask(country: Country, fake: FakeCentre) -> None:
    number = 0
    while number < 1_000_000:
        number += 1
        fake.ask(country.names, number)
        await asyncio.sleep(1 / country.asks_per_s)


async def _until(reached: Callable[[], bool], longest_s: float) -> float:
    begun_s = time.monotonic()
    async with asyncio.timeout(longest_s):
        while not reached():  # noqa: ASYNC110 (a thousand gateways have no event for it)
            await asyncio.sleep(0.05)
    return round(time.monotonic() - begun_s, 1)


async def _verdict(
    country: Country, fake: FakeCentre, ends: list[dict[str, Any]]
) -> dict[str, Any]:
    """Compare what was told with what was heard."""
    told = {name: last for end in ends for name, (last, _) in end["events"].items()}
    waiting = {name: pending for end in ends for name, (_, pending) in end["events"].items()}
    missing = 0
    for name, last in told.items():
        missing += fake.ledger.missing(name.split("/")[1], last - waiting[name])
    return {
        "phase": "verdict",
        "events_told": sum(told.values()),
        "events_heard": len(fake.ledger),
        "events_missing": missing,
        "events_holes": fake.ledger.holes(),
        "events_late": fake.ledger.late,
        "events_twice": fake.ledger.again,
        "strangers": fake.strangers,
        "inventory_stale": len(fake.stale()),
        "out_of_order": fake.disorder,
        "invalid": fake.invalid[:10],
        "asked": fake.asked,
        "answered": fake.answered,
        "dropped_by_gateways": sum(end["dropped"] for end in ends),
        "refused_by_broker": sum(end["refused"] for end in ends),
        "connections_each": sorted({each for end in ends for each in end["connects"]}),
        "gateways": country.gateways,
    }


def _issue_certificates(broker: SecuredBroker, country: Country) -> Path:
    """Make every gateway a certificate, each in files named by its id."""
    folder = broker.folder / "tickets"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(broker.staff.ca_file.read_bytes())
    for name in country.names:
        ticket: Tls = broker.staff.issue(name)
        assert ticket.cert_file is not None
        assert ticket.key_file is not None
        ident = name.split("/")[1]
        ticket.cert_file.rename(folder / f"{ident}.pem")
        ticket.key_file.rename(folder / f"{ident}.key")
    return folder


@asynccontextmanager
async def _load_generators(
    country: Country, broker: SecuredBroker, folder: str, tickets: Path
) -> AsyncIterator[list[Process]]:
    generators: list[Process] = []
    try:
        for number in range(country.generators):
            generator = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.fleet.load_generator", stdin=PIPE, stdout=PIPE
            )
            generators.append(generator)
            assert generator.stdin is not None
            task = {
                "gateways": country.names[number :: country.generators],
                "cameras": country.cameras,
                "port": broker.ports[8883],
                "tickets": str(tickets),
                "folder": f"{folder}/state",
                "keys": f"{folder}/trusted",
                "pace": asdict(country.pace),
            }
            generator.stdin.write(json.dumps(task).encode())
            generator.stdin.close()
        yield generators
    finally:
        for generator in generators:
            if generator.returncode is None:
                generator.kill()
            await generator.wait()


async def _stop_generator(generator: Process) -> dict[str, Any]:
    """End *generator* and return what it told."""
    generator.terminate()
    assert generator.stdout is not None
    async with asyncio.timeout(60):
        said: dict[str, Any] = json.loads(await generator.stdout.readline() or b"{}")
    return said
