"""What is found about cameras, and what is made of many that are off at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarms.camera_rules import UPLINK, SiteTopology, camera_findings
from gateway.model.alarm import Finding
from gateway.model.health import CameraHealth, State
from gateway.model.reasons import Reason

PATHS = {
    "c1": ("nvr1", "sw1"),
    "c2": ("nvr1", "sw1"),
    "c3": ("nvr2", "sw1"),
    "c4": ("nvr2", "sw1"),
    "c5": ("poe",),
    "c6": ("poe",),
    "c7": (),
}
TOPOLOGY = SiteTopology(lambda camera: PATHS.get(camera, ()), lambda: ("nvr1", "nvr2"))
WELL = frozenset(PATHS)


def camera(name: str, state: State = "on", reason: Reason = Reason.OK) -> CameraHealth:
    return CameraHealth(name, state, reason, 10.0)


def found(
    cameras: Sequence[CameraHealth],
    *,
    connected: bool = True,
    topology: SiteTopology = TOPOLOGY,
    suspected_faults: Mapping[str, frozenset[Reason]] | None = None,
) -> dict[str, Finding]:
    listed = camera_findings(
        cameras, topology, connected=connected, suspected_faults=suspected_faults or {}
    )
    return {each.key: each for each in listed}


def site(*off: str, reason: Reason = Reason.TIMEOUT) -> list[CameraHealth]:
    """The seven cameras, those named *off*."""
    return [camera(each, "off", reason) if each in off else camera(each) for each in PATHS]


def bad(findings: Mapping[str, Finding]) -> set[str]:
    return {key for key, each in findings.items() if each.bad}


def test_a_site_that_is_well_has_nothing_bad() -> None:
    """Everything is looked at and nothing found."""
    findings = found(site())

    assert bad(findings) == set()
    assert {"cam.c1.down", "cam.c1.picture", "nvr.nvr1.down", "net.sw1.down", UPLINK} <= set(
        findings
    )


def test_one_camera_of_a_recorder_is_the_cameras_trouble() -> None:
    """The other one plays, so the recorder lives."""
    assert bad(found(site("c1"))) == {"cam.c1.down"}


def test_all_cameras_of_a_recorder_are_its_trouble() -> None:
    """It is the nearest explanation of each; the switch has another recorder that works."""
    findings = found(site("c1", "c2"))

    assert bad(findings) == {"cam.c1.down", "cam.c2.down", "nvr.nvr1.down"}
    assert findings["cam.c1.down"].parents == ("nvr.nvr1.down", "net.sw1.down")
    assert findings["nvr.nvr1.down"].cause is Reason.RECORDER_DOWN
    assert findings["nvr.nvr1.down"].arguments == {"nvr": "nvr1", "cams": 2}


def test_two_dead_recorders_on_one_switch_are_the_switchs_trouble() -> None:
    """The recorders fail too, explained by it."""
    findings = found(site("c1", "c2", "c3", "c4"))

    assert {"net.sw1.down", "nvr.nvr1.down", "nvr.nvr2.down"} <= bad(findings)
    assert findings["nvr.nvr1.down"].parents == ("net.sw1.down",)
    assert findings["net.sw1.down"].cause is Reason.PARENT_DOWN


def test_a_switch_that_explains_no_more_than_its_recorder_is_not_blamed() -> None:
    """With one recorder behind it nobody can tell them apart; the recorder is likelier."""
    assert "net.sw1.down" not in bad(found(site("c1", "c2")[:2]))


def test_cameras_on_a_switch_without_a_recorder_are_the_switchs_trouble() -> None:
    """PoE: no power, no cameras."""
    assert bad(found(site("c5", "c6"))) == {"cam.c5.down", "cam.c6.down", "net.poe.down"}


def test_a_password_that_one_recorder_refuses_is_one_trouble() -> None:
    """All its channels say the same, and it is not the network's."""
    findings = found(site("c1", "c2", reason=Reason.AUTH_FAILED))
    network = found(site("c5", "c6", reason=Reason.AUTH_FAILED))

    assert findings["nvr.nvr1.down"].cause is Reason.AUTH_FAILED
    assert bad(network) == {"cam.c5.down", "cam.c6.down"}


def test_cameras_of_unknown_state_neither_accuse_nor_acquit() -> None:
    """Of three one is unknown, two are off: the node is suspected; all unknown: no finding."""
    ways = dict.fromkeys(("c1", "c2", "c3"), ("poe",))
    topology = SiteTopology(lambda name: ways[name], tuple)
    off = camera("c1", "off", Reason.TIMEOUT), camera("c2", "off", Reason.TIMEOUT)
    unknown = [camera(each, "unk", Reason.CONNECTING) for each in ways]

    assert found([*off, unknown[2]], topology=topology)["net.poe.down"].bad
    assert found(unknown, topology=topology)["net.poe.down"].bad is None
    assert found(unknown, topology=topology)["cam.c1.down"].bad is None


