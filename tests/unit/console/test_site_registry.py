"""What the register makes of what gateways say, and of their silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.messages import sites_message
from gateway.console.server import Console
from gateway.console.settings import Settings
from gateway.console.site_registry import Change, SiteRegistry
from gateway.console.site_state import STALE_S
from gateway.console.site_state import Site as SiteValue
from gateway.console.views import SiteView
from gateway.model.errors import MessageRejected
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.topics import Topics, parse_topic
from gateway.ports import InboundMessage
from tests.fixtures.clock import FakeClock
from tests.unit.console.centre import NOW_MS, TOPICS, Site, seen


def test_a_site_that_connects_is_on() -> None:
    """Presence said now is enough."""
    site = Site()

    change = site.online()

    assert change == Change("24/bacninh-01")
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

    assert aged == (Change("24/bacninh-01"),)
    assert (site.state(), site.camera_state("c01")) == ("unk", "unk")
    assert site.registry.sweep_stale() == ()


def test_what_is_too_old_takes_its_reason_along() -> None:
    """A camera that is not known any more does not go on showing why it was well."""
    site = Site()
    site.online()
    site.birth("c01")
    site.cameras(seen("c01"))
    site.clock.time_s += STALE_S + 1

    view = site.registry.view(Change("24/bacninh-01"))

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

    assert change == Change("24/bacninh-01", frozenset({"c02"}))
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

    view = site.registry.view(Change("24/bacninh-01"))

    assert view is not None
    assert view.cams[0].since_ms == NOW_MS - 30_000


def test_a_camera_that_is_listed_no_more_is_gone() -> None:
    """A new birth replaces the list."""
    site = Site()
    site.online()
    site.birth("c01", "c02")
    site.cameras(seen("c01"), seen("c02"))

    site.birth("c02")

    view = site.registry.view(Change("24/bacninh-01"))
    assert view is not None
    assert view.ids == ("c02",)


def test_one_name_in_two_provinces_is_two_sites() -> None:
    """A gateway of another province takes nobody's place, whether the other is on or off."""
    site = Site()
    site.online()
    site.birth("c01")
    other = Site(Topics("79", "bacninh-01"), site.registry)

    for lost in (False, True):
        if lost:
            site.lost(epoch=5)
        before = site.registry.view(Change(site.key))
        change = other.online()

        assert change == Change("79/bacninh-01")
        assert site.registry.view(Change(site.key)) == before
    assert set(site.registry.site_keys()) == {"24/bacninh-01", "79/bacninh-01"}


def test_a_site_that_is_removed_takes_no_namesake_along() -> None:
    """The empty presence of one province deletes that province's site."""
    site = Site()
    site.online()
    other = Site(Topics("79", "bacninh-01"), site.registry)
    other.online()

    other.take(other.topics.presence, ("", b""))

    assert site.registry.site_keys() == ("24/bacninh-01",)


def test_an_empty_presence_takes_the_site_away() -> None:
    """So the centre forgets a gateway for good."""
    site = Site()
    site.online()

    change = site.take(TOPICS.presence, ("", b""))

    assert change == Change("24/bacninh-01", gone=True)
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

    assert site.registry.site_keys() == ()


def refused(site: Site, topic: str, payload: bytes) -> Change | None:
    """Have *payload* rejected, as the server does."""
    place = parse_topic(topic)
    assert place is not None
    with pytest.raises(MessageRejected) as caught:
        site.registry.apply_message(place, InboundMessage(topic, payload))
    return site.registry.reject(place, caught.value.faults[0])


def test_a_report_that_cannot_be_read_is_said_at_its_site() -> None:
    """With the place and the code; what was known before stays; a good report ends it."""
    site = Site()
    site.online()
    site.birth("c01")
    site.cameras(seen("c01"))
    payload = b'{"t":1,"ep":5,"n":9,"id":"c01","st":"off","why":"TIMEOUT","since_s":1e308}'

    change = refused(site, TOPICS.camera_state("c01"), payload)

    assert change == Change(site.key, frozenset())
    view = site.registry.view(change)
    assert view is not None
    assert view.invalid == "cam/c01/state: /since_s less_than_equal"
    assert site.camera_state("c01") == "on"
    site.camera(seen("c01"))
    view = site.registry.view(Change(site.key))
    assert view is not None
    assert view.invalid == ""


def test_a_site_whose_first_report_is_invalid_is_shown() -> None:
    """An operator sees that there is somebody who says nonsense."""
    site = Site()

    change = refused(site, TOPICS.presence, b"{")

    assert change is not None
    view = site.registry.view(change)
    assert view is not None
    assert view.name == "bacninh-01"
    assert view.invalid.startswith("presence: ")


def test_the_same_invalid_report_again_changes_nothing() -> None:
    """A gateway that says nonsense for ever does not keep all browsers busy."""
    site = Site()
    refused(site, TOPICS.presence, b"{")

    assert refused(site, TOPICS.presence, b"{") is None


