"""One document put into effect: on the disk first, proven, confirmed by the centre, or undone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from gateway.model.errors import BrokerUnavailable, ConfigRejected, TransientError
from gateway.mqtt.payloads.config import Confirm, Why
from gateway.ports import Clock
from gateway.remote_config import statuses
from gateway.remote_config.diff import changes
from gateway.remote_config.document import DesiredConfig
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import ConfigStore, StoredConfig

LOOK_S = 1.0
"""How often it is looked whether the centre can still be reached."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RolloutActions:
    """What a configuration is put into effect with.

    Attributes:
        apply: Makes this run from now on; returns the cameras whose sessions it ended. Raises
            ConfigRejected: what it needs of this machine is no longer there.
        reach: Tries its broker beside the one in use; raises BrokerUnavailable, or that as well.
        working: Returns the cameras that work now.
        proven: Waits until those that worked work again, for so many percent of them; returns
            what is wrong, or nothing.
        connected: Returns whether the centre can be reached.
        connect_s: How long it may be out of reach under a document that leads to another broker.
    """

    apply: Callable[[DesiredConfig], tuple[str, ...]]
    preflight: Callable[[DesiredConfig], Awaitable[None]]
    working_cameras: Callable[[], frozenset[str]]
    wait_until_healthy: Callable[[frozenset[str], int], Awaitable[str]]
    is_connected: Callable[[], bool]
    connect_s: float


@dataclass(slots=True)
class Rollout:
    """One document, from the disk to its end.

    Attributes:
        kept: The document.
        next_word: Waits so many seconds for a decision on it or for a document that may be tried
            instead of it; None: neither came.
    """

    kept: StoredConfig
    standing: ConfigState
    disk: ConfigStore
    hands: RolloutActions
    voice: ConfigReporter
    clock: Clock
    next_word: Callable[[float], Awaitable[Confirm | StoredConfig | None]]
    changed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()

    async def run(self) -> StoredConfig | None:
        """Try the document; return the one that has superseded it, if one has."""
        standing = self.standing
        running = standing.running
        kept = self.kept = replace(self.kept, working_before=self.hands.working_cameras())
        self.changed = changes(running, kept.config)
        self.voice.say(statuses.applying(kept, self.changed, standing.last_known_good))
        try:
            await asyncio.to_thread(self.disk.save_candidate, kept)
        except TransientError as error:
            await self._undo("disk", error.detail)
            return None
        try:
            if kept.config.broker != running.broker:
                await self.hands.preflight(kept.config)
            self.restarted = self.hands.apply(kept.config)
        except (BrokerUnavailable, ConfigRejected) as error:
            await self._undo("connect_failed", str(error))
            return None
        standing.candidate = kept
        return await self.prove()

    async def prove(self) -> StoredConfig | None:
        """See whether the document, which is in effect, does; wait for its confirmation."""
        desired = self.kept.document
        wrong = await self.hands.wait_until_healthy(
            self.kept.working_before, desired.min_alive_percent
        )
        if wrong:
            await self._undo(
                "health_gate" if self.hands.is_connected() else "connect_failed", wrong
            )
            return None
        if desired.rollback_s == 0:
            await self._stay()
            return None
        try:
            return await self._confirmed(desired.rollback_s)
        finally:
            self.voice.deadline_s = None

    async def _confirmed(self, rollback_s: float) -> StoredConfig | None:
        """Wait until the centre says over the connection as it is now that the document stays."""
        pending = statuses.pending(
            self.kept, self.changed, self.restarted, self.standing.last_known_good
        )
        self.voice.deadline_s = self.clock.now() + rollback_s
        self.voice.say(pending)
        reached_s = self.clock.now()
        while (left_s := self.voice.deadline_s - self.clock.now()) > 0:
            word = await self.next_word(min(left_s, LOOK_S))
            if (
                self.hands.is_connected()
                or self.kept.config.broker == self.standing.fallback.broker
            ):
                reached_s = self.clock.now()
            elif (away_s := self.clock.now() - reached_s) >= self.hands.connect_s:
                await self._undo("connect_failed", f"not connected for {away_s:.0f} s")
                return None
            if isinstance(word, StoredConfig):
                self.voice.mention(
                    statuses.superseded(
                        self.kept.document, running=word.version, lkg=self.standing.last_known_good
                    )
                )
                return word
            if word is None:
                continue
            if word.act == "confirm":
                await self._stay()
                return None
            if word.act == "cancel":
                await self._undo("cancel", "")
                return None
            self.voice.deadline_s = self.clock.now() + word.rollback_s
            self.voice.say(pending)
        await self._undo("deadline", "")
        return None

    async def _stay(self) -> None:
        self.voice.deadline_s = None
        try:
            await asyncio.to_thread(self.disk.confirm_candidate)
        except TransientError as error:
            await self._undo("disk", error.detail)
            return
        self.standing.confirmed, self.standing.candidate = self.kept, None
        self.standing.faults = ()
        log.info("config_applied", version=self.kept.version, restarted=len(self.restarted))
        self.voice.decide(statuses.applied(self.kept, self.changed, self.restarted))

    async def _undo(self, why: Why, detail: str) -> None:
        self.voice.deadline_s = None
        verdict = statuses.rolled_back(self.kept, why, detail, self.standing.last_known_good)
        log.error("config_rolled_back", version=self.kept.version, why=why, detail=detail)
        try:
            await asyncio.to_thread(self.disk.roll_back_candidate, verdict)
        except TransientError as error:
            log.error("verdict_not_kept", version=self.kept.version, detail=error.detail)
        self.standing.last_rollback = verdict
        if self.standing.candidate is not None:
            self.standing.candidate = None
            self.hands.apply(self.standing.running)
        self.voice.decide(verdict)
