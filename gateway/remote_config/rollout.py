"""Puts one document into effect: stored, applied, proven healthy, confirmed or rolled back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from gateway.model.errors import BrokerUnavailable, ConfigRejected, TransientError
from gateway.mqtt.payloads.config import Confirm, Reported, Why
from gateway.ports import Clock
from gateway.remote_config import statuses
from gateway.remote_config.diff import changes
from gateway.remote_config.document import DesiredConfig
from gateway.remote_config.store import ConfigStore, StoredConfig

POLL_S = 1.0
"""Between two checks whether the centre can still be reached."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RolloutActions:
    """By what a configuration is put into effect.

    Attributes:
        apply: Puts it into effect; returns the cameras whose sessions it ended. Raises
            ConfigRejected: what it needs of this machine is no longer there; nothing has changed.
        preflight: Connects to its broker beside the connection in use. Raises BrokerUnavailable,
            or ConfigRejected likewise.
        working_cameras: Returns the ids of the cameras that work now.
        wait_until_healthy: Waits until so many percent of the given cameras work again and the
            centre is reached; returns what is wrong, "" if nothing is.
        is_connected: Returns whether the centre can be reached.
        connect_s: How long it may be out of reach under a document with another broker.
    """

    apply: Callable[[DesiredConfig], tuple[str, ...]]
    preflight: Callable[[DesiredConfig], Awaitable[None]]
    working_cameras: Callable[[], frozenset[str]]
    wait_until_healthy: Callable[[frozenset[str], int], Awaitable[str]]
    is_connected: Callable[[], bool]
    connect_s: float


@dataclass(frozen=True, slots=True)
class Applying:
    """The rollout begins. *changed*: pointers to what differs from what runs."""

    candidate: StoredConfig
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InEffect:
    """The candidate is what runs now."""

    candidate: StoredConfig


@dataclass(frozen=True, slots=True)
class PendingConfirm:
    """The candidate is healthy, and the centre may confirm it until *deadline_s* of the clock."""

    candidate: StoredConfig
    changed: tuple[str, ...]
    restarted: tuple[str, ...]
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Applied:
    """The candidate stays. *restarted*: cameras whose sessions it ended."""

    candidate: StoredConfig
    changed: tuple[str, ...]
    restarted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The candidate is undone, and the fallback runs. *report*: as it is stored."""

    report: Reported


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer valid document has come; the candidate is in effect until that one is."""

    candidate: StoredConfig
    by: StoredConfig


Outcome = Applied | RolledBack | Superseded
Step = Applying | InEffect | PendingConfirm | Outcome


@dataclass(slots=True)
class Rollout:
    """The way of one document from the disk to its outcome. Neither reports nor keeps state.

    Attributes:
        candidate: The document.
        running: What runs at the beginning.
        fallback: What a rollback puts into effect.
        last_known_good: Its version.
        unconfirmed: Whether something else than the fallback is in effect: an earlier candidate,
            or this one after a restart.
        next_input: Waits so many seconds for a decision on the candidate, or for a valid document
            that supersedes it; None: neither came.
    """

    candidate: StoredConfig
    running: DesiredConfig
    fallback: DesiredConfig
    last_known_good: int
    unconfirmed: bool
    actions: RolloutActions
    store: ConfigStore
    clock: Clock
    next_input: Callable[[float], Awaitable[Confirm | StoredConfig | None]]
    _changed: tuple[str, ...] = ()
    _restarted: tuple[str, ...] = ()

    async def run(self) -> AsyncIterator[Step]:
        """Store the candidate, put it into effect, and yield each step; the last is an Outcome."""
        working = self.actions.working_cameras()
        self.candidate = replace(self.candidate, working_before=working)
        config = self.candidate.config
        self._changed = changes(self.running, config)
        yield Applying(self.candidate, self._changed)
        try:
            await asyncio.to_thread(self.store.save_candidate, self.candidate)
        except TransientError as error:
            yield await self._roll_back("disk", error.detail)
            return
        try:
            if config.broker != self.running.broker:
                await self.actions.preflight(config)
            self._restarted = self.actions.apply(config)
        except (BrokerUnavailable, ConfigRejected) as error:
            yield await self._roll_back("connect_failed", str(error))
            return
        self.unconfirmed = True
        yield InEffect(self.candidate)
        async for step in self.resume():
            yield step

    async def resume(self) -> AsyncIterator[Step]:
        """Go on with a candidate that is in effect: prove it healthy, have it confirmed."""
        document, before = self.candidate.document, self.candidate.working_before
        wrong = await self.actions.wait_until_healthy(before, document.min_alive_percent)
        if wrong:
            why: Why = "health_gate" if self.actions.is_connected() else "connect_failed"
            yield await self._roll_back(why, wrong)
        elif document.rollback_s == 0:
            yield await self._confirm()
        else:
            async for step in self._await_confirmation(document.rollback_s):
                yield step

    async def _await_confirmation(self, rollback_s: float) -> AsyncIterator[Step]:
        """Wait until the centre decides over the connection as it is now, or the time is up."""
        deadline_s = self.clock.now() + rollback_s
        yield self._pending(deadline_s)
        reached_s = self.clock.now()
        while (left_s := deadline_s - self.clock.now()) > 0:
            given = await self.next_input(min(left_s, POLL_S))
            if self.actions.is_connected() or self.candidate.config.broker == self.fallback.broker:
                reached_s = self.clock.now()
            elif (away_s := self.clock.now() - reached_s) >= self.actions.connect_s:
                yield await self._roll_back("connect_failed", f"not connected for {away_s:.0f} s")
                return
            if given is None:
                continue
            if isinstance(given, Confirm) and given.act == "extend":
                deadline_s = self.clock.now() + given.rollback_s
                yield self._pending(deadline_s)
                continue
            yield await self._conclude(given)
            return
        yield await self._roll_back("deadline", "")

    async def _conclude(self, given: Confirm | StoredConfig) -> Outcome:
        if isinstance(given, StoredConfig):
            return Superseded(self.candidate, by=given)
        if given.act == "confirm":
            return await self._confirm()
        return await self._roll_back("cancel", "")

    def _pending(self, deadline_s: float) -> PendingConfirm:
        return PendingConfirm(self.candidate, self._changed, self._restarted, deadline_s)

    async def _confirm(self) -> Outcome:
        try:
            await asyncio.to_thread(self.store.confirm_candidate)
        except TransientError as error:
            return await self._roll_back("disk", error.detail)
        log.info("config_applied", version=self.candidate.version, restarted=len(self._restarted))
        return Applied(self.candidate, self._changed, self._restarted)

    async def _roll_back(self, why: Why, detail: str) -> RolledBack:
        version = self.candidate.version
        report = statuses.rolled_back(self.candidate, why, detail, self.last_known_good)
        log.error("config_rolled_back", version=version, why=why, detail=detail)
        try:
            await asyncio.to_thread(self.store.roll_back_candidate, report)
        except TransientError as error:
            log.error("last_rollback_unsaved", version=version, detail=error.detail)
        if self.unconfirmed:
            self.actions.apply(self.fallback)
        return RolledBack(report)
