"""When pictures that come again are a recording, and when they are not."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import cycle, islice

import pytest

from gateway.vision.repetition import GRAINS, HISTORY, WITHIN, RepetitionDetector

DAY_CHECKS = 2880


def pictures(first: int, count: int) -> list[bytes]:
    """So many different pictures."""
    return [random.Random(first + each).randbytes(16) for each in range(count)]


def checks_until_found(shown: Iterable[bytes]) -> int:
    """After how many checks they are taken for a recording; 0: never."""
    detector = RepetitionDetector()
    for number, digest in enumerate(shown, 1):
        if detector.add(digest):
            return number
    return 0


def samples_of(keyframes: int, gop_s: float, seed: int) -> Iterator[bytes]:
    """What is seen of a loop of *keyframes*, by looks that are 30 s apart, give or take 9."""
    chance, recorded, at_s = random.Random(seed), pictures(0, keyframes), 0.0
    while True:
        at_s += 30 * chance.uniform(0.7, 1.3)
        yield recorded[int(at_s / gop_s) % keyframes]


@pytest.mark.parametrize(
    ("loop_s", "most_checks"), [(6, 20), (10, 25), (30, 40), (60, 60), (180, 100), (600, 180)]
)
@pytest.mark.parametrize("seed", range(5))
def test_a_loop_is_found(loop_s: int, most_checks: int, seed: int) -> None:
    """Of half a minute within 20 minutes, of ten minutes within 90; keyframes every 2 s."""
    shown = islice(samples_of(loop_s // 2, 2.0, seed), DAY_CHECKS)

    assert 0 < checks_until_found(shown) <= most_checks


def test_live_pictures_never_are() -> None:
    """Ten days of noise: not one comes again."""
    assert checks_until_found(pictures(0, 10 * DAY_CHECKS)) == 0


def test_the_same_plain_notice_between_live_pictures_is_not() -> None:
    """A recorder whose cable is loose shows one and the same "no signal", or two in turn."""
    notice = pictures(10**6, 2)
    shown = [each for pair in zip(pictures(0, 1000), cycle(notice), strict=False) for each in pair]

    assert checks_until_found(shown) == 0


def test_a_picture_that_stands_still_is_not() -> None:
    """It is frozen, which is another fault; so are several, one after the other."""
    assert checks_until_found([each for each in pictures(0, 50) for _ in range(50)]) == 0


def test_a_few_that_come_again_in_a_long_time_are_not() -> None:
    """Each proof counts for two hours only."""
    recorded = pictures(0, 3)
    shown = [*recorded]
    for number, each in enumerate(recorded):
        shown += [*pictures(10**6 * (number + 1), WITHIN), each]

    assert checks_until_found(shown) == 0


@pytest.mark.parametrize("keyframes", [3, 15, 100])
def test_it_ends_when_live_pictures_come(keyframes: int) -> None:
    """Soon with a short loop; a long one shows new pictures of its own for a while."""
    detector = RepetitionDetector()
    for digest in islice(samples_of(keyframes, 2.0, 1), 600):
        detector.add(digest)
    assert detector.looping

    after = [detector.add(each) for each in pictures(10**6, 100)]

    assert not after[-1]
    assert after.index(False) <= 30


def test_a_loop_that_is_still_new_is_not_forgotten_between_two_proofs() -> None:
    """Of ten minutes, watched for a day: once it is told, it stays told."""
    detector = RepetitionDetector()
    told = [detector.add(digest) for digest in islice(samples_of(300, 2.0, 3), DAY_CHECKS)]

    assert all(told[told.index(True) :])


def test_what_is_remembered_is_bounded() -> None:
    """However many pictures come, and however many of them again."""
    detector = RepetitionDetector()
    for digest in (*pictures(0, HISTORY), *pictures(0, HISTORY), *pictures(10**6, 3 * HISTORY)):
        detector.add(digest, random.Random(digest).randbytes(250))

    assert detector.size_bytes <= 8 * HISTORY + 250 * GRAINS + 16 * WITHIN


def grained(moment: int, look: int, *, share: float, place: int = 0) -> bytes:
    """The grain of what was recorded at *moment*, of which *share* is left at this *look*.

    Half of it is edges of the *place*, which do not change.
    """
    noise, chance = random.Random(moment), random.Random(-look - 1)
    edges = random.Random(10**9 + place)
    bits = 0
    for _ in range(1000):
        was, now = noise.getrandbits(1), chance.getrandbits(1)
        bits = bits << 2 | edges.getrandbits(1) << 1 | (was if chance.random() < share else now)
    return bits.to_bytes(250)


def checks_until_grain_is_found(moments: Iterable[int], *, share: float = 1.0) -> int:
    """The same as `checks_until_found`, where no picture equals another in every pixel."""
    detector = RepetitionDetector()
    for look, moment in enumerate(moments):
        if detector.add(pictures(look, 1)[0], grained(moment, look, share=share)):
            return look + 1
    return 0


@pytest.mark.parametrize("share", [1.0, 0.7, 0.6])
@pytest.mark.parametrize(("loop_s", "most_checks"), [(30, 60), (180, 120)])
def test_a_loop_that_is_encoded_anew_is_found(share: float, loop_s: int, most_checks: int) -> None:
    """Two looks may have a third of their noise in common: an analogue recorder adds its own."""
    shown = (int.from_bytes(each) for each in islice(samples_of(loop_s // 2, 2.0, 1), 240))

    assert 0 < checks_until_grain_is_found(shown, share=share) <= most_checks


def test_the_same_place_with_other_noise_is_not() -> None:
    """Ten hours of a hall in which nothing happens."""
    assert checks_until_grain_is_found(range(1200)) == 0


def test_a_lamp_that_is_switched_on_and_off_is_not() -> None:
    """Each time it shows other edges, and the same for a while; the noise is always another."""
    detector = RepetitionDetector()
    for look in range(600):
        place = look // 7 % 3
        assert not detector.add(pictures(look, 1)[0], grained(look, look, share=1.0, place=place))


def test_without_noise_nothing_is_said_of_grain() -> None:
    """An encoder that leaves none shows the same edges for ever."""
    detector = RepetitionDetector()

    assert not any(detector.add(each, grained(1, 1, share=1.0)) for each in pictures(0, 300))
