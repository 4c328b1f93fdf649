"""The cached GOP."""

from __future__ import annotations

from gateway.streams.gop_cache import GopCache
from tests.fixtures.access_units import access_unit


def make(limit_bytes: int = 10_000, limit_s: float = 10.0) -> GopCache:
    return GopCache(limit_bytes=limit_bytes, limit_s=limit_s)


def test_nothing_is_kept_before_the_first_keyframe() -> None:
    """A newcomer could do nothing with it."""
    gop = make()

    gop.add(access_unit(0))

    assert gop.units == ()


def test_it_begins_at_the_last_keyframe() -> None:
    """Each keyframe starts it anew."""
    gop = make()
    units = [access_unit(n, keyframe=n % 3 == 0) for n in range(5)]

    for unit in units:
        gop.add(unit)

    assert gop.units == tuple(units[3:])
    assert gop.size_bytes == 200


def test_one_that_grows_too_large_is_forgotten_whole() -> None:
    """A part of it cannot be decoded; the next keyframe starts over."""
    gop = make(limit_bytes=250)
    for number in range(3):
        gop.add(access_unit(number, keyframe=number == 0))
    assert gop.units == ()

    gop.add(access_unit(3))
    assert gop.units == ()

    gop.add(access_unit(4, keyframe=True))
    assert len(gop.units) == 1


def test_one_that_lasts_too_long_is_forgotten() -> None:
    """A smart codec's minute between keyframes is not kept."""
    gop = make(limit_s=0.1)

    for number in range(4):
        gop.add(access_unit(number, keyframe=number == 0))

    assert gop.units == ()


def test_its_length_is_measured_from_arrivals() -> None:
    """Two keyframes two seconds apart."""
    gop = make()

    for number in range(51):
        gop.add(access_unit(number, keyframe=number % 50 == 0, arrived_s=1 + number / 25))

    assert gop.gop_s == 2.0
    assert gop.keyframe_s == 3.0
