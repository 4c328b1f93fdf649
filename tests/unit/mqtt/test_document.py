"""docs/mqtt.md shows what the code writes, byte for byte."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.model.health import CameraSnapshot
from gateway.model.reasons import Reason
from gateway.model.signalling import (
    Answer,
    Bye,
    Candidates,
    Extend,
    IceServer,
    Offer,
    Refusal,
    RemoteCandidate,
    SessionStats,
)
from gateway.mqtt import wire_health, wire_site
from gateway.mqtt.tree import COMPRESSED
from gateway.mqtt.wire_rtc import from_gateway, from_viewer
from tests.fixtures.reports import CAMERA, KEY, MACHINE, SITE, STAMP, TROUBLED

DOCUMENT = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()
TURN = IceServer(("turn:203.0.113.7:3478",), "1764000600:v-op17", SecretStr("..."))
COUNTER = CameraSnapshot("c07", "Quầy 7", True, Reason.OK, 0.0, "Tầng 1", ("main", "sub"))
ABILITIES = wire_site.Abilities(
    rtc=wire_site.RtcAbilities(codecs=("h264", "h265"), max_sessions=32)
)

EXAMPLES = {
    "online": wire_site.online(STAMP, MACHINE),
    "will": wire_site.lost(STAMP.epoch),
    "offline": wire_site.offline(STAMP, "stopping"),
    "birth": wire_site.birth(
        STAMP, MACHINE, site="TTHCC Quận 1", cameras=[COUNTER], abilities=ABILITIES
    ),
    "site": wire_health.site_health(STAMP, SITE),
    "cameras": wire_health.cameras_health(STAMP, (CAMERA, TROUBLED)),
    "state": wire_health.camera_state(STAMP, TROUBLED),
    "offer": from_viewer(STAMP, Offer(KEY, "c07", "v=0...", "sub", (TURN,), lasts_s=600.0)),
    "viewer's candidates": from_viewer(
        STAMP, Candidates(KEY, (RemoteCandidate("candidate:...", "0"), RemoteCandidate(None)))
    ),
    "extend": from_viewer(STAMP, Extend(KEY, 600.0)),
    "viewer's bye": from_viewer(STAMP, Bye(KEY, "viewer")),
    "answer": from_gateway(STAMP, Answer(KEY, "v=0...")),
    "error": from_gateway(STAMP, Refusal(KEY, 486, Reason.OVERLOADED, "16 watch already")),
    "bye": from_gateway(STAMP, Bye(KEY, "stopping")),
    "stats": from_gateway(STAMP, SessionStats(KEY, 2048.5, 0.5, 38.0, 3)),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_document_shows_what_the_code_writes(example: str) -> None:
    """Every payload of the contract stands in the document as it is written."""
    content_type, payload = EXAMPLES[example]
    text = zlib.decompress(payload) if content_type == COMPRESSED else payload

    assert text.decode() in DOCUMENT
