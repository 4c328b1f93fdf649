"""Messages find their receiver by their topic, and by nothing else."""

from __future__ import annotations

import pytest

from gateway.mqtt.router import MessageRouter
from gateway.mqtt.topic_tree import CENTRE_STATE, COMMAND
from gateway.mqtt.topics import ParsedTopic, Topics
from gateway.ports import InboundMessage
from tests.fixtures.clock import FakeClock

OWN = Topics("79", "hcm-q1-01")


class SessionManager:
    """An inbox and what came out of it."""

    def __init__(self) -> None:
        self.taken: list[tuple[ParsedTopic, InboundMessage]] = []
        self.strange: list[str] = []
        self.forgotten: list[InboundMessage] = []
        self.inbox = MessageRouter(
            OWN,
            {COMMAND: self._take, CENTRE_STATE: self._take},
            on_misrouted=self.strange.append,
            acknowledge=self.forgotten.append,
            clock=FakeClock(),
        )

    def _take(self, place: ParsedTopic, message: InboundMessage) -> None:
        self.taken.append((place, message))


def test_a_message_reaches_its_receiver_with_what_its_topic_says() -> None:
    """The name of a command stands in the topic."""
    session_manager = SessionManager()
    message = InboundMessage(OWN.command("rebirth"), b"{}")

    session_manager.inbox.route(message)

    assert session_manager.taken == [
        (ParsedTopic(COMMAND, "79", "hcm-q1-01", {"name": "rebirth"}), message)
    ]


def test_what_the_centre_says_to_all_is_for_us() -> None:
    """The control topics name no gateway."""
    session_manager = SessionManager()

    session_manager.inbox.route(InboundMessage("ctl/v1/state", b"{}"))

    assert [place.spec for place, _ in session_manager.taken] == [CENTRE_STATE]


@pytest.mark.parametrize(
    "topic",
    [
        Topics("79", "hcm-q1-02").command("reboot"),
        Topics("01", "hcm-q1-01").command("reboot"),
        OWN.config_desired,
        "cgw/v1/79/hcm-q1-01/dn/nothing",
        "elsewhere",
    ],
)
def test_a_message_for_somebody_else_is_told_and_left_alone(topic: str) -> None:
    """Another site's command is never carried out, whatever the broker let through."""
    session_manager = SessionManager()

    session_manager.inbox.route(InboundMessage(topic, b"{}"))

    assert (session_manager.taken, session_manager.strange) == ([], [topic])


def test_a_message_for_nobody_does_not_hold_up_the_others() -> None:
    """The broker may forget it."""
    session_manager = SessionManager()
    message = InboundMessage("cgw/v1/79/other-01/dn/cmd/reboot", b"{}", receipt=(1, 7))

    session_manager.inbox.route(message)

    assert session_manager.forgotten == [message]
    assert not session_manager.taken
