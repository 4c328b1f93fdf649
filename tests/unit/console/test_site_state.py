"""Which alarms a site shows: those that stand, of this connection, and that nothing explains."""

from __future__ import annotations

from dataclasses import replace

from gateway.console.site_registry import Change
from gateway.console.site_state import MAX_ALARMS
from gateway.model.alarm import Alarm
from gateway.model.reasons import Reason
from tests.unit.console.centre import NOW_MS, Site

CAMERA = Alarm(
    key="cam.c01.down",
    id="1",
    raised=True,
    severity="major",
    since_ms=NOW_MS - 90_000,
    cause=Reason.TIMEOUT,
    arguments={"cam": "c01"},
)
RECORDER = replace(CAMERA, key="nvr.nvr1.down", severity="critical", cause=Reason.RECORDER_DOWN)


def online() -> Site:
    site = Site()
    site.online()
    site.birth("c01", "c02")
    return site


def keys(site: Site) -> list[str]:
    return [each.key for each in site.alarms()]


def test_an_alarm_changes_the_sites_head_and_no_camera() -> None:
    """Only its head is told anew; since when is shown by our clock, not by the gateway's."""
    site = online()

    assert site.alarm(CAMERA) == Change("24/bacninh-01", frozenset())
    (shown,) = site.alarms()
    assert (shown.reason, shown.sev, shown.args) == (Reason.TIMEOUT, "major", {"cam": "c01"})
    assert shown.since_ms == NOW_MS - 90_000


def test_a_gateway_whose_clock_is_wrong_has_alarms_of_the_right_age() -> None:
    """Its two times are compared with each other, not with ours."""
    site = online()
    wrong_ms = 1_000_000

    site.alarm(replace(CAMERA, since_ms=wrong_ms - 90_000), time_ms=wrong_ms)

    assert site.alarms()[0].since_ms == NOW_MS - 90_000


def test_a_cleared_alarm_is_gone_and_an_older_raise_does_not_bring_it_back() -> None:
    """A message that was overtaken says nothing."""
    site = online()
    site.alarm(CAMERA)
    site.alarm(replace(CAMERA, raised=False))
    site.number = 0

    site.alarm(CAMERA)

    assert keys(site) == []


def test_what_is_explained_is_counted_not_shown() -> None:
    """The recorder stands for its cameras; the worst is first."""
    site = online()
    site.alarm(replace(CAMERA, key="host.temp", severity="minor"))
    site.alarm(replace(CAMERA, parent=RECORDER.key))
    site.alarm(RECORDER)

    assert keys(site) == ["nvr.nvr1.down", "host.temp"]
    assert site.alarms()[0].explains == 1


def test_an_explanation_that_stands_no_more_explains_nothing() -> None:
    """The camera is shown again until it says itself how it is."""
    site = online()
    site.alarm(RECORDER)
    site.alarm(replace(CAMERA, parent=RECORDER.key))
    site.alarm(replace(RECORDER, raised=False))

    assert keys(site) == ["cam.c01.down"]


def test_an_alarm_of_an_earlier_connection_counts_for_nothing() -> None:
    """Every connection begins with what stands: the broker's memory alone proves nothing."""
    site = online()
    site.alarm(CAMERA)

    site.epoch += 1
    site.online()
    before = keys(site)
    site.alarm(CAMERA)

    assert (before, keys(site)) == ([], ["cam.c01.down"])


def test_a_flood_of_keys_is_bounded() -> None:
    """What a gateway invents must not fill the memory."""
    site = online()
    for number in range(MAX_ALARMS + 50):
        site.alarm(replace(CAMERA, key=f"x.{number}"))

    assert len(keys(site)) == MAX_ALARMS
