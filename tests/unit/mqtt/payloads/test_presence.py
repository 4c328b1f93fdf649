"""Presence, birth and health: written, read again, small enough."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import MessageRejected
from gateway.model.health import CameraHealth, CameraSnapshot
from gateway.model.reasons import Reason
from gateway.mqtt.payloads import health as health_payload
from gateway.mqtt.payloads import presence as presence_payload
from gateway.mqtt.payloads.codec import decode_tree
from gateway.mqtt.topic_tree import COMPRESSED, PLAIN
from tests.fixtures.reports import CAMERA, MACHINE, SITE, STAMP, TROUBLED


def test_presence_comes_across() -> None:
    """Birth, will and last word of one connection share its epoch."""
    sealed = (
        presence_payload.encode_online(STAMP, MACHINE),
        presence_payload.encode_will(STAMP.epoch),
        presence_payload.encode_offline(STAMP, "stopping"),
    )
    said = [presence_payload.decode_presence(payload, kind) for kind, payload in sealed]

    assert [(each.state, each.epoch, each.why) for each in said] == [
        ("online", 1042, "connect"),
        ("offline", 1042, "lost"),
        ("offline", 1042, "stopping"),
    ]


def test_birth_lists_the_cameras() -> None:
    """What the page needs before any health has come."""
    camera = CameraSnapshot("c07", "Quầy 7", True, Reason.OK, 0.0, "Tầng 1", ("main", "sub"))
    kind, payload = presence_payload.encode_birth(
        STAMP,
        MACHINE,
        site="Quận 1",
        cameras=[camera],
        capabilities=presence_payload.Capabilities(),
    )

    birth = presence_payload.decode_birth(payload, kind)

    assert birth.name == "Quận 1"
    assert birth.cameras == (
        presence_payload.BirthCamera(
            id="c07", name="Quầy 7", location="Tầng 1", profiles=("main", "sub")
        ),
    )


def test_site_health_comes_across() -> None:
    """Every field has its place."""
    kind, payload = health_payload.encode_site_health(STAMP, SITE)

    assert health_payload.decode_site_health(payload, kind) == (STAMP, SITE)


def test_cameras_health_comes_across() -> None:
    """One row each, what is unknown as null."""
    cameras = (CAMERA, TROUBLED)
    kind, payload = health_payload.encode_cameras_health(STAMP, cameras)

    assert health_payload.decode_cameras_health(payload, kind) == (STAMP, cameras)


def test_camera_state_comes_across() -> None:
    """The same keys as the columns."""
    kind, payload = health_payload.encode_camera_state(STAMP, CAMERA)

    assert health_payload.decode_camera_state(payload, kind) == (STAMP, CAMERA)


def test_health_of_32_cameras_is_small() -> None:
    """A minute's report of a site costs less than a kilobyte on the line."""
    cameras = [
        CameraHealth(f"c{n:02}", "on", Reason.OK, 60.0 * n, fps=25.0 - n / 9, kbps=2000.0 + n * 7)
        for n in range(32)
    ]
    kind, payload = health_payload.encode_cameras_health(STAMP, cameras)

    assert kind == COMPRESSED
    assert len(payload) < 1000


def test_unknown_columns_are_ignored_and_missing_ones_have_defaults() -> None:
    """A newer gateway may report more, an older one less."""
    tree = {"t": 1, "ep": 2, "n": 3, "cols": ["id", "st", "why", "since_s", "mood"]}
    payload = json.dumps({**tree, "rows": [["c1", "on", "OK", 1.0, "good"]]}).encode()

    _, cameras = health_payload.decode_cameras_health(payload, PLAIN)

    assert cameras == (CameraHealth("c1", "on", Reason.OK, 1.0),)


ROWS = {
    "short row": [["c1", "on"]],
    "row that is none": ["c1"],
    "unknown state": [["c1", "green", "OK", 1.0]],
    "unknown reason": [["c1", "on", "FINE", 1.0]],
    "text for a number": [["c1", "on", "OK", "1"]],
    "rows that are none": {"c1": "on"},
    "too many rows": [["c1", "on", "OK", 1.0]] * 513,
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_that_are_not_in_the_contract_are_refused(rows: object) -> None:
    """All or nothing, with the row's place."""
    tree = {"t": 1, "ep": 2, "n": 3, "cols": ["id", "st", "why", "since_s"], "rows": rows}

    with pytest.raises(MessageRejected) as caught:
        health_payload.decode_cameras_health(json.dumps(tree).encode(), PLAIN)

    assert caught.value.faults[0].at.startswith("/rows")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(st.text(max_size=4), deeper),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    ["t", "ep", "n", "st", "cols", "rows", "cpu", "mem", "cams", "id", "why", "since_s", "caps"]
)


@given(st.dictionaries(_KEYS, _JSON))
def test_any_object_is_read_or_rejected(tree: dict[str, object]) -> None:
    """Whatever a gateway says, the centre stands."""
    payload = json.dumps(tree).encode()

    for reader in (
        presence_payload.decode_presence,
        presence_payload.decode_birth,
        health_payload.decode_site_health,
        health_payload.decode_cameras_health,
        health_payload.decode_camera_state,
    ):
        with suppress(MessageRejected):
            reader(payload, PLAIN)


def test_every_up_payload_carries_its_stamp() -> None:
    """Wall clock, epoch and number: readers order and de-duplicate by them."""
    sealed = (
        health_payload.encode_site_health(STAMP, SITE),
        health_payload.encode_cameras_health(STAMP, (CAMERA,)),
        health_payload.encode_camera_state(STAMP, CAMERA),
        presence_payload.encode_birth(
            STAMP, MACHINE, site="", cameras=(), capabilities=presence_payload.Capabilities()
        ),
    )
    for kind, payload in sealed:
        tree = decode_tree(payload, kind)
        assert (tree["t"], tree["ep"], tree["n"]) == (STAMP.time_ms, STAMP.epoch, STAMP.number)


def test_birth_says_what_the_centre_may_compare() -> None:
    """Abilities, digests, what waits and the certificate; what is not known is not there."""
    standing = presence_payload.BirthStatus(
        {"cfg": "9f2b6c01d4", "cams": "77aa31c0be"},
        presence_payload.BirthOutbox(pending=3, oldest_s=12.5, lost=1),
        presence_payload.BirthCertificate(serial="4a11", not_after="2026-05-01T00:00:00Z"),
    )
    abilities = presence_payload.Capabilities(commands=("probe",), schemas={"config": (1, 2)})
    kind, payload = presence_payload.encode_birth(
        STAMP, MACHINE, site="", cameras=(), capabilities=abilities, status=standing
    )

    tree, birth = decode_tree(payload, kind), presence_payload.decode_birth(payload, kind)

    assert tree["digest"] == {"cfg": "9f2b6c01d4", "cams": "77aa31c0be"}
    assert tree["outbox"] == {"pending": 3, "oldest_s": 12.5, "lost": 1}
    assert tree["cert"] == {"serial": "4a11", "not_after": "2026-05-01T00:00:00Z"}
    assert (birth.capabilities, birth.outbox) == (abilities, standing.outbox)
    assert birth.capabilities.schemas == {"config": (1, 2)}
