"""What operators read: complete, in both languages, spelled in one way."""

from __future__ import annotations

import re
import unicodedata

import pytest

from gateway.model.reasons import Reason
from gateway.model.wording import WORDING

NOTHING_TO_DO = {Reason.OK, Reason.IDLE}
MARKS = re.compile(r"[\u0300-\u0323đĐ]")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_said_in_both_languages(reason: Reason) -> None:
    """The fact always; what to do about it unless nothing is to be done."""
    wording = WORDING[reason]

    assert wording.vi
    assert wording.en
    assert bool(wording.vi_todo) == bool(wording.en_todo) == (reason not in NOTHING_TO_DO)


@pytest.mark.parametrize("reason", Reason)
def test_vietnamese_is_composed_and_has_its_marks(reason: Reason) -> None:
    """NFC, so that it compares and searches; never typed without diacritics."""
    wording = WORDING[reason]

    for sentence in filter(None, (wording.vi, wording.vi_todo)):
        assert unicodedata.is_normalized("NFC", sentence)
        assert MARKS.search(unicodedata.normalize("NFD", sentence))
    assert wording.en.isascii()
    assert wording.en_todo.isascii()


def test_no_two_reasons_say_the_same() -> None:
    """Two codes with one sentence would be one code."""
    assert len({each.vi for each in WORDING.values()}) == len(Reason)
    assert len({each.en for each in WORDING.values()}) == len(Reason)


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.NOT_FOUND])
def test_what_cameras_of_every_protocol_can_say_has_advice_for_every_protocol(
    reason: Reason,
) -> None:
    """RTSP is named alone only where no other camera can be meant."""
    wording = WORDING[reason]
    for text in (wording.vi_todo, wording.en_todo):
        assert "RTSP" not in text or "HTTP" in text
