"""What devices say of themselves, beside what is declared."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.discovery.found import FoundChannel, FoundDevice
from gateway.model.errors import ConfigRejected
from gateway.survey.detected import Detected, parse_detected
from tests.unit.survey.filled import form


def found(*devices: FoundDevice) -> Detected:
    """Return *devices* as the command prints them."""
    lines = [json.dumps({"stage": "looking", "done": 1})]
    lines += (json.dumps({"device": asdict(each)}) for each in devices)
    return parse_detected("\n".join(lines).encode(), 5)


def test_a_device_that_says_another_model_is_a_mismatch() -> None:
    """Both are kept, each with its source."""
    seen = found(FoundDevice("192.168.1.21", maker="KBVision", model="KX-2012N2", kind="camera"))

    answer = form(detected=seen).answer("II.I.2")

    assert [each.source for each in answer.said] == ["declared", "detected"]
    assert answer.said[1].time_ms == 5
    assert answer.mismatch == ("Phòng họp trực tuyến khai báo KX-C2012ASN3, phát hiện KX-2012N2")
    assert form(detected=seen).answer("II.I.3").mismatch == ""


def test_another_spelling_is_no_mismatch() -> None:
    """Makers write their own names in several ways."""
    seen = found(FoundDevice("192.168.1.21", maker="KBVISION", model="kx c2012asn3"))

    assert form(detected=seen).answer("II.I.2").mismatch == ""


def test_a_recorder_tells_how_many_of_its_channels_have_a_picture() -> None:
    """Beside what is declared of it."""
    channels = (FoundChannel(1, signal="live"), FoundChannel(2, signal="no_signal"))
    seen = found(FoundDevice("192.168.1.10", maker="Hikvision", model="DS-7216", channels=channels))

    answer = form(detected=seen).answer("II.I.7")

    assert answer.said[1].text == "Đầu ghi tầng 1: Hikvision DS-7216, 2 kênh, 1 kênh có hình"
    assert "khai báo DS-7216HQHI-K1, phát hiện DS-7216" in answer.mismatch


def test_what_nobody_has_declared_is_told() -> None:
    """A camera more than in the form."""
    seen = found(FoundDevice("192.168.1.99", maker="Dahua", kind="camera"))

    assert "chưa khai báo: 192.168.1.99 Dahua" in form(detected=seen).answer("II.I.4").mismatch


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nothing else is raised."""
    try:
        found = parse_detected(raw, 1)
    except ConfigRejected:
        return
    assert found.devices == {}


def test_a_wrong_line_is_named() -> None:
    """Which, and where in it."""
    with pytest.raises(ConfigRejected) as caught:
        parse_detected(b'{"device": {"address": "a"}}\n{"device": {"address": 5}}', 1)

    assert caught.value.faults[0].at == "/2/device/address"
