"""The centre's configuration: taken, tried, confirmed, or undone so that the site stays reachable.

One document is tried at a time. It is on the disk before it is applied; after it the cameras must
be back and the centre must say over the connection as it is then that the document may stay, else
what ran before runs again. Of documents that come in a burst only the last is tried.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gateway.model.errors import ConfigRejected, Fault, MessageRejected
from gateway.mqtt.payloads.config import Confirm, Desired, read_confirm
from gateway.ports import Clock, Events, InboundMessage
from gateway.remote_config import statuses
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.rollout import Rollout, RolloutActions
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import ConfigStore, StoredConfig
from gateway.remote_config.validate import ConfigValidator
from gateway.runtime.rate_limit import TokenBucket

CALM_S = 1.0
"""A document is tried once no newer one has come for so long."""


PER_MIN, BURST = 60, 200
"""So many documents are read; verifying a large one takes 50 ms in which nothing else happens."""


class RemoteConfig:
    """Takes documents and confirmations.

    Args:
        standing: What runs; `trying` is what was being tried when the program ended, and is in
            effect already.
        judge: Says which documents may be tried.
        disk: Keeps them.
        hands: Put them into effect.
        voice: Reports what becomes of them.
        events: Are told who has signed what, for the audit.
        clock: Monotonic.
        calm_s: Shorter in tests.
    """

    def __init__(
        self,
        state: ConfigState,
        *,
        validator: ConfigValidator,
        store: ConfigStore,
        actions: RolloutActions,
        reporter: ConfigReporter,
        events: Events,
        clock: Clock,
        calm_s: float = CALM_S,
    ) -> None:
        self._standing = state
        self._judge = validator
        self._disk = store
        self._hands = actions
        self._voice = reporter
        self._events = events
        self._clock = clock
        self._calm_s = calm_s
        self._next: tuple[Desired, str] | None = None
        self._decision: Confirm | None = None
        self._stirred = asyncio.Event()
        self._quota = TokenBucket(PER_MIN, BURST, clock=clock)

    def on_desired(self, letter: InboundMessage) -> None:
        """Take a document; what cannot be read or verified is answered at once."""
        if not self._quota.take():
            self._voice.reject(None, (Fault("", "rate_limited", "too many; send it again later"),))
            return
        try:
            desired, key_id = self._judge.verify(letter.payload, letter.content_type)
        except MessageRejected as error:
            self._voice.reject(None, error.faults)
            return
        waiting = None if self._next is None else self._next[0]
        if self._standing.known(desired):
            self._voice.answer(desired)
        elif waiting is not None and desired.version <= waiting.version:
            if desired.sha256 != waiting.sha256:
                self._voice.reject(desired, (statuses.not_newer(desired.version, waiting.version),))
        else:
            if waiting is not None:
                self._supersede(waiting)
            self._next = desired, key_id
            self._stirred.set()

    def on_confirm(self, letter: InboundMessage) -> None:
        """Take a confirmation; one for what does not wait for it is refused."""
        try:
            said = read_confirm(letter.payload, letter.content_type)
        except MessageRejected as error:
            self._voice.refuse(error.faults)
            return
        trying, confirmed = self._standing.candidate, self._standing.confirmed
        if trying is not None and trying.matches(said.version, said.sha256) and self._waits(letter):
            self._decision = said
            self._stirred.set()
        elif (
            said.act == "confirm"
            and confirmed is not None
            and confirmed.matches(said.version, said.sha256)
        ):  # delivered twice
            self._voice.answer(confirmed.document)
        else:
            message = f"{said.version} does not wait for a confirmation"
            self._voice.refuse((Fault("/ver", "confirm.stale", message),))

    async def run(self) -> None:
        """Take, try, confirm and undo until cancelled."""
        kept: StoredConfig | None = None
        if self._standing.candidate is not None:
            kept = await self._trial(self._standing.candidate).prove()
        while True:
            while kept is not None:
                kept = await self._trial(kept).run()
            kept = await self._judged()
            if kept is None:
                await self._stirred.wait()
                self._stirred.clear()

    def _trial(self, kept: StoredConfig) -> Rollout:
        self._decision = None
        return Rollout(
            kept,
            standing=self._standing,
            disk=self._disk,
            hands=self._hands,
            voice=self._voice,
            clock=self._clock,
            next_word=self._next_word,
        )

    async def _next_word(self, within_s: float) -> Confirm | StoredConfig | None:
        """Wait for what `gateway.remote_config.rollout.Rollout` asks for."""
        if self._next is None and self._decision is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._stirred.wait()
        self._stirred.clear()
        decision, self._decision = self._decision, None
        return decision or await self._judged()

    async def _judged(self) -> StoredConfig | None:
        """Return the newest document that may be tried, once none has come for a while."""
        while self._next is not None:
            desired, key_id = given = self._next
            standing = self._standing
            try:
                kept = self._judge.validate(
                    desired, standing.running, base=standing.version, newest=standing.newest_version
                )
            except ConfigRejected as error:
                self._next = None
                self._voice.reject(desired, error.faults)
                continue
            self._stirred.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._calm_s):
                    await self._stirred.wait()
            if self._decision is not None:  # on what runs; the document waits
                return None
            if self._next is given:
                self._next = None
                self._events.record(statuses.taken(desired, key_id))
                return kept
        return None

    def _waits(self, letter: InboundMessage) -> bool:
        """Return whether a decision is waited for; one that the broker has kept is none."""
        return self._voice.deadline_s is not None and not letter.retain

    def _supersede(self, desired: Desired) -> None:
        standing = self._standing
        self._voice.mention(
            statuses.superseded(desired, running=standing.version, lkg=standing.last_known_good)
        )
