"""When combed pictures are two fields each, and when they are a blind."""

from __future__ import annotations

import random
from collections.abc import Iterable

from gateway.vision.interlace import CHECKS, InterlaceDetector

PLAIN = bytes(18)


def tile(number: int) -> bytes:
    """A picture that is combed in one tile."""
    return (1 << number).to_bytes(18)


def detector(shown: Iterable[bytes]) -> InterlaceDetector:
    """What has seen these."""
    made = InterlaceDetector()
    for each in shown:
        made.add(each)
    return made


def test_combs_here_and_there_are_interlace() -> None:
    """People walk through the hall now and then; before the third nothing is known."""
    chance = random.Random(1)
    shown = [each for _ in range(3) for each in (*[PLAIN] * 20, tile(chance.randrange(20, 120)))]

    assert detector(shown[:-1]).interlaced is None
    assert detector(shown).interlaced is True


def test_a_busy_hall_is_interlaced_too() -> None:
    """Combed in every picture, never in the same place for long."""
    chance = random.Random(2)

    assert detector(tile(chance.randrange(20, 120)) for _ in range(30)).interlaced is True


def test_combs_that_stay_are_a_blind() -> None:
    """From the first picture on."""
    made = InterlaceDetector()
    for _ in range(2 * CHECKS):
        made.add(tile(40))
        assert made.interlaced is not True
    assert made.interlaced is False


def test_interlace_before_a_blind_is_seen() -> None:
    """One does not hide the other."""
    both = (1 << 40 | 1 << 90).to_bytes(18)

    assert detector([*[tile(40)] * 20, both, both, both]).interlaced is True


def test_interlace_that_is_not_seen_any_more_is_forgotten() -> None:
    """Somebody has set the recorder otherwise: after two hours without a comb."""
    shown = [tile(number) for number in range(40, 60)]

    assert detector([*shown, *[PLAIN] * CHECKS]).interlaced is False
