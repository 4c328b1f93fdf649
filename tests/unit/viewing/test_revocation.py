"""Lists of revoked people: signed, only ever newer, kept over a restart; their viewings end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.config.signing import Keyring, SigningKey, sign
from gateway.model.event import Event
from gateway.model.viewing import MOST_REVOKED, RevocationList, ViewingPermit
from gateway.mqtt.payloads.codec import encode
from gateway.mqtt.payloads.viewing import revocation_tree
from gateway.ports import InboundMessage
from gateway.runtime.bugs import BugCounts
from gateway.viewing.revocation import AHEAD_MS, RevocationListener, Revocations
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.descriptors import none_free
from tests.fixtures.viewing import NOW_S, key_in

NOW_MS = NOW_S * 1000
TOPIC = "ctl/v1/viewing/revoked"


class Centre:
    """A centre that publishes lists, and a gateway that takes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = key_in(folder / "trusted")
        self.wall_ms = NOW_MS
        self.events: list[Event] = []
        self.ended: list[str] = []
        self.revocations = self.start()
        self.happened = asyncio.Event()

    def start(self) -> Revocations:
        return Revocations(self.folder / "revoked.json", wall_ms=lambda: self.wall_ms)

    def record(self, event: Event) -> None:
        self.events.append(event)
        self.happened.set()

    def end_viewings(self, is_over: Callable[[ViewingPermit], bool], why: str) -> int:
        watching = ["An", "Bình", ""]
        gone = [each for each in watching if is_over(ViewingPermit(actor=each))]
        self.ended += [f"{each}:{why}" for each in gone]
        return len(gone)

    @asynccontextmanager
    async def listening(self, again_s: float = HANG_S) -> AsyncIterator[RevocationListener]:
        """A listener at work; ends once it has nothing to do."""
        keys = Keyring(self.folder / "trusted")
        listener = RevocationListener(
            self.revocations,
            verify=lambda tree: keys.verify(tree, "view"),
            end_viewings=self.end_viewings,
            events=self,
            clock=FakeClock(),
            again_s=again_s,
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(listener.run())
            yield listener
            running.cancel()

    def message(
        self, *actors: str, issued_ms: int = NOW_MS, key: SigningKey | None = None, **changed: Any
    ) -> InboundMessage:
        tree = revocation_tree(RevocationList(issued_ms, actors))
        signed = {**sign(tree, key or self.key), **changed}
        content_type, payload = encode(signed)
        return InboundMessage(TOPIC, payload, retain=True, content_type=content_type)

    async def told(self) -> Event:
        async with asyncio.timeout(HANG_S):
            await self.happened.wait()
        self.happened.clear()
        return self.events[-1]


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return Centre(tmp_path)


async def test_a_list_ends_the_viewings_of_those_on_it(centre: Centre) -> None:
    """Of nobody else, and not of those whose name nobody knows."""
    async with centre.listening() as listener:
        listener.deliver(centre.message("an"))
        event = await centre.told()

    assert centre.ended == ["An:revoked"]
    assert event.weight == "audit"
    assert dict(event.facts) == {
        "issued": NOW_MS,
        "kid": "view-2026a",
        "ended": 1,
        "actors": 1,
    }


async def test_upper_and_lower_case_are_the_same(centre: Centre) -> None:
    """An account that is spelled otherwise is the same account."""
    centre.revocations.accept(RevocationList(NOW_MS, ("BÌNH@Trungtam.example",)))

    assert centre.revocations.is_revoked("bình@trungtam.example")
    assert not centre.revocations.is_revoked("an")


async def test_a_list_is_in_force_after_a_restart(centre: Centre) -> None:
    """Before the broker has been reached."""
    async with centre.listening() as listener:
        listener.deliver(centre.message("An"))
        await centre.told()

    assert centre.start().is_revoked("An")


async def refused(centre: Centre, *messages: InboundMessage) -> None:
    """Deliver *messages*, which must change nothing, and one that is good."""
    before = centre.revocations.current
    async with centre.listening() as listener:
        for message in messages:
            listener.deliver(message)
            for _ in range(3):
                await asyncio.sleep(0)
            assert centre.revocations.current == before
    assert centre.events == []


async def test_what_is_stored_is_the_list_and_nothing_made_up(centre: Centre) -> None:
    """No signature that nobody has made; the former shape, which had one, is read too."""
    path = centre.folder / "revoked.json"
    async with centre.listening() as listener:
        listener.deliver(centre.message("An"))
        await centre.told()

    assert json.loads(path.read_bytes()) == {"actors": ["An"], "issued": NOW_MS}
    path.write_text(json.dumps({"actors": ["An"], "issued": NOW_MS, "sig": {}}))
    assert centre.start().is_revoked("An")


async def test_an_older_list_gives_nobody_their_right_back(centre: Centre) -> None:
    """Whoever holds the broker may bring one."""
    centre.revocations.accept(RevocationList(NOW_MS, ("An",)))

    await refused(
        centre, centre.message(issued_ms=NOW_MS - 1), centre.message("Bình", issued_ms=NOW_MS)
    )
    assert centre.revocations.is_revoked("An")


async def test_an_older_list_is_refused_after_a_restart(centre: Centre) -> None:
    """The time of issue is kept."""
    centre.revocations.accept(RevocationList(NOW_MS, ("An",)))
    centre.revocations.save()
    centre.revocations = centre.start()

    await refused(centre, centre.message(issued_ms=NOW_MS - 1))
    assert centre.revocations.is_revoked("An")


async def test_the_deleted_list_stays_in_force(centre: Centre) -> None:
    """An empty payload deletes it at the broker, not here."""
    centre.revocations.accept(RevocationList(NOW_MS, ("An",)))

    await refused(centre, InboundMessage(TOPIC, b""))


async def test_who_is_no_longer_listed_may_watch_again(centre: Centre) -> None:
    """By a newer list."""
    centre.revocations.accept(RevocationList(NOW_MS, ("An",)))

    async with centre.listening() as listener:
        listener.deliver(centre.message("Bình", issued_ms=NOW_MS + 1))
        await centre.told()

    assert not centre.revocations.is_revoked("An")


async def test_a_list_that_nobody_signed_is_refused(centre: Centre, tmp_path: Path) -> None:
    """Nor one by another key, or by one for configurations, or one that was changed."""
    stranger = key_in(tmp_path / "elsewhere")
    config_key = key_in(tmp_path / "trusted", "cfg-2026a")

    await refused(
        centre,
        centre.message("An", key=stranger),
        centre.message("An", key=config_key),
        centre.message("An", actors=["Bình"]),
        centre.message("An", sig=None),
        centre.message("An", issued="soon"),
        InboundMessage(TOPIC, b"{" * 60_000),
        InboundMessage(TOPIC, b"\xff" * 70_000),
    )


async def test_a_list_is_bounded(centre: Centre) -> None:
    """In people, and in the characters of each; the largest is taken and kept."""
    await refused(
        centre,
        centre.message(*(f"person-{number}" for number in range(MOST_REVOKED + 1))),
        centre.message("a" * 129),
        centre.message("An\u202e"),
    )
    largest = RevocationList(NOW_MS, tuple(f"người-{n:04}-{'ệ' * 60}" for n in range(MOST_REVOKED)))
    async with centre.listening() as listener:
        listener.deliver(centre.message(*largest.actors))
        await centre.told()

    assert centre.start().current == largest


async def test_a_list_from_the_future_bars_nobody(centre: Centre) -> None:
    """Else one whose issuer's clock was wrong would be the last for ever."""
    await refused(centre, centre.message("An", issued_ms=NOW_MS + AHEAD_MS + 1))


async def test_a_list_that_was_ahead_of_our_clock_is_taken_when_that_is_set(
    centre: Centre,
) -> None:
    """The broker does not bring it again."""
    centre.wall_ms = 0
    async with centre.listening(again_s=0.01) as listener:
        listener.deliver(centre.message("An"))
        await asyncio.sleep(0.05)
        assert centre.revocations.current == RevocationList()
        centre.wall_ms = NOW_MS
        await centre.told()

    assert centre.revocations.is_revoked("An")


async def test_a_list_that_could_not_be_verified_for_want_of_a_descriptor_is_taken_later(
    centre: Centre,
) -> None:
    """The broker does not bring it again, and whoever is on it would go on watching."""
    async with centre.listening(again_s=0.01) as listener:
        message = centre.message("An")
        with none_free():
            listener.deliver(message)
            await asyncio.sleep(0.05)
            assert centre.revocations.current == RevocationList()
        await centre.told()

    assert centre.revocations.is_revoked("An")


async def test_the_same_list_again_is_nothing_new(centre: Centre) -> None:
    """It comes with each connection."""
    async with centre.listening() as listener:
        listener.deliver(centre.message("An"))
        await centre.told()
        listener.deliver(centre.message("An"))
        await asyncio.sleep(0.05)

    assert len(centre.events) == 1


async def test_a_file_that_cannot_be_read_is_no_list(centre: Centre) -> None:
    """The broker brings it again."""
    (centre.folder / "revoked.json").write_bytes(b"{\xff")

    assert centre.start().current == RevocationList()


async def test_a_disk_that_refuses_does_not_hold_a_list_up(centre: Centre) -> None:
    """It is in force; only the next start has to wait for the broker."""
    (centre.folder / "revoked.json").mkdir()
    async with centre.listening() as listener:
        listener.deliver(centre.message("An"))
        await centre.told()
        listener.deliver(centre.message("Bình", issued_ms=NOW_MS + 1))
        await centre.told()

    assert centre.ended == ["An:revoked", "Bình:revoked"]


async def test_a_bug_ends_one_list_and_not_the_listener(
    centre: Centre, contained_bugs: BugCounts
) -> None:
    """The next list is taken, and the bug is counted."""
    async with centre.listening() as listener:
        verify, listener._verify = listener._verify, _fail
        listener.deliver(centre.message("An"))
        async with asyncio.timeout(HANG_S):
            while not contained_bugs.counts:  # noqa: ASYNC110 (a count has no event)
                await asyncio.sleep(0)
        listener._verify = verify
        listener.deliver(centre.message("Bình", issued_ms=NOW_MS + 1))
        await centre.told()

    assert centre.ended == ["Bình:revoked"]
    assert contained_bugs.counts == {"message": 1}


def _fail(_tree: object) -> str:
    raise RuntimeError("a bug in the verification")
