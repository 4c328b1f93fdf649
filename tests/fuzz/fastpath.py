r"""Random streams, whole and mutated, with the fast path and without, until the time is up.

    python -m tests.fuzz.fastpath SECONDS SEED

Prints what was tried, and the seed of the first difference. To see the fast path's memory as well,
build it with the sanitizers, in a copy of the tree::

    CFLAGS="-O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer" \
        cythonize -3 -i -f gateway/fastpath/_fastpath.pyx
    LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
        ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc python -m tests.fuzz.fastpath 600
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from random import Random
from typing import Any

from gateway.model.media import Codec
from gateway.sources.fastpath_handover import RETAIN_S
from tests.fixtures.camera_stream import ORDINARY, UNUSUAL, mutated, reads, stream_of
from tests.fixtures.fastpath_datagrams import DatagramPipeline, datagrams, disturbed
from tests.fixtures.fastpath_scenarios import Pipeline, run_both, viewer_actions


def _pieces(sent: list[bytes], random: Random) -> tuple[type[Pipeline], list[Any]]:
    """Return what a camera has *sent* over TCP or over UDP, and the pipeline that takes it."""
    bad = random.random() < 0.6
    if random.random() < 0.3:
        pieces = datagrams(sent, random)
        return DatagramPipeline, disturbed(pieces, random) if bad else pieces
    cut = list(reads(sent, random))
    return Pipeline, mutated(cut, random) if bad else cut


async def fuzz(seconds: float, seed: int) -> int:
    """Return 1 if something differs, else 0 after *seconds*."""
    end_s = time.monotonic() + seconds
    streams = units = relayed = steps = over_udp = 0
    while time.monotonic() < end_s:
        random = Random(seed)
        codec: Codec = random.choice(("h264", "h265"))
        count = random.randint(1, 40)
        events = [
            random.choice(ORDINARY if random.random() < 0.75 else UNUSUAL) for _ in range(count)
        ]
        sent = stream_of(codec, seed, events)
        kind, pieces = _pieces(sent, random)
        how = {
            "limit": random.choice((60, 300, 1180, 1400)),
            "viewers": random.choice((0, 1, 2)),
            "polling": random.random() < 0.3,
            "tcp": random.random() < 0.1,
            "retain_s": random.choice((0.0, 0.002, RETAIN_S)),
            "known": random.random() < 0.7,
            "held_bytes": random.choice((None, None, 0, 1_000, 30_000)),
        }
        acts = viewer_actions(seed, held=how["held_bytes"] is not None)
        python, fast_path = run_both(codec, pieces, acts, kind, **how)
        wrong = [key for key in fast_path.report if fast_path.report[key] != python.report[key]]
        if fast_path.stream.evicted_packets and "units" in wrong:
            wrong.remove("units")  # but the GOP, the counters and the viewers' packets are the same
        if wrong:
            print(f"seed {seed}: {wrong} differ", codec, how, events)
            return 1
        streams, seed = streams + 1, seed + 1
        units += len(fast_path.stream.units)
        relayed += fast_path.stream.fast_path_units
        if kind is DatagramPipeline:
            over_udp += fast_path.stream.fast_path_units
        steps += fast_path.reads
        if streams % 1_000 == 0:
            resident_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(streams, "streams", resident_kb, "kB", flush=True)
    print(
        f"{streams} streams, {units} units, {relayed} of them by the fast path,"
        f" {over_udp} over UDP, {steps} reads"
    )
    return 0


if __name__ == "__main__":
    seconds, seed = [*sys.argv[1:], *("60", "0")[len(sys.argv) - 1 :]]
    sys.exit(asyncio.run(fuzz(float(seconds), int(seed))))
