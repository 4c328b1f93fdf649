"""What a discovery has found fills what nobody has declared, and never replaces it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gateway.inventory.sections import MOST_FOUND, Sources, build_inventory
from gateway.model.detected import DetectedDevice
from gateway.model.provenance import Sourced
from gateway.model.site_document import SiteConfig
from gateway.mqtt.payloads.inventory import section_trees
from gateway.runtime.strict_json import dumps

RECORDER = DetectedDevice(
    "10.1.0.2",
    "scan",
    7_000,
    mac="44:19:b6:00:00:01",
    manufacturer="Hikvision",
    model="DS-7216",
    kind="recorder",
    channels=16,
    paths=(("/Streaming/Channels/302", 3),),
)
CAMERA = DetectedDevice(
    "10.1.0.3", "onvif", 8_000, mac="00:00:5e:00:53:01", manufacturer="Axis", model="P32"
)


def site(**survey: Any) -> SiteConfig:
    cameras = [
        {
            "id": "c01",
            "name": "a",
            "device": "nvr1",
            "streams": [{"url": "rtsp://10.1.0.2/streaming/channels/302"}],
        },
        {"id": "c02", "name": "b", "streams": [{"url": "rtsp://10.1.0.3/axis-media/media.amp"}]},
    ]
    return SiteConfig.model_validate_json(json.dumps({"cameras": cameras, "inventory": survey}))


def test_a_recorder_tells_what_nobody_has_declared() -> None:
    """With its source and time; of a channel the number, and not the recorder's model."""
    found = build_inventory(Sources(site(), detected=(RECORDER, CAMERA)), 9_000)

    (recorder,) = found.recorders
    channel = found.cameras[0]
    assert recorder.model == Sourced("DS-7216", "scan", 7_000)
    assert recorder.channels == Sourced(16, "scan", 7_000)
    assert channel.channel == Sourced(3, "scan", 7_000)
    assert (channel.model, channel.mac) == (None, None)


def test_a_camera_of_its_own_tells_of_itself() -> None:
    """Maker, model and MAC address."""
    camera = build_inventory(Sources(site(), detected=(CAMERA,)), 9_000).cameras[1]

    assert camera.manufacturer == Sourced("Axis", "onvif", 8_000)
    assert camera.mac == Sourced("00:00:5e:00:53:01", "onvif", 8_000)


def test_each_device_is_told_in_its_own_words_as_well() -> None:
    """Beside what is declared of it, so that the centre can compare both."""
    declared = {"cameras": [{"id": "c02", "model": "M30"}]}
    net = build_inventory(Sources(site(**declared), detected=(RECORDER, CAMERA)), 9_000).net

    assert [(each.id, each.model, each.origin) for each in net.found] == [
        ("10.1.0.2", "DS-7216", "scan"),
        ("10.1.0.3", "P32", "onvif"),
    ]


def test_what_a_device_calls_itself_is_bounded() -> None:
    """Whatever it answers, the section can be sent."""
    loud = replace(CAMERA, model="x" * 5_000)
    inventory = build_inventory(Sources(site(), detected=(loud,) * 300), 9_000)

    assert len(inventory.net.found) == MOST_FOUND
    assert len(dumps(section_trees(inventory)["net"])) < 200_000


def test_what_is_declared_stays() -> None:
    """Whatever the device says."""
    declared = {"cameras": [{"id": "c02", "model": "M30"}]}
    camera = build_inventory(Sources(site(**declared), detected=(CAMERA,)), 9_000).cameras[1]

    assert camera.model is not None
    assert (camera.model.value, camera.model.origin) == ("M30", "survey")
