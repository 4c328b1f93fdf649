"""What is told of a viewing over a narrow line."""

from __future__ import annotations

from tests.bench.narrow import figures


def test_a_viewing_without_a_picture_is_told_as_one() -> None:
    """Which is what the scenario is there to show of some relays."""
    told = figures([(0.5, {"framesDecoded": 0, "pliCount": 2})], None, 3.0)

    assert (told["first_ms"], told["frames_per_s"], told["pli"]) == (None, [0, 0, 0], 2)


def test_a_picture_that_stays_for_the_rest_is_the_longest_gap() -> None:
    """From the last picture decoded to the end."""
    samples = [(0.5, {"framesDecoded": 0}), (1.0, {"framesDecoded": 5})]

    told = figures([*samples, (1.5, {"framesDecoded": 9})], 800.0, 30.0)

    assert told["longest_gap_s"] == 28.5
