r"""Both ways for random streams, whole and mutated, until the time is up: ``-m tests.fuzz.lane``.

Prints what was tried, and the seed of the first difference. To see the lane's memory as well,
build it with the sanitizers, in a copy of the tree::

    CFLAGS="-O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer" \
        cythonize -3 -i -f gateway/express/lane.pyx
    LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
        ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc python -m tests.fuzz.lane 600
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from random import Random

from gateway.ingest.lane import KEEP_S
from gateway.model.media import Codec
from tests.fixtures.ways import ODD, USUAL, both, chunks, crowd, mutated, written


async def fuzz(seconds: float, seed: int) -> int:
    """Return 1 if the ways differ, else 0 after *seconds*."""
    end_s = time.monotonic() + seconds
    streams = units = express = steps = 0
    while time.monotonic() < end_s:
        random = Random(seed)
        codec: Codec = random.choice(("h264", "h265"))
        count = random.randint(1, 40)
        events = [random.choice(USUAL if random.random() < 0.75 else ODD) for _ in range(count)]
        pieces = list(chunks(written(codec, seed, events), random))
        if random.random() < 0.6:
            pieces = mutated(pieces, random)
        how = {
            "limit": random.choice((60, 300, 1180, 1400)),
            "watchers": random.choice((0, 1, 2)),
            "ride": random.random() < 0.3,
            "tcp": random.random() < 0.1,
            "keep_s": random.choice((0.0, 0.002, KEEP_S)),
        }
        ordinary, lane = both(codec, pieces, crowd(seed), **how)
        wrong = [key for key in lane.report if lane.report[key] != ordinary.report[key]]
        if lane.stream.skipped and "units" in wrong:
            wrong.remove("units")  # but the GOP, the counters and the viewers' packets are the same
        if wrong:
            print(f"seed {seed}: {wrong} differ", codec, how, events)
            return 1
        streams, seed = streams + 1, seed + 1
        units, express = units + len(lane.stream.units), express + lane.stream.express_units
        steps += lane.steps
        if streams % 1_000 == 0:
            kept_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(streams, "streams", kept_kb, "kB", flush=True)
    print(f"{streams} streams, {units} units, {express} of them by the lane, {steps} reads")
    return 0


if __name__ == "__main__":
    seconds, seed = [*sys.argv[1:], *("60", "0")[len(sys.argv) - 1 :]]
    sys.exit(asyncio.run(fuzz(float(seconds), int(seed))))
