"""What the page's form says becomes what the survey has."""

from __future__ import annotations

from gateway.model.site_document import SiteConfig
from gateway.setup.messages import Declare, read_request

SITE = SiteConfig.model_validate_json(
    b"""{"cameras": [
        {"id": "quay1", "name": "1", "streams": [{"url": "rtsp://10.0.0.1/1"}]},
        {"id": "quay2", "name": "2", "streams": [{"url": "rtsp://10.0.0.1/2"}]}
    ], "inventory": {"cameras": [{"id": "quay2", "type": "AHD", "channel": 2}]}}"""
)


def test_the_kind_of_all_cameras_is_asked_once() -> None:
    """Of those whose kind nobody has declared yet; what else is known of them stays."""
    survey = read_request(Declare, b'{"camera_type": "HD-TVI"}').declared(SITE)

    assert {each.id: (each.type, each.channel) for each in survey.cameras} == {
        "quay1": ("HD-TVI", None),
        "quay2": ("AHD", 2),
    }


def test_a_kind_that_was_left_out_changes_no_camera() -> None:
    """The form is optional, field by field."""
    survey = read_request(Declare, b'{"vms_kind": "NVR"}').declared(SITE)

    assert survey.cameras == (SITE.inventory.cameras if SITE.inventory else ())
    assert survey.vms_kind == "NVR"
