"""How long the gateway takes to refuse a hostile configuration document.

    python -m tests.bench.bench_hostile

Prints one JSON line per payload, the slowest first. Bar: 50 ms each, since they are read on the
event loop.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from gateway.model.errors import MessageRejected
from tests.unit.remote_config.test_validate import HOSTILE, PACKED_VALUES, ValidatorHarness

REPEATS = 20


def main() -> None:
    """Measure each payload."""
    with tempfile.TemporaryDirectory() as folder:
        harness = ValidatorHarness(Path(folder))
        cases = [(name, payload, "application/json") for name, payload in HOSTILE.items()]
        cases.append(("a packed million of values", PACKED_VALUES, "application/json+zlib"))
        lines = [(name, taken_ms(harness, payload, kind)) for name, payload, kind in cases]
    for name, took_ms in sorted(lines, key=lambda line: -line[1]):
        sys.stdout.write(json.dumps({"payload": name, "median_ms": round(took_ms, 2)}) + "\n")


def taken_ms(harness: ValidatorHarness, payload: bytes, content_type: str) -> float:
    """Return the median over some readings."""
    took_s = []
    for _ in range(REPEATS):
        begun_s = time.perf_counter()
        with suppress(MessageRejected):
            harness.validator.verify(payload, content_type)
        took_s.append(time.perf_counter() - begun_s)
    return statistics.median(took_s) * 1000


if __name__ == "__main__":
    main()
