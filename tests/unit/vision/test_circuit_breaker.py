"""When crashes of the decoder open a circuit, and when it closes again."""

from __future__ import annotations

from gateway.vision.circuit_breaker import OPEN_S, TOTAL_CRASHES, CircuitBreaker


def test_two_crashes_open_the_circuit_of_their_camera() -> None:
    """For ten minutes, and for no other camera."""
    breaker = CircuitBreaker()
    breaker.record_crash("c01", 0.0)
    assert not breaker.is_open("c01", 1.0)
    breaker.record_crash("c01", 2.0)
    assert (breaker.is_open("c01", 3.0), breaker.is_open("c02", 3.0)) == (True, False)
    assert not breaker.is_open("c01", 2.0 + OPEN_S)


def test_five_crashes_in_a_minute_open_the_circuit_of_all() -> None:
    """Of different cameras, or of one and others."""
    breaker = CircuitBreaker()
    for number in range(TOTAL_CRASHES):
        breaker.record_crash(f"d{number}", 2000.0 + number)
    assert breaker.is_open_for_all(2005.0)
    assert not breaker.is_open_for_all(2004.0 + OPEN_S)

    breaker = CircuitBreaker()
    for at_s, camera in enumerate(("c01", "c01", "x0", "x1", "x2")):
        breaker.record_crash(camera, 2.0 * at_s)
    assert breaker.is_open_for_all(9.0)
    assert not breaker.is_open("c01", 700.0)
