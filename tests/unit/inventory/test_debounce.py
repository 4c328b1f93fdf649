"""Only what has been so for ten minutes gets into the inventory."""

from __future__ import annotations

from collections.abc import Callable

from gateway.inventory.debounce import Debouncer
from gateway.model.inventory import StreamRecord, StreamSnapshot
from gateway.model.provenance import Sourced

KEY = ("c1", "main")
SECONDS_PER_CHECK = 10


class ObservedStream:
    """A stream that is observed every ten seconds."""

    def __init__(self, debouncer: Debouncer | None = None) -> None:
        self.debouncer = debouncer or Debouncer({})
        self.now_s = 1000.0
        self.stream = StreamSnapshot("c1", "main", True, "h264", 1920, 1080)
        self.changes = 0

    def run_for(
        self,
        seconds: int,
        *,
        codec: Callable[[int], str | None] = lambda _: "h264",
        fps: float = 25.0,
        kbps: float = 4096.0,
        pulling: bool = True,
    ) -> StreamRecord:
        """Let so much time pass; return what counts then."""
        for number in range(seconds // SECONDS_PER_CHECK):
            self.now_s += SECONDS_PER_CHECK
            read = SECONDS_PER_CHECK if pulling else 0
            self.stream = StreamSnapshot(
                "c1",
                "main",
                pulling,
                codec(number),  # type: ignore[arg-type]  # of the two, in these tests
                1920,
                1080,
                self.stream.units + round(read * fps),
                self.stream.received_bytes + round(read * kbps * 125),
            )
            self.changes += self.debouncer.observe(
                [self.stream], self.now_s, int(self.now_s * 1000)
            )
        return self.debouncer.accepted.get(KEY, StreamRecord("main"))


def test_what_is_new_counts_after_ten_minutes() -> None:
    """Not before."""
    watch = ObservedStream()

    assert watch.run_for(590).codec is None
    known = watch.run_for(60)

    assert (known.codec and known.codec.value) == "h264"
    assert (known.resolution and known.resolution.value) == "1920x1080"


def test_the_time_is_the_minute() -> None:
    """Nobody needs it finer, and it travels in fewer bytes."""
    known = ObservedStream().run_for(700)

    assert known.codec is not None
    assert known.codec.time_ms == 1_560_000


def test_what_flickers_never_counts() -> None:
    """A camera that changes its codec every minute has none."""
    watch = ObservedStream()

    known = watch.run_for(3600, codec=lambda number: "h264" if number // 6 % 2 else "h265")

    assert (known.codec, watch.changes) == (None, 1)  # its size, which stays


def test_a_rate_is_a_rounded_mean_over_time_that_was_read() -> None:
    """Two digits; pauses do not count."""
    watch = ObservedStream()
    watch.run_for(400)
    watch.run_for(3000, pulling=False)
    assert watch.run_for(100).fps is None

    known = watch.run_for(200)

    assert (known.fps and known.fps.value, known.kbps and known.kbps.value) == (25.0, 4100)


def test_a_rate_that_sways_is_told_once() -> None:
    """A fifth more at noon is the same camera."""
    watch = ObservedStream()
    watch.run_for(1300, kbps=2000)
    before = watch.changes
    watch.run_for(2000, kbps=2400)
    known = watch.run_for(2000, kbps=1700)

    assert (known.kbps and known.kbps.value, watch.changes - before) == (2000, 0)


def test_another_rate_is_another() -> None:
    """Somebody has set the camera to half."""
    watch = ObservedStream()
    watch.run_for(1300, fps=25.0)
    known = watch.run_for(1300, fps=12.5)

    assert (known.fps and known.fps.value) == 12.5


def test_what_was_known_before_the_start_counts_until_it_is_another() -> None:
    """A restart is no change."""
    before = StreamRecord("main", codec=Sourced("h265", "observed", 5))
    watch = ObservedStream(Debouncer({KEY: before}))

    assert watch.run_for(300, codec=lambda _: None).codec == before.codec
    known = watch.run_for(620)

    assert (known.codec and known.codec.value) == "h264"


def test_a_stream_that_begins_anew_is_counted_anew() -> None:
    """Counters that fall back are those of another connection."""
    watch = ObservedStream()
    watch.run_for(300)
    watch.stream = StreamSnapshot("c1", "main", True, "h264", 1920, 1080)
    watch.run_for(10)

    assert watch.run_for(300).fps is None


def test_what_is_no_longer_configured_is_forgotten() -> None:
    """A camera that is gone is not observed."""
    watch = ObservedStream()
    watch.run_for(700)

    assert watch.debouncer.observe([], watch.now_s, 0)
    assert watch.debouncer.accepted == {}
