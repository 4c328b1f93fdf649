"""Remote configuration: desired documents in, reports out, and the site stays reachable.

The journey of a document goes one way: it is verified when it comes and waits in a slot for one;
`ConfigValidator` validates it; once no newer one has come for a while, `Rollout` stores it, puts it
into effect and yields steps; each step becomes `ConfigState` and a report here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress

from gateway.model.errors import ConfigRejected, Fault, MessageRejected, TransientError
from gateway.mqtt.payloads.config import Confirm, Desired, Reported
from gateway.ports import Clock, Events, InboundMessage
from gateway.remote_config import statuses
from gateway.remote_config.report import ConfigReporter
from gateway.remote_config.rollout import (
    Applied,
    Applying,
    InEffect,
    PendingConfirm,
    RolledBack,
    Rollout,
    RolloutActions,
    Step,
    Superseded,
)
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import ConfigStore, StoredConfig
from gateway.remote_config.validate import (
    ConfigValidator,
    VerifiedDocument,
    version_fault,
)
from gateway.runtime.bugs import report_bug
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import TokenBucket

CALM_S = 1.0
"""A document is rolled out once no newer one has come for so long."""

PER_MIN, BURST = 60, 200
"""So many documents are read; verifying a large one takes 50 ms in which nothing else happens."""


_INTERNAL_ERROR = Fault("", "internal", "a fault of the gateway's own program; nothing changed")


class RemoteConfig:
    """Rolls out the documents of the centre, one at a time.

    Args:
        state: What runs; a candidate in it was being tried when the program ended, and is in
            effect already.
        validator: Decides which documents may be rolled out.
        store: Has them on the disk.
        actions: Put them into effect.
        reporter: Publishes what becomes of them.
        events: Records for the audit who has signed what.
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
        self._state = state
        self._validator = validator
        self._store = store
        self._actions = actions
        self._reporter = reporter
        self._events = events
        self._clock = clock
        self._calm_s = calm_s
        self._newest: VerifiedDocument | None = None
        self._decision: Confirm | None = None
        self._nonce = ""
        self._confirmed_by: Confirm | None = None
        self._awaits_decision = False
        self._arrived = asyncio.Event()
        self._quota = TokenBucket(PER_MIN, BURST, clock=clock)
        self._decisions = TokenBucket(PER_MIN, BURST, clock=clock)
        self._unanswered = RateLimitedLog("config", "decisions not answered", clock=clock)

    def on_desired(self, message: InboundMessage) -> None:
        """Put a document into the slot; what cannot be read or verified is answered at once."""
        if not self._quota.try_acquire():
            self._reject(None, (Fault("", "rate_limited", "too many; send it again later"),))
            return
        try:
            verified = self._validator.verify(message.payload, message.content_type)
        except (MessageRejected, TransientError) as error:
            self._reject(None, _faults_of(error))
            return
        except Exception as error:  # ends this document only
            report_bug("config", error)
            self._reject(None, (_INTERNAL_ERROR,))
            return
        document = verified.document
        waiting = None if self._newest is None else self._newest.document
        if self._state.is_known(document):
            self._answer_known(document)
        elif waiting is not None and document.version <= waiting.version:
            if document.sha256 != waiting.sha256:
                self._reject(document, (version_fault(document.version, waiting.version),))
        else:
            if waiting is not None:
                self._reporter.publish_aside(
                    statuses.superseded(
                        waiting,
                        running=self._state.version,
                        last_known_good=self._state.last_known_good,
                    )
                )
            self._newest = verified
            self._arrived.set()

    def on_confirm(self, message: InboundMessage) -> None:
        """Hand a decision to the rollout; one that nothing waits for is refused."""
        try:
            decision = self._validator.verify_decision(message.payload, message.content_type)
        except (MessageRejected, TransientError) as error:
            self._refuse_decision(_faults_of(error))
            return
        name = decision.version, decision.sha256
        candidate, confirmed = self._state.candidate, self._state.confirmed
        # a decision that the broker has retained is none
        awaited = self._awaits_decision and not message.retain
        if awaited and candidate is not None and candidate.matches(*name):
            if not hmac.compare_digest(decision.nonce, self._nonce):
                text = "it repeats another nonce than the report's, or was used already"
                self._refuse_decision((Fault("/nonce", "confirm.nonce", text),))
                return
            self._nonce = ""  # each is good for one decision
            self._confirmed_by = decision if decision.act == "confirm" else None
            self._decision = decision
            self._arrived.set()
        elif self._confirmed_by == decision and confirmed is not None and confirmed.matches(*name):
            self._answer_known(confirmed.document)  # delivered twice
        else:
            text = f"{decision.version} does not wait for a confirmation"
            self._refuse_decision((Fault("/ver", "confirm.stale", text),))

    async def run(self) -> None:
        """Roll out one document after another until cancelled."""
        candidate = self._state.candidate
        if candidate is not None:
            candidate = await self._follow(self._rollout(candidate).resume())
        while True:
            if candidate is None:
                candidate = await self._next_candidate()
            candidate = await self._follow(self._rollout(candidate).run())

    async def _follow(self, steps: AsyncIterator[Step]) -> StoredConfig | None:
        """Follow a rollout to its outcome; return the document that has superseded it, if any."""
        step: Step | None = None
        async for step in steps:
            self._on_step(step)
        self._decision = None
        return step.by if isinstance(step, Superseded) else None

    def _on_step(self, step: Step) -> None:
        """Turn *step* into state and a report."""
        state, reporter = self._state, self._reporter
        good = state.last_known_good
        match step:
            case Applying(candidate, changed):
                reporter.publish(statuses.applying(candidate, changed, good))
            case InEffect(candidate):
                state.candidate = candidate
            case PendingConfirm(candidate, changed, restarted, deadline_s):
                self._nonce = secrets.token_urlsafe(16)
                report = statuses.pending_confirm(
                    candidate, changed, restarted, good, nonce=self._nonce
                )
                reporter.publish(report, deadline_s=deadline_s)
            case Superseded(candidate, by):
                report = statuses.superseded(
                    candidate.document, running=by.version, last_known_good=good
                )
                reporter.publish_aside(report)
            case Applied(candidate, changed, restarted):
                state.confirmed, state.candidate, state.faults = candidate, None, ()
                self._report_outcome(statuses.applied(candidate, changed, restarted))
            case RolledBack(report):
                state.last_rollback, state.candidate = report, None
                self._report_outcome(report)

    def _rollout(self, candidate: StoredConfig) -> Rollout:
        state = self._state
        return Rollout(
            candidate,
            running=state.running,
            fallback=state.fallback,
            last_known_good=state.last_known_good,
            unconfirmed=state.candidate is not None,
            actions=self._actions,
            store=self._store,
            clock=self._clock,
            next_input=self._next_input,
        )

    async def _next_candidate(self) -> StoredConfig:
        """Wait for a document that may be rolled out."""
        while (candidate := await self._validated()) is None:
            await self._arrived.wait()
            self._arrived.clear()
        return candidate

    async def _next_input(self, within_s: float) -> Confirm | StoredConfig | None:
        """Wait for a decision or a document, as `Rollout.next_input`."""
        self._awaits_decision = True
        try:
            if self._newest is None and self._decision is None:
                await self._wait_for_arrival(within_s)
            self._arrived.clear()
            decision, self._decision = self._decision, None
            return decision or await self._validated()
        finally:
            self._awaits_decision = False

    async def _validated(self) -> StoredConfig | None:
        """Return the newest document that may be rolled out, once none has come for a while.

        None: there is none, or a decision came first.
        """
        while (verified := self._newest) is not None:
            document = verified.document
            try:
                candidate = self._validator.validate(document, self._state)
            except ConfigRejected as error:
                self._newest = None
                self._reject(document, error.faults)
                continue
            except Exception as error:  # ends this document only
                report_bug("config", error)
                self._newest = None
                self._reject(document, (_INTERNAL_ERROR,))
                continue
            self._arrived.clear()
            await self._wait_for_arrival(self._calm_s)
            if self._decision is not None:  # on what runs; the document waits
                return None
            if self._newest is verified:
                self._newest = None
                self._events.record(statuses.accepted_event(document, verified.key_id))
                return candidate
        return None

    async def _wait_for_arrival(self, within_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._arrived.wait()

    def _answer_known(self, document: Desired) -> None:
        latest = self._reporter.latest
        if (latest.version, latest.sha256) == (document.version, document.sha256):
            self._reporter.republish()
        else:
            self._answer(statuses.of_known(document, self._state))

    def _reject(self, document: Desired | None, faults: tuple[Fault, ...]) -> None:
        """Report that *document* changes nothing; None: it could not be read."""
        report = statuses.rejected(document, faults, self._state)
        self._reporter.record(report)
        self._answer(report)

    def _refuse_decision(self, faults: tuple[Fault, ...]) -> None:
        """Report that a decision changes nothing; what was reported of documents stays current.

        All are verified, lest a stranger's keep out the centre's, but not all are answered.
        """
        if not self._decisions.try_acquire():
            self._unanswered.count(faults[0].code)
            return
        report = statuses.rejected(None, faults, self._state)
        self._reporter.record(report)
        self._reporter.publish_aside(report)
        self._reporter.republish()

    def _answer(self, report: Reported) -> None:
        """Publish *report*; a candidate's report stays current."""
        if self._state.candidate is None:
            self._reporter.publish(report)
        else:
            self._reporter.publish_aside(report)
            self._reporter.republish()

    def _report_outcome(self, report: Reported) -> None:
        self._reporter.record(report)
        self._reporter.publish(report)


def _faults_of(error: MessageRejected | TransientError) -> tuple[Fault, ...]:
    """Return what is wrong with a message, or that its signature cannot be verified now."""
    if isinstance(error, MessageRejected):
        return error.faults
    return (Fault("/sig", error.reason, f"{error.detail}; send it again"),)
