"""Numbers on the wire: each has bounds, which its schema says and its reader keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields

import pytest

from gateway.model.errors import MessageRejected
from gateway.model.health import CameraHealth, HostSample, SiteHealth
from gateway.model.reasons import Reason
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.alarm import decode_alarm
from gateway.mqtt.payloads.health import (
    BOUNDS,
    CAMERA,
    SITE,
    TEXT_LENGTH,
    decode_camera_state,
    decode_cameras_health,
    decode_site_health,
    encode_camera_state,
    encode_cameras_health,
    encode_site_health,
)
from gateway.mqtt.payloads.presence import decode_birth, decode_presence
from tests.contract.schemas import schemas

STAMP = Stamp(1_764_000_000_000, 5, 1)


def unbounded(schema: object, at: str) -> Iterator[str]:
    """Yield the places of numbers without both bounds."""
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from unbounded(each, f"{at}/{number}")
    if not isinstance(schema, dict):
        return
    if schema.get("type") in ("integer", "number") and "enum" not in schema:
        low = {"minimum", "exclusiveMinimum", "const"} & schema.keys()
        high = {"maximum", "exclusiveMaximum", "const"} & schema.keys()
        if not (low and high):
            yield at
    for key, value in schema.items():
        yield from unbounded(value, f"{at}/{key}")


def test_every_number_that_a_gateway_says_has_bounds() -> None:
    """A reader computes with nothing that may be as large as it likes.

    Not said by gateways: configurations and commands. Facts of an event are shown as they are.
    """
    found = [
        place
        for name, schema in schemas().items()
        if not name.startswith(("config/", "cmd", "config.desired"))
        for place in unbounded(schema, name)
        if not place.startswith("event/1/allOf/")
    ]

    assert found == []


@pytest.mark.parametrize("value", [1e308, 1e20, -1.0, 10**18])
@pytest.mark.parametrize("key", ["since_s", "again_s", "age_ms", "tries", "kbps", "w", "gop_s"])
def test_a_camera_with_an_impossible_number_is_refused(key: str, value: float) -> None:
    """With the place, in a single state and in a row of all."""
    tree = {"t": 1, "ep": 1, "n": 1, "id": "c01", "st": "off", "why": "TIMEOUT", "since_s": 1.0}
    tree[key] = value
    columns = [name for name in tree if name in CAMERA]
    rows = {"t": 1, "ep": 1, "n": 1, "cols": columns, "rows": [[tree[name] for name in columns]]}

    with pytest.raises(MessageRejected) as single:
        decode_camera_state(json.dumps(tree).encode(), "")
    with pytest.raises(MessageRejected) as row:
        decode_cameras_health(json.dumps(rows).encode(), "")

    assert key in single.value.detail or CAMERA[key] in single.value.detail
    assert row.value.detail


@pytest.mark.parametrize("place", [place for part in SITE.values() for place in part])
def test_a_site_with_an_impossible_number_is_refused(place: str) -> None:
    """Every figure of the machine, the link, the relay and the cameras."""
    *above, key = place.split(".")
    value: object = [1e308, 0.0, 0.0] if key == "load" else 1e308
    tree = {"t": 1, "ep": 1, "n": 1, **({above[0]: {key: value}} if above else {key: value})}

    with pytest.raises(MessageRejected):
        decode_site_health(json.dumps(tree).encode(), "")


@pytest.mark.parametrize("key", ["t", "ep", "n"])
def test_a_stamp_beyond_its_bounds_is_refused(key: str) -> None:
    """Times after the year 9999, and numbers that a browser rounds."""
    tree = {"t": 1, "ep": 1, "n": 1, "st": "online", "name": "x", "id": "c01", "why": "OK"}
    tree[key] = 2**62
    payload = json.dumps(tree).encode()
    alarm = {**tree, "id": "a", "key": "k", "st": "raised", "sev": "major", "since": 1}
    alarm["cause"] = "TIMEOUT"

    for decode in (decode_birth, decode_presence if key != "n" else decode_birth):
        with pytest.raises(MessageRejected):
            decode(payload, "")
    with pytest.raises(MessageRejected):
        decode_site_health(payload, "")
    with pytest.raises(MessageRejected):
        decode_alarm(json.dumps(alarm).encode(), "")


def test_every_number_of_health_has_its_bounds() -> None:
    """A new field needs its row."""
    names = {name for part in SITE.values() for name in part.values()} | set(CAMERA.values())
    texts = {"clock_source", "disk_error", "interface", "disk_read_only", "clock_synced"}
    texts |= {"encoder", "encoder_why"}
    texts |= {"id", "state", "reason", "detail", "codec", "advice"}

    assert names - texts == set(BOUNDS)
    assert {field.name for field in fields(CameraHealth)} <= names


def test_a_writer_says_the_nearest_that_a_reader_takes() -> None:
    """What a broken sensor, clock or counter gives does not cost the whole report."""
    odd = CameraHealth("c01", "off", Reason.TIMEOUT, -5.0, "x" * 9000, again_in_s=1e300, fps=1e300)
    host = HostSample(temperature_c=-1e9, descriptors_limit=2**63, load=(1e300, 0.0, 0.0))

    kind, payload = encode_camera_state(STAMP, odd)
    _, camera = decode_camera_state(payload, kind)
    kind, payload = encode_cameras_health(STAMP, [odd])
    _, (row,) = decode_cameras_health(payload, kind)
    kind, payload = encode_site_health(STAMP, SiteHealth(host))
    _, site = decode_site_health(payload, kind)

    assert camera == row
    assert (camera.since_s, camera.again_in_s) == (0.0, BOUNDS["again_in_s"][1])
    assert len(camera.detail) == TEXT_LENGTH
    assert site.host.descriptors_limit == BOUNDS["descriptors_limit"][1]
