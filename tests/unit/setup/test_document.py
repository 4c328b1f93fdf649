"""The site document that a set-up makes."""

from __future__ import annotations

from gateway.config.documents import parse_site
from gateway.model.site_document import SiteConfig
from gateway.setup.document import changes, site_document
from gateway.setup.model import Choice, FoundChannel, FoundDevice, Setup, StreamTest
from tests.unit.setup.test_model import with_device

BEFORE = parse_site(
    b"""{"version": 4, "name": "M\\u1ed9t c\\u1eeda", "limits": {"viewers": 5}, "cameras": [
    {"id": "cong", "name": "C\\u1ed5ng", "streams": [{"url": "rtsp://10.0.0.5/1"}]},
    {"id": "cu", "name": "T\\u00ean c\\u0169", "device": "nvr1", "enabled": false,
     "streams": [{"url": "rtsp://10.0.0.9/201", "keep": "warm"}]}]}"""
)


def chosen(*choices: Choice) -> Setup:
    setup = with_device()
    setup.choose(choices)
    return setup


def test_cameras_are_added_and_everything_else_stays() -> None:
    """Name, limits and other cameras; the version grows."""
    setup = chosen(Choice("nvr1.1", "Quầy 1", "Tầng 1"))
    setup.taken = frozenset({"cong", "cu"})

    after = site_document(setup, BEFORE)

    assert [each.id for each in after.cameras] == ["cong", "cu", "quay1"]
    assert (after.version, after.name, after.limits) == (5, BEFORE.name, BEFORE.limits)
    camera = after.cameras[-1]
    assert (camera.name, camera.location, camera.device) == ("Quầy 1", "Tầng 1", "nvr1")
    assert camera.username == "viewer"
    assert camera.password is not None
    assert camera.password.name == "nvr1"
    assert changes(BEFORE, after) == (("+", "quay1", "Quầy 1"),)


def test_a_camera_that_is_there_already_keeps_its_id_and_its_switches() -> None:
    """It is known by where its stream is, not by its name."""
    after = site_document(chosen(Choice("nvr1.2", "Quầy 2")), BEFORE)

    camera = after.cameras[1]
    assert (camera.id, camera.name, camera.enabled) == ("cu", "Quầy 2", False)
    assert camera.streams[0].keep == "warm"
    assert changes(BEFORE, after) == (("~", "cu", "Quầy 2"),)


def test_a_stream_that_does_not_work_is_left_out() -> None:
    """Where another one does; where none does all are kept, for the recorder may be mended."""
    setup = Setup()
    found = FoundChannel(
        1, "", "live", (("main", "rtsp://10.0.0.9/101"), ("sub", "rtsp://10.0.0.9/102"))
    )
    setup.add_device("nvr1", FoundDevice("10.0.0.9", "", "", (found,)), None)
    setup.choose([Choice("nvr1.1", "Quầy 1")])
    broken = StreamTest("sub", False, None, "")

    setup.set_tests("nvr1.1", (StreamTest("main", True, None, ""), broken))
    some = site_document(setup, SiteConfig())
    setup.set_tests("nvr1.1", (StreamTest("main", False, None, ""), broken))
    none = site_document(setup, SiteConfig())

    assert [each.profile for each in some.cameras[0].streams] == ["main"]
    assert [each.profile for each in none.cameras[0].streams] == ["main", "sub"]


def test_the_form_learns_recorder_and_channels() -> None:
    """Field by field of dispatch 10362, part II."""
    after = site_document(chosen(Choice("nvr1.3", "Quầy 3")), SiteConfig())

    assert after.inventory is not None
    (recorder,), (camera,) = after.inventory.recorders, after.inventory.cameras
    assert (recorder.manufacturer, recorder.model, recorder.channels) == ("Hikvision", "DS-7616", 3)
    assert (camera.id, camera.nvr, camera.channel) == ("quay3", "nvr1", 3)
