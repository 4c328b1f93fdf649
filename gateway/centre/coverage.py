"""Which sites' pictures have reached the command centre, and how coverage grew.

What is heard while a command listens, and what the broker has kept since it was last there, is
noted in a SQLite file; one row of history a day.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection, Error

from gateway.centre.connection import CentreConnection
from gateway.model.errors import MessageRejected
from gateway.model.signalling import SessionStats
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.payloads.event import EventRecord, decode_event
from gateway.mqtt.payloads.inventory import InventorySite, decode_section
from gateway.mqtt.payloads.signalling import decode_gateway_message
from gateway.mqtt.topic_tree import EVENT, GATEWAY_SIGNALLING, INVENTORY, ROOT
from gateway.mqtt.topics import ParsedTopic, parse_topic
from gateway.ports import InboundMessage
from gateway.runtime.clock import now_ms
from gateway.runtime.sqlite import SqliteFile
from gateway.survey.coverage import Coverage, SiteSeen

MOST_SITES = 20_000
"""In the file and in memory; those seen last are kept."""

MOST_DAYS = 20_000
"""Of history; more than fifty years."""

_TABLES = """
CREATE TABLE IF NOT EXISTS seen (
    province TEXT NOT NULL, gateway TEXT NOT NULL, last_ms INTEGER NOT NULL, former TEXT NOT NULL,
    PRIMARY KEY (province, gateway)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    day TEXT PRIMARY KEY, provinces INTEGER NOT NULL, former INTEGER NOT NULL,
    sites INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS client (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
"""
_NOTE = """
INSERT INTO seen VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    last_ms = max(last_ms, excluded.last_ms),
    former = CASE excluded.former WHEN '' THEN former ELSE excluded.former END
"""
_FORGET = """
DELETE FROM seen WHERE (province, gateway) IN
    (SELECT province, gateway FROM seen ORDER BY last_ms DESC LIMIT -1 OFFSET ?)
"""
_GROWN = """
INSERT INTO history VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    provinces = max(provinces, excluded.provinces), former = max(former, excluded.former),
    sites = max(sites, excluded.sites)
"""


@dataclass(frozen=True, slots=True)
class DayOfHistory:
    """How many were connected on a day, at most.

    Attributes:
        day: ISO 8601, in Viet Nam.
        provinces: Of the 34.
        former: Of the 63.
        sites: All of them.
    """

    day: str
    provinces: int
    former: int
    sites: int


class CoverageStore:
    """The file at the centre. Blocks on the disk.

    Args:
        path: In a folder that exists; only its owner can read it.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _TABLES)

    def client_id(self) -> str:
        """Return the MQTT client id of this file: the broker keeps events for it for an hour.

        Raises:
            TransientError: The disk refuses.
        """

        def work(connection: Connection) -> str:
            with connection:
                fresh = f"coverage-{secrets.token_hex(4)}"
                connection.execute("INSERT OR IGNORE INTO client VALUES (1, ?)", (fresh,))
            found: str = connection.execute("SELECT id FROM client").fetchone()[0]
            return found

        return self._file.transact(work, on_replaced=_begin_anew)

    def note(self, seen: Iterable[SiteSeen]) -> None:
        """Note *seen*. Raises TransientError: the disk refuses."""
        rows = [(each.province, each.gateway, each.last_ms, each.former) for each in seen]

        def work(connection: Connection) -> None:
            with connection:
                connection.executemany(_NOTE, rows)
                connection.execute(_FORGET, (MOST_SITES,))

        self._file.transact(work, on_replaced=_begin_anew)

    def seen(self) -> tuple[SiteSeen, ...]:
        """Return all sites ever seen, by province. Raises TransientError: the disk refuses."""

        def work(connection: Connection) -> tuple[SiteSeen, ...]:
            rows = connection.execute("SELECT * FROM seen ORDER BY province, gateway").fetchall()
            return tuple(SiteSeen(*row) for row in rows)

        return self._file.transact(work, on_replaced=_begin_anew)

    def record_day(self, day: str, coverage: Coverage) -> None:
        """Note how many are connected on *day*; the most of a day stay. Raises TransientError."""
        counts = (len(coverage.today), len(coverage.former))
        sites = sum(map(len, coverage.today.values()))

        def work(connection: Connection) -> None:
            with connection:
                connection.execute(_GROWN, (day, *counts, sites))
                connection.execute(
                    "DELETE FROM history WHERE day IN"
                    " (SELECT day FROM history ORDER BY day DESC LIMIT -1 OFFSET ?)",
                    (MOST_DAYS,),
                )

        self._file.transact(work, on_replaced=_begin_anew)

    def history(self) -> tuple[DayOfHistory, ...]:
        """Return the days of history, the first first. Raises TransientError."""

        def work(connection: Connection) -> tuple[DayOfHistory, ...]:
            rows = connection.execute("SELECT * FROM history ORDER BY day").fetchall()
            return tuple(DayOfHistory(*row) for row in rows)

        return self._file.transact(work, on_replaced=_begin_anew)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _begin_anew(_: Connection, __: Error) -> None:
    """Go on with an empty file: the one that was corrupt lies beside it as ``*.corrupt``."""


@dataclass(slots=True)
class CoverageListener:
    """Notes whose pictures reach the command centre.

    Attributes:
        wall_ms: Returns the wall clock.
        newest: (Province, gateway) -> when one last did, wall clock.
        former: Likewise -> the former province that the site says.
    """

    wall_ms: Callable[[], int] = now_ms
    newest: dict[tuple[str, str], int] = field(default_factory=dict)
    former: dict[tuple[str, str], str] = field(default_factory=dict)

    def on_message(self, message: InboundMessage) -> None:
        """Take one message; what cannot be read proves nothing."""
        topic = parse_topic(message.topic)
        if topic is None or not message.payload:
            return
        with suppress(MessageRejected):
            self._take(topic, message)

    def take_event(self, province: str, gateway: str, event: EventRecord) -> None:
        """Take an event, of now or as it was kept."""
        facts = event.facts
        if event.kind == "session" and facts.get("act") == "end" and facts.get("received") is True:
            self._note((province, gateway), min(event.time_ms, self.wall_ms()))

    def seen(self) -> tuple[SiteSeen, ...]:
        """Return what has been heard of."""
        return tuple(
            SiteSeen(*key, last_ms=time_ms, former=self.former.get(key, ""))
            for key, time_ms in self.newest.items()
        )

    def _take(self, topic: ParsedTopic, message: InboundMessage) -> None:
        payload, kind = message.payload, message.content_type
        key = (topic.province, topic.gateway)
        if topic.spec is EVENT:
            self.take_event(*key, decode_event(payload, kind))
        elif topic.spec is INVENTORY["site"]:
            site = decode_section("site", payload, kind)
            if isinstance(site, InventorySite) and site.centre.former_province is not None:
                self.former[key] = site.centre.former_province.value
        elif topic.spec is GATEWAY_SIGNALLING and topic.key is not None:
            said = decode_gateway_message(topic.key, payload, kind)
            if isinstance(said, SessionStats) and _shows_a_camera(said):
                self._note(key, self.wall_ms())

    def _note(self, key: tuple[str, str], time_ms: int) -> None:
        if key in self.newest or len(self.newest) < MOST_SITES:
            self.newest[key] = max(time_ms, self.newest.get(key, 0))


def _shows_a_camera(said: SessionStats) -> bool:
    """Return whether the viewer of a session has reported that it is sent pictures of a camera."""
    has_report = said.round_trip_ms is not None and said.loss_percent < 100
    return has_report and said.kbps > 0 and said.slate is None


async def listen(
    address: BrokerAddress, listener: CoverageListener, *, client_id: str, listen_s: float
) -> None:
    """Let *listener* hear what sites say for *listen_s* seconds, and what the broker has kept.

    Raises:
        BrokerUnavailable: The broker does not accept us, does not answer, or has dropped us.
    """
    rows = (EVENT.name, "up/rtc/+/+", INVENTORY["site"].name)
    connection = CentreConnection(
        address,
        name="coverage",
        client_id=client_id,
        subscriptions=tuple(f"{ROOT}/+/+/{row}" for row in rows),
        on_message=listener.on_message,
    )
    async with connection.opened():
        with suppress(TimeoutError):
            async with asyncio.timeout(listen_s):
                await asyncio.Event().wait()