def test_a_paused_camera_is_not_watched() -> None:
    """So an alarm it had is cleared, and it neither accuses nor acquits its recorder."""
    paused = camera("c1", "unk", Reason.PAUSED_BY_CONFIG)

    assert not [key for key in found([paused, *site()[1:]]) if key.startswith("cam.c1.")]


def test_a_line_that_is_down_does_not_explain_cameras_that_play() -> None:
    """The centre does not hear us; the cameras are fine or have their own reasons."""
    findings = found(site("c7"), connected=False)

    assert findings[UPLINK].bad
    assert UPLINK not in findings["cam.c7.down"].parents


def test_a_gateway_that_reaches_nothing_has_one_trouble() -> None:
    """Neither centre nor any camera: it is cut off, and that explains all."""
    findings = found(site(*PATHS), connected=False)

    assert all(
        UPLINK in each.parents
        for key, each in findings.items()
        if key.endswith(".down") and each.bad and key != UPLINK
    )


def test_cameras_beyond_the_line_are_explained_by_it() -> None:
    """A camera at another place is pulled over the same line as the centre."""
    topology = SiteTopology(lambda _: ("wan",), tuple)
    findings = found([camera("c1", "off", Reason.TIMEOUT)], connected=False, topology=topology)

    assert findings["cam.c1.down"].parents == (UPLINK,)
    assert not [key for key in findings if "wan" in key]


def test_a_doubtful_picture_is_a_warning_with_all_its_doubts() -> None:
    """Only while there is a picture; it is explained by a camera that is down."""
    suspected_faults = {"c1": frozenset({Reason.STALLED, Reason.CORRUPT})}
    seen = found(site(), suspected_faults=suspected_faults)["cam.c1.picture"]
    off = found(site("c1"), suspected_faults=suspected_faults)["cam.c1.picture"]

    assert (seen.bad, seen.severity, seen.cause) == (True, "warning", Reason.STALLED)
    assert seen.arguments == {"cam": "c1", "also": "CORRUPT"}
    assert seen.parents == ("cam.c1.down",)
    assert off.bad is None


@pytest.mark.parametrize("reason", [Reason.KEYFRAME_STARVED, Reason.CLOCK_JUMP, Reason.B_FRAMES])
def test_a_camera_whose_picture_suffers_is_a_warning(reason: Reason) -> None:
    """It is watched, and suffers."""
    findings = found([camera("c1", "deg", reason)])

    assert findings["cam.c1.picture"].cause is reason
    assert findings["cam.c1.down"].bad is False


@given(
    st.lists(st.sampled_from(["on", "off", "unk", "deg"]), min_size=7, max_size=7),
    st.sampled_from([Reason.TIMEOUT, Reason.AUTH_FAILED, Reason.NOT_FOUND]),
    st.booleans(),
)
def test_no_node_is_blamed_while_something_behind_it_works(
    states: list[State], reason: Reason, connected: bool
) -> None:
    """Whatever is off: each key once, and no explanation that a working camera refutes."""
    cameras = [camera(name, state, reason) for name, state in zip(PATHS, states, strict=True)]
    listed = list(camera_findings(cameras, TOPOLOGY, connected=connected, suspected_faults={}))
    works = {node for each in cameras if each.state in ("on", "deg") for node in PATHS[each.id]}

    assert len({each.key for each in listed}) == len(listed)
    assert not {f"nvr.{node}.down" for node in works} & bad({each.key: each for each in listed})
    assert not {f"net.{node}.down" for node in works} & bad({each.key: each for each in listed})


def clock_finding(off_s: float | None, *, standing: tuple[str, ...] = ()) -> Finding:
    """What is found of a camera whose clock is so far ahead of ours, which is right."""
    health = replace(camera("c1"), clock_off_s=off_s)
    listed = camera_findings(
        [health],
        TOPOLOGY,
        connected=True,
        suspected_faults={},
        clock_right=True,
        standing=standing,
    )
    return next(each for each in listed if each.key == "cam.c1.clock")


def test_a_recorder_an_hour_ahead_is_in_the_zone_of_its_factory() -> None:
    """A minor alarm that says by how much; one that tells no time is neither right nor wrong."""
    ahead = clock_finding(3599.6)

    assert (ahead.bad, ahead.cause, ahead.severity) == (True, Reason.CAMERA_TIME_ZONE, "minor")
    assert ahead.arguments == {"cam": "c1", "clk_s": 3600}
    assert clock_finding(-900.0).cause is Reason.CAMERA_CLOCK_OFF
    assert clock_finding(0.4).bad is False
    assert clock_finding(None).bad is None


def test_a_clock_that_is_nearly_right_again_is_still_wrong() -> None:
    """Else one that drifts past the limit would be raised and cleared in turn."""
    assert clock_finding(55.0).bad is False
    assert clock_finding(55.0, standing=("cam.c1.clock",)).bad is True
