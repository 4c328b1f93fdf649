"""What virtual cameras show: coded as promised, different from moment to moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gateway.demo.encoder import LiveFootage, nal_type, parameter_sets, record, split_annex_b
from gateway.demo.jpeg_payloads import jpeg_payloads
from gateway.demo.scene import Scene
from gateway.model.media import Codec
from gateway.rtp.jpeg import JpegAssembler, split_picture
from tests.fixtures.camera import SMALL

NOON = datetime(2026, 9, 2, 5, 0, tzinfo=UTC)


def test_the_picture_moves_with_the_clock() -> None:
    """Two moments look different, the same moment looks the same."""
    scene = Scene("Cổng vào", 320, 180)

    assert np.array_equal(scene.draw(NOON), scene.draw(NOON))
    assert not np.array_equal(scene.draw(NOON), scene.draw(NOON + timedelta(milliseconds=40)))


def test_the_name_is_on_it_however_it_is_composed() -> None:
    """NFC and NFD of a Vietnamese name draw the same picture, and another name another."""
    pictures = [
        Scene(name, 320, 180).draw(NOON)[:20] for name in ("Quầy 1", "Qua\u0302\u0300y 1", "Quay 1")
    ]

    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_tones_are_told_apart() -> None:
    """OpenCV's own font draws ờ as ớ, and *chờ* (wait) is not *chớ* (do not)."""
    waiting, forbidding = (Scene(name, 320, 180).draw(NOON)[:20] for name in ("chờ", "chớ"))

    assert not np.array_equal(waiting, forbidding)


@pytest.mark.parametrize(("codec", "sets"), [("h264", [7, 8]), ("h265", [32, 33, 34])])
def test_a_recording_is_whole_groups_of_pictures(codec: Codec, sets: list[int]) -> None:
    """It begins with the parameter sets and a keyframe, and has one every GOP."""
    footage = record("", replace(SMALL, codec=codec), 1.0)

    keyframes = [index for index, coded in enumerate(footage.pictures) if coded.keyframe]
    assert keyframes == [0, 10, 20]
    assert len(footage.pictures) == 30
    assert [nal_type(unit, codec) for unit in parameter_sets(footage.pictures[0], codec)] == sets


def test_jpeg_is_a_file_for_each_picture() -> None:
    """Each is a keyframe, and the receiver of its RTP payloads gets the same samples."""
    footage = record("", replace(SMALL, codec="mjpeg"), 0.2)
    assembler = JpegAssembler()

    for coded in footage.pictures:
        for payload in jpeg_payloads(coded.nal_units[0], 500):
            assembler.push(payload)
        (picture,) = assembler.build()
        assert coded.keyframe
        assert picture.body == split_picture(coded.nal_units[0]).body
        assembler.clear()
    assert footage.parameter_sets == ()


def test_b_frames_are_shown_in_another_order_than_sent() -> None:
    """Only when asked for."""
    plain, reordered = record("", SMALL, 0.4), record("", replace(SMALL, b_frames=2), 0.4)

    assert {coded.reorder_offset for coded in plain.pictures} == {0}
    assert len({coded.reorder_offset for coded in reordered.pictures}) > 1


def test_live_footage_gives_a_keyframe_when_asked() -> None:
    """A viewer who joins need not wait for the GOP to end."""
    footage = LiveFootage("Sảnh chờ", SMALL)

    asked = [footage.picture(0, fresh=fresh, frozen=False).keyframe for fresh in (False, True)]

    assert asked == [False, True]


def test_start_codes_of_both_lengths() -> None:
    """NAL units come out bare."""
    assert list(split_annex_b(b"\x00\x00\x00\x01ab\x00\x00\x01c\x00")) == [b"ab", b"c"]
