"""People whose right to watch the centre has revoked: their viewings end, their tokens are refused.

The centre publishes one signed list, retained, with the time of its issue, which only grows: an
older list is refused, also after a restart, so that whoever holds the broker cannot give anybody
their right back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from gateway.config.signing import canonical_json
from gateway.model.errors import MessageRejected, TransientError, refuse
from gateway.model.event import Event
from gateway.model.viewing import RevocationList, ViewingPermit
from gateway.mqtt.payloads.viewing import (
    LIST_BYTES,
    decode_revocation_tree,
    parse_revocation,
    parse_stored_revocation,
    revocation_tree,
)
from gateway.ports import Clock, Events, InboundMessage
from gateway.runtime import atomic_file, strict_json
from gateway.runtime.bugs import report_bug
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.strict_json import StrictJsonError

AHEAD_MS = 300_000
"""A list may be issued so long after our time, not longer: else one whose issuer's clock was wrong
would bar all that come after it."""

AGAIN_S = 30.0
"""How long a list that is ahead of our clock waits until it is looked at again."""

log = structlog.get_logger(__name__)


class Revocations:
    """The list in force, kept on the disk.

    Args:
        path: The file; its folder exists.
        wall_ms: Milliseconds since 1970.
    """

    def __init__(self, path: Path, *, wall_ms: Callable[[], int]) -> None:
        self._path = path
        self._wall_ms = wall_ms
        self._list = self._load()
        self._names = _folded(self._list)

    @property
    def current(self) -> RevocationList:
        """The list in force."""
        return self._list

    def is_revoked(self, actor: str) -> bool:
        """Return whether *actor* may no longer watch; upper and lower case are the same."""
        return actor.casefold() in self._names

    def accept(self, revoked: RevocationList) -> bool:
        """Put *revoked*, whose signature is good, in force; return whether it is a new list.

        Raises:
            MessageRejected: ``revocation.old``; or ``revocation.ahead``: by more than `AHEAD_MS`.
        """
        if revoked == self._list:
            return False
        if revoked.issued_ms <= self._list.issued_ms:
            refuse("revocation.old", "a newer list is in force", "/issued")
        if revoked.issued_ms > self._wall_ms() + AHEAD_MS:
            refuse("revocation.ahead", "it is issued in the future, by our clock", "/issued")
        self._list, self._names = revoked, _folded(revoked)
        return True

    def save(self) -> None:
        """Write the list in force to the disk, and wait for it. Raises TransientError."""
        atomic_file.replace(self._path, canonical_json(revocation_tree(self._list)))

    def _load(self) -> RevocationList:
        try:
            with self._path.open("rb") as file:
                raw = file.read(LIST_BYTES)
            tree = strict_json.parse(raw, max_bytes=LIST_BYTES, control_characters=True).tree
            return parse_stored_revocation(tree if isinstance(tree, dict) else {})
        except FileNotFoundError:
            return RevocationList()
        except (OSError, StrictJsonError, MessageRejected) as error:
            # The broker has it still, and brings it.
            log.error("revocations_not_read", path=str(self._path), detail=str(error))
            return RevocationList()


class RevocationListener:
    """Takes the centre's lists and ends the viewings of those who are on them.

    Args:
        revocations: The list in force.
        verify: Returns the id of the key that has signed a tree. Raises MessageRejected, or
            TransientError, when it is to be tried again.
        end_viewings: Ends the sessions whose permit is over, with a reason; returns how many.
        events: Is told what has been revoked.
        clock: For the log's pace.
        again_s: See `AGAIN_S`.
    """

    def __init__(
        self,
        revocations: Revocations,
        *,
        verify: Callable[[Mapping[str, object]], str],
        end_viewings: Callable[[Callable[[ViewingPermit], bool], str], int],
        events: Events,
        clock: Clock,
        again_s: float = AGAIN_S,
    ) -> None:
        self._revocations = revocations
        self._verify = verify
        self._end_viewings = end_viewings
        self._events = events
        self._again_s = again_s
        self._newest: InboundMessage | None = None
        self._wakeup = asyncio.Event()
        self._refused = RateLimitedLog("viewing", "revocation_refused", clock=clock)

    def deliver(self, message: InboundMessage) -> None:
        """Take a message of the MQTT client; returns at once. Only the newest is looked at."""
        self._newest = message
        self._wakeup.set()

    async def run(self) -> None:
        """Handle lists until cancelled; one that is not valid is counted in the log."""
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            message, self._newest = self._newest, None
            if message is not None and not await self._handle(message):
                await self._wait_for_newer(message)

    async def _wait_for_newer(self, early: InboundMessage) -> None:
        """Look at *early* once more after a while, unless there is a newer list by then."""
        try:
            async with asyncio.timeout(self._again_s):
                await self._wakeup.wait()
        except TimeoutError:
            self.deliver(early)

    async def _handle(self, message: InboundMessage) -> bool:
        """Put the list in *message* in force; return False if that is to be tried again.

        So it is while the list is ahead of our clock, or no descriptor is free to verify it.
        """
        if not message.payload:  # the retained list is deleted: what is in force stays
            return True
        try:
            tree = decode_revocation_tree(message.payload, message.content_type)
            key_id = self._verify(tree)
            changed = self._revocations.accept(parse_revocation(tree))
        except MessageRejected as error:
            self._refused.count(error.detail)
            return error.faults[0].code != "revocation.ahead"
        except TransientError as error:
            self._refused.count(error.detail)
            return False
        except Exception as error:  # ends this list only
            report_bug("message", error, message.topic)
            return True
        if changed:
            await self._apply(key_id)
        return True

    async def _apply(self, key_id: str) -> None:
        revocations = self._revocations
        ended = self._end_viewings(lambda permit: revocations.is_revoked(permit.actor), "revoked")
        current = revocations.current
        log.info("viewing_revoked", actors=len(current.actors), ended=ended)
        try:
            await asyncio.to_thread(revocations.save)
        except TransientError as error:  # it is in force; the broker keeps it for the next start
            log.error("revocations_not_stored", detail=error.detail)
        facts = {"issued": current.issued_ms, "kid": key_id, "ended": ended}
        self._events.record(
            Event("viewing.revoked", {**facts, "actors": len(current.actors)}, "audit")
        )


def _folded(revoked: RevocationList) -> frozenset[str]:
    return frozenset(each.casefold() for each in revoked.actors)
