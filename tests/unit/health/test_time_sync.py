"""Who sets the clock, in the words of chrony 4.3 and systemd 252."""

from __future__ import annotations

import pytest

from gateway.health.time_sync import (
    CHRONY,
    TIMESYNCD,
    TimeSync,
    parse_chrony,
    parse_timesyncd,
    time_sync,
)

FOLLOWING = (
    "7F000001,127.0.0.1,4,1795921079.431461015,-0.000001038,-0.000000021,0.000000054,-0.004,"
    "-0.000,0.083,0.000003246,0.000000641,1.0,Normal\n"
)
"""Of a real chronyd; its own report says of it: 0.000001038 seconds fast of NTP time."""

SEARCHING = (
    "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,"
    "1.000000000,0.0,Not synchronised\n"
)

TIMESYNC_STATUS = """\
       Server: 10.24.0.5 (ntp.bacninh.example)
Poll interval: 34min 8s (min: 32s; max 34min 8s)
         Leap: normal
      Version: 4
      Stratum: 3
    Reference: 0A180005
    Precision: 1us (-25)
Root distance: 16.425ms (max: 5s)
       Offset: {offset}
        Delay: 3.2ms
       Jitter: 1.1ms
 Packet count: 12
    Frequency: -11.2ppm
"""


def test_chrony_tells_server_offset_and_its_stratum() -> None:
    """We are ahead by a microsecond."""
    found = parse_chrony(FOLLOWING)

    assert found is not None
    assert (found.program, found.server, found.stratum) == ("chrony", "127.0.0.1", 3)
    assert found.offset_ms == pytest.approx(0.001038)


def test_chrony_that_found_no_server_is_told_apart() -> None:
    """It runs, and that is all."""
    assert parse_chrony(SEARCHING) == TimeSync("chrony")


@pytest.mark.parametrize(
    ("offset", "ms"),
    [("+1.5ms", -1.5), ("-240us", 0.24), ("+1min 2.5s", -62_500.0), ("n/a", None)],
)
def test_timesyncd_tells_how_far_its_server_is_ahead(offset: str, ms: float | None) -> None:
    """So our clock is as much behind."""
    found = parse_timesyncd(TIMESYNC_STATUS.format(offset=offset))

    assert found is not None
    assert (found.server, found.stratum) == ("ntp.bacninh.example (10.24.0.5)", 3)
    assert found.offset_ms == (None if ms is None else pytest.approx(ms))


def test_timesyncd_that_nobody_answered_has_no_server() -> None:
    """It names the one that it tries; that is no server to follow."""
    told = "       Server: 162.159.200.1 (0.debian.pool.ntp.org)\n Packet count: 0\n"

    assert parse_timesyncd(told) == TimeSync("systemd-timesyncd")


@pytest.mark.parametrize("told", ["", "506 Cannot talk to daemon", "a,b,c", "a,b,1,c,x,Normal"])
def test_words_of_another_kind_are_nothing(told: str) -> None:
    """Nothing is made up of them."""
    assert parse_chrony(told) is None
    assert parse_timesyncd(told) is None


def test_chrony_is_asked_first() -> None:
    """Where both are installed, chrony is what runs: it replaces the other."""
    asked: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...]) -> str | None:
        asked.append(command)
        return None

    assert time_sync(run) is None
    assert asked == [CHRONY, TIMESYNCD]
