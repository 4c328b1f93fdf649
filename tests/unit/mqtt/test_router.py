"""Messages find their handler by their topic, and by nothing else."""

from __future__ import annotations

import pytest

from gateway.mqtt.router import MessageRouter
from gateway.mqtt.topic_tree import CENTRE_STATE, COMMAND
from gateway.mqtt.topics import ParsedTopic, Topics
from gateway.ports import InboundMessage
from gateway.runtime.bugs import BugCounts
from tests.fixtures.clock import FakeClock

OWN = Topics("79", "hcm-q1-01")


class RoutedMessages:
    """A router, and what became of each message."""

    def __init__(self) -> None:
        self.handled: list[tuple[ParsedTopic, InboundMessage]] = []
        self.fail = False
        self.misrouted: list[str] = []
        self.acknowledged: list[InboundMessage] = []
        self.router = MessageRouter(
            OWN,
            {COMMAND: self._handle, CENTRE_STATE: self._handle},
            on_misrouted=self.misrouted.append,
            acknowledge=self.acknowledged.append,
            clock=FakeClock(),
        )

    def _handle(self, parsed: ParsedTopic, message: InboundMessage) -> None:
        if self.fail:
            raise RuntimeError("a bug")
        self.handled.append((parsed, message))


def test_a_message_reaches_its_handler_with_what_its_topic_says() -> None:
    """The name of a command stands in the topic."""
    routed = RoutedMessages()
    message = InboundMessage(OWN.command("rebirth"), b"{}")

    routed.router.route(message)

    assert routed.handled == [
        (ParsedTopic(COMMAND, "79", "hcm-q1-01", {"name": "rebirth"}), message)
    ]


def test_what_the_centre_says_to_all_is_for_us() -> None:
    """The control topics name no gateway."""
    routed = RoutedMessages()

    routed.router.route(InboundMessage("ctl/v1/state", b"{}"))

    assert [parsed.spec for parsed, _ in routed.handled] == [CENTRE_STATE]


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
    routed = RoutedMessages()

    routed.router.route(InboundMessage(topic, b"{}"))

    assert (routed.handled, routed.misrouted) == ([], [topic])


def test_a_message_for_nobody_does_not_hold_up_the_others() -> None:
    """The broker may forget it."""
    routed = RoutedMessages()
    message = InboundMessage("cgw/v1/79/other-01/dn/cmd/reboot", b"{}", receipt=(1, 7))

    routed.router.route(message)

    assert routed.acknowledged == [message]
    assert not routed.handled


def test_an_unexpected_error_ends_one_message_and_nothing_else(contained_bugs: BugCounts) -> None:
    """It is acknowledged, or the broker would deliver it again after each restart."""
    routed = RoutedMessages()
    routed.fail = True
    bad, good = (InboundMessage(OWN.command("rebirth"), body) for body in (b"1", b"2"))

    routed.router.route(bad)
    routed.fail = False
    routed.router.route(good)

    assert routed.acknowledged == [bad]
    assert [each for _, each in routed.handled] == [good]
    assert dict(contained_bugs.counts) == {"message": 1}
