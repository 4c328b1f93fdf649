"""Runs the checks, stores alarms and publishes them.

What is raised and cleared is decided in `state` and `damping`. Each alarm is a retained message
under its key; all that are raised are sent again on each connection. Raising and clearing are
events besides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from typing import NoReturn

import structlog

from gateway.alarms.state import AlarmState
from gateway.alarms.store import AlarmStore, StoredAlarms
from gateway.model.alarm import Alarm, AlarmTransition, Damping, Finding
from gateway.model.event import Event
from gateway.model.names import new_id
from gateway.mqtt import topic_tree
from gateway.mqtt.epoch import Epochs
from gateway.mqtt.payloads import alarm as alarm_payload
from gateway.mqtt.topics import Topics, build_message
from gateway.ports import Bus, Clock, Events, OutboundMessage
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import now_ms

MAX_CLEARED = 64
"""Cleared alarms that are remembered until a connection has begun with them."""

log = structlog.get_logger(__name__)


class AlarmService:
    """Evaluates every *check_s* seconds, and publishes what has changed.

    Args:
        topics: Of this gateway.
        evaluate: Makes one round of checks, given the keys of the alarms that are raised.
        damping: How long something must last to be raised or cleared.
        store: Holds the alarms over a restart.
        epochs: Numbers messages.
        bus: Publishes the alarms.
        events: Records what has been raised and cleared; None: it is logged only.
        clock: Monotonic.
        check_s: Between two rounds.
    """

    def __init__(
        self,
        topics: Topics,
        *,
        evaluate: Callable[[Collection[str]], Iterable[Finding]],
        damping: Damping,
        store: AlarmStore,
        epochs: Epochs,
        bus: Bus,
        clock: Clock,
        check_s: float,
        events: Events | None = None,
    ) -> None:
        stored = store.load()
        self._topics = topics
        self._evaluate = evaluate
        self._state = AlarmState(damping, new_id=new_id, standing=stored.standing)
        self._cleared = {each.key: each for each in stored.cleared}
        self._store = store
        self._epochs = epochs
        self._bus = bus
        self._events = events
        self._clock = clock
        self._check_s = check_s

    @property
    def standing(self) -> tuple[Alarm, ...]:
        """The alarms that are raised now."""
        return tuple(self._state.standing.values())

    def greeting(self) -> Iterator[OutboundMessage]:
        """Yield what a connection begins with: raised alarms, and those cleared since the last."""
        cleared, self._cleared = self._cleared, {}
        yield from map(self._message, chain(cleared.values(), self.standing))

    async def run(self) -> NoReturn:
        """Check until cancelled."""
        while True:
            await self._clock.sleep(self._check_s)
            try:
                findings = list(self._evaluate(self._state.standing.keys()))
            except Exception as error:  # ends this round only
                report_bug("report", error, "alarms")
                continue
            transitions = self._state.check(findings, self._clock.now(), now_ms())
            for transition in transitions:
                self._publish(transition)
            if transitions:
                stored = StoredAlarms(self.standing, tuple(self._cleared.values()))
                await asyncio.to_thread(self._store.save, stored)

    def _publish(self, transition: AlarmTransition) -> None:
        alarm = transition.alarm
        self._bus.publish(self._message(alarm))
        self._cleared.pop(alarm.key, None)
        if transition.act == "clear":
            self._cleared[alarm.key] = alarm
            if len(self._cleared) > MAX_CLEARED:
                self._cleared.pop(next(iter(self._cleared)))
        if transition.act == "change":
            return
        event = "alarm_raised" if transition.act == "raise" else "alarm_cleared"
        log.warning(event, key=alarm.key, cause=alarm.cause, sev=alarm.severity)
        if self._events is not None:
            facts = {
                "key": alarm.key,
                "act": transition.act,
                "alarm": alarm.id,
                "cause": alarm.cause.value,
                "sev": alarm.severity,
                "since": alarm.since_ms,
                **({"parent": alarm.parent} if alarm.parent else {}),
            }
            self._events.record(Event("alarm", facts))

    def _message(self, alarm: Alarm) -> OutboundMessage:
        payload = alarm_payload.encode_alarm(self._epochs.stamp(), alarm)
        expiry_s = None if alarm.raised else alarm_payload.CLEARED_S
        return build_message(
            topic_tree.ALARM, self._topics.alarm(alarm.key), payload, expiry_s=expiry_s
        )
