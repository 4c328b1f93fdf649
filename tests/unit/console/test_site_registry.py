"""What the register makes of what gateways say, and of their silence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.site_registry import Change
from gateway.console.site_state import STALE_S
from gateway.model.errors import MessageRejected
from gateway.model.reasons import Reason
from gateway.mqtt.topics import Topics, parse_topic
from gateway.ports import InboundMessage
from tests.unit.console.centre import NOW_MS, TOPICS, Site, seen


def test_a_site_that_connects_is_on() -> None:
    """Presence said now is enough."""
    site = Site()

    change = site.online()

    assert change == Change("bacninh-01")
    assert site.state() == "on"


def test_a_will_takes_the_site_off() -> None:
    """The will of the connection that is held counts."""
    site = Site()
    site.online()

    site.lost(epoch=5)

    assert site.state() == "off"


def test_a_late_will_does_not_kill_a_new_session() -> None:
    """An offline whose epoch is lower than the one held changes nothing."""
    site = Site()
    site.online()
    site.epoch = 6
    site.online()

    change = site.lost(epoch=5)

    assert change is None
    assert site.state() == "on"


def test_a_kept_presence_alone_tells_nothing_about_now() -> None:
    """A broker may have retained `online` for weeks."""
    site = Site()

    site.online(retain=True)

    assert site.state() == "unk"


def test_kept_health_counts_with_its_age() -> None:
    """Health of 100 s ago is fresh for another 80 s."""
    site = Site()
    site.online(retain=True)
    site.birth("c01")
    site.cameras(seen("c01"), retain=True, time_ms=NOW_MS - 100_000)

    fresh = site.camera_state("c01")
    site.clock.time_s += STALE_S - 99
    stale = site.camera_state("c01")

    assert (fresh, stale) == ("on", "unk")


def test_health_that_is_too_old_is_unknown_not_off() -> None:
    """After 180 s of silence neither the site nor its cameras are known; the page is told."""
    site = Site()
    site.online()
    site.birth("c01")
    site.cameras(seen("c01"))
    site.clock.time_s += STALE_S + 1

    aged = site.registry.sweep_stale()

    assert aged == (Change("bacninh-01"),)
    assert (site.state(), site.camera_state("c01")) == ("unk", "unk")
    assert site.registry.sweep_stale() == ()


def test_what_is_too_old_takes_its_reason_along() -> None:
    """A camera that is not known any more does not go on showing why it was well."""
    site = Site()
    site.online()
    site.birth("c01")
    site.cameras(seen("c01"))
    site.clock.time_s += STALE_S + 1

    view = site.registry.view(Change("bacninh-01"))

    assert view is not None
    assert view.cams[0].reason is None


def test_cameras_of_a_site_that_is_off_are_unknown() -> None:
    """Nobody has looked at them since."""
    site = Site()
    site.online()
    site.birth("c01")
    site.cameras(seen("c01"))

    site.lost(epoch=5)

    assert site.camera_state("c01") == "unk"


def test_a_state_message_tells_its_camera_only() -> None:
    """The delta is as small as the news."""
    site = Site()
    site.online()
    site.birth("c01", "c02")
    site.cameras(seen("c01"), seen("c02"))

    change = site.camera(seen("c02", "off", Reason.UNREACHABLE))

    assert change == Change("bacninh-01", frozenset({"c02"}))
    assert site.camera_state("c02") == "off"


def test_an_older_message_does_not_overwrite_a_newer() -> None:
    """Order is by epoch and number, not by arrival."""
    site = Site()
    site.online()
    site.birth("c01")
    site.number = 50
    site.camera(seen("c01", "off", Reason.STALLED))
    site.number = 10

    site.cameras(seen("c01"))

    assert site.camera_state("c01") == "off"


def test_times_are_told_by_the_servers_clock() -> None:
    """`since` is when the gateway says it began, `again` when it tries next."""
    site = Site()
    site.online()
    site.birth("c01")
    site.camera(seen("c01", "off", Reason.REFUSED))

    view = site.registry.view(Change("bacninh-01"))

    assert view is not None
    assert view.cams[0].since_ms == NOW_MS - 30_000


def test_a_camera_that_is_listed_no_more_is_gone() -> None:
    """A new birth replaces the list."""
    site = Site()
    site.online()
    site.birth("c01", "c02")
    site.cameras(seen("c01"), seen("c02"))

    site.birth("c02")

    view = site.registry.view(Change("bacninh-01"))
    assert view is not None
    assert view.ids == ("c02",)


def test_one_name_in_two_provinces_is_the_one_we_hear() -> None:
    """A gateway of another province cannot take a living one's place on the page."""
    site = Site()
    site.online()
    other = Site(Topics("79", "bacninh-01"), site.registry)

    change = other.online()

    assert change is None
    assert site.registry.province_of("bacninh-01") == "24"


def test_a_gateway_may_move_while_it_is_off() -> None:
    """Re-homing: the old place has said offline, the new one comes."""
    site = Site()
    site.online()
    site.lost(epoch=5)
    other = Site(Topics("79", "bacninh-01"), site.registry)
    other.epoch = 6

    other.online()

    assert site.registry.province_of("bacninh-01") == "79"


def test_an_empty_presence_takes_the_site_away() -> None:
    """So the centre forgets a gateway for good."""
    site = Site()
    site.online()

    change = site.take(TOPICS.presence, ("", b""))

    assert change == Change("bacninh-01", gone=True)
    assert site.registry.view(change) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_rejected(payload: bytes) -> None:
    """Nothing that a gateway sends raises anything else."""
    site = Site()
    for topic in (TOPICS.presence, TOPICS.birth, TOPICS.cameras_health, TOPICS.camera_state("c1")):
        place = parse_topic(topic)
        assert place is not None

        try:
            site.registry.apply_message(place, InboundMessage(topic, payload))
        except MessageRejected:
            continue


def test_an_unreadable_message_changes_nothing() -> None:
    """Not even a site comes into being."""
    site = Site()

    with pytest.raises(MessageRejected):
        site.take(TOPICS.presence, ("", b"{"))

    assert tuple(site.registry.gateways()) == ()
