"""How many transcodes a machine is given."""

from __future__ import annotations

import pytest

from gateway.transcoding.capacity import RESERVED_S, SLOWEST, Capacity, Load, reference_ms

HD = reference_ms("h265", 1920 * 1080, 1280 * 720)


def load() -> Load:
    """1080p H.265 at 25 pictures a second."""
    return Load(HD, 25.0)


def test_a_1080p_h265_camera_takes_half_a_core_of_the_reference() -> None:
    """As measured."""
    assert 0.4 < Capacity(4.0).used(0) + HD * 25 / 1000 < 0.6


def test_no_more_are_let_in_than_fit() -> None:
    """The refusal says what is taken."""
    capacity = Capacity(1.5)
    assert [bool(capacity.admit(str(each), load(), 0.0)) for each in range(4)] == [
        False,
        False,
        True,
        True,
    ]
    assert "1.0 of 1.5 are taken by 2 others" in capacity.admit("x", load(), 0.0)


def test_one_is_always_let_in() -> None:
    """However small the machine."""
    assert Capacity(0.1).admit("a", load(), 0.0) == ""


def test_who_is_let_in_already_is_let_in_again() -> None:
    """The second viewer of a camera costs nothing."""
    capacity = Capacity(0.6)
    assert [capacity.admit("a", load(), 0.0) for _ in range(3)] == [""] * 3
    capacity.begin("a", load())
    assert capacity.admit("a", load(), 1e6) == ""
    assert capacity.transcodes == 1


def test_one_that_never_begins_gives_its_place_back() -> None:
    """As does one that has ended."""
    capacity = Capacity(0.6)
    capacity.admit("a", load(), 0.0)
    assert capacity.admit("b", load(), RESERVED_S - 1)
    assert capacity.admit("b", load(), RESERVED_S + 1) == ""
    capacity.begin("b", load())
    assert capacity.admit("c", load(), 1e6)
    capacity.end("b")
    assert capacity.admit("c", load(), 1e6) == ""


def test_what_is_measured_counts_for_all_others() -> None:
    """On a machine four times as slow a quarter as many fit."""
    capacity = Capacity(5.0)
    capacity.begin("a", load())
    capacity.measure("a", 200, 200 * HD * 4 / 1000, 25.0)
    let_in = [capacity.admit(str(each), load(), 0.0) == "" for each in range(5)]

    assert capacity.factor == 4
    assert let_in == [True, False, False, False, False]


def test_the_first_pictures_of_a_child_are_not_believed() -> None:
    """They pay for its start."""
    capacity = Capacity(5.0)
    capacity.begin("a", load())
    capacity.measure("a", 3, 10.0, 25.0)
    assert capacity.factor == 1


def capture() -> Load:
    """An analogue camera in PAL."""
    return Load(HD, 25.0, capture=True)


def test_a_capture_takes_its_cores_from_the_transcodes() -> None:
    """It encodes as they do; health counts it among the cores only."""
    capacity = Capacity(1.5)
    for each in ("c1/capture", "c2/capture"):
        assert capacity.admit(each, capture(), 0.0) == ""
        capacity.begin(each, capture())

    assert [bool(capacity.admit(each, load(), 0.0)) for each in "ab"] == [False, True]
    assert capacity.transcodes == 0
    assert capacity.used(0.0) > 1.4


def test_a_camera_does_not_wait_for_the_transcodes_of_others() -> None:
    """A capture is refused for other captures only."""
    capacity = Capacity(1.5)
    for each in "ab":
        capacity.begin(each, load())

    let_in = [capacity.admit(f"c{each}/capture", capture(), 0.0) == "" for each in range(3)]
    assert let_in == [True, True, False]


def test_a_capture_does_not_tell_how_fast_the_machine_transcodes() -> None:
    """What it had to decode is not known."""
    capacity = Capacity(5.0)
    capacity.begin("c1/capture", capture())
    capacity.measure("c1/capture", 200, 200 * HD * 4 / 1000, 25.0)

    assert capacity.factor == 1
    assert capacity.used(0.0) == HD * 4 * 25 / 1000


@pytest.mark.parametrize(("cpu_s", "factor"), [(1e8, SLOWEST), (0.0, 1 / SLOWEST)])
def test_what_a_child_says_of_itself_is_believed_within_bounds(cpu_s: float, factor: float) -> None:
    """One that a hostile picture has taken over would bar all others, or let all in."""
    capacity = Capacity(5.0)
    capacity.begin("a", load())
    capacity.measure("a", 200, cpu_s, 25.0)

    assert capacity.factor == factor
    assert capacity.used(0.0) == pytest.approx(HD * factor * 25 / 1000)