def test_a_camera_speaks_under_its_own_topic_only() -> None:
    """So does an alarm: whoever reads the topic and whoever reads the payload see one thing."""
    site = Site()
    site.online()
    payload = b'{"t":1,"ep":5,"n":9,"id":"c02","st":"off","why":"TIMEOUT","since_s":1}'

    change = refused(site, TOPICS.camera_state("c01"), payload)

    assert change == Change(site.key, frozenset())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.sampled_from([1e308, -1e308, 1e20, 1e15, -1, 0, 2**53, 2**63 - 1, 5e-324, 2**40])
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)

VALID: dict[str, dict[str, object]] = {
    TOPICS.presence: {"st": "online", "ep": 5, "t": NOW_MS},
    TOPICS.birth: {"t": NOW_MS, "ep": 5, "n": 1, "name": "x", "cams": [{"id": "c01", "name": "a"}]},
    TOPICS.site_health: {"t": NOW_MS, "ep": 5, "n": 2, "host": {"up": 5.0, "cpu": {"p": 1.0}}},
    TOPICS.camera_state("c01"): {
        "t": NOW_MS,
        "ep": 5,
        "n": 3,
        "id": "c01",
        "st": "off",
        "why": "TIMEOUT",
        "since_s": 1.0,
        "tries": 2,
        "again_s": 3.0,
        "w": 640,
        "h": 360,
        "fps": 25.0,
    },
    TOPICS.cameras_health: {
        "t": NOW_MS,
        "ep": 5,
        "n": 3,
        "cols": ["id", "st", "why", "since_s", "again_s"],
        "rows": [["c01", "off", "TIMEOUT", 1.0, 2.0]],
    },
    TOPICS.alarm("cam.c01.down"): {
        "t": NOW_MS,
        "ep": 5,
        "n": 4,
        "id": "1",
        "key": "cam.c01.down",
        "st": "raised",
        "sev": "major",
        "since": NOW_MS,
        "cause": "TIMEOUT",
        "args": {"cam": "c01"},
    },
}


def numbers(tree: object) -> Iterator[float]:
    """Yield every number in *tree*."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from numbers(each)
    elif isinstance(tree, (int, float)):
        yield tree


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(VALID)), st.integers(0, 12), JSON, st.booleans(), st.booleans()
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_json_of_one_site_touches_the_row_of_another(
    messages: list[tuple[str, int, object, bool, bool]],
) -> None:
    """Whatever one gateway says, each site's row is written, with times that a page can show."""
    site = Site()
    honest = Site(Topics("79", "hcm-0001"), site.registry)
    honest.online()
    honest.birth("c01")
    honest.cameras(seen("c01"))
    before = honest.registry.view(Change(honest.key))
    for topic, position, value, whole, retain in messages:
        tree: object = dict(VALID[topic])
        if whole:
            tree = value
        elif isinstance(tree, dict):
            tree[sorted(tree)[position % len(tree)]] = value
        place = parse_topic(topic)
        assert place is not None
        payload = json.dumps(tree).encode()
        try:
            site.registry.apply_message(place, InboundMessage(topic, payload, retain))
        except MessageRejected as error:
            site.registry.reject(place, error.faults[0])
        site.registry.sweep_stale()

    views = [site.registry.view(Change(key)) for key in site.registry.site_keys()]
    told = json.loads(sites_message(tuple(filter(None, views)), (), full=True))

    assert len(told["sites"]) == len(views)
    assert honest.registry.view(Change(honest.key)) == before
    for number in numbers(told["sites"]):
        assert abs(number) <= 8.64e15


def test_a_bug_in_one_sites_row_costs_no_other_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """That row says what has happened; the message to the browsers is written."""
    site = Site()
    site.online()
    site.birth("c01")
    site.cameras(seen("c01"))
    honest = Site(Topics("79", "hcm-0001"), site.registry)
    honest.online()
    build = SiteRegistry._view

    def fail_for_one(self: SiteRegistry, site: SiteValue, *rest: Any) -> SiteView:
        if site.province == "24":
            raise OverflowError
        return build(self, site, *rest)

    monkeypatch.setattr(SiteRegistry, "_view", fail_for_one)

    views = [site.registry.view(Change(key)) for key in ("24/bacninh-01", "79/hcm-0001")]

    told = json.loads(sites_message(tuple(filter(None, views)), (), full=True))["sites"]
    assert [(each["gw"], each["st"], each["invalid"]) for each in told] == [
        ("bacninh-01", "unk", "OverflowError"),
        ("hcm-0001", "on", ""),
    ]


def test_a_bug_met_by_one_message_ends_that_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The console goes on, and the site says that its message could not be applied."""
    broker = BrokerAddress(host="127.0.0.1", port=1)
    console = Console(Settings(broker=broker), clock=FakeClock())

    def fail(*_: object) -> NoReturn:
        raise OverflowError

    monkeypatch.setattr(SiteRegistry, "_apply_payload", fail)

    console.deliver(InboundMessage(TOPICS.presence, b"{}"))
    monkeypatch.undo()
    console.deliver(InboundMessage(TOPICS.presence, b'{"st":"online","ep":1}'))
