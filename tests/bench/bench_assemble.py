"""How long one RTP packet takes to become part of an access unit.

    python tests/bench/bench_assemble.py

Prints one JSON line per case; compare lines from the same machine only. The stream is a camera
of 4 Mb/s: 25 pictures a second, a keyframe of 100 kB every two seconds, packets of 1400 bytes.
Budget: 2 us per packet, of the 15 us that the whole relay may take.
"""

from __future__ import annotations

import json
import platform
import random
import sys
import time

from gateway.model.media import SourceCounters, VideoFormat
from gateway.rtp.codecs import packetise
from gateway.rtp.packet import build_header
from gateway.sources.depacketizer import Depacketizer
from gateway.sources.timeline import Timeline

SETS = (bytes.fromhex("67640014acb202833f3e0220000003002000000641e28549"), b"\x68\xeb\xcc\xb2\x2c")
GOP, GOPS, REPEATS = 50, 10, 5


def pictures(limit: int) -> list[list[bytes]]:
    """Return the packets of each picture of the stream."""
    body = random.Random(0).randbytes(100_000)
    seq, batches = 0, []
    for number in range(GOP * GOPS):
        keyframe = number % GOP == 0
        slices = b"\x65\x88" + body if keyframe else b"\x41\x9a" + body[:18_700]
        payloads = packetise((*SETS, slices) if keyframe else (slices,), "h264", limit)
        batch = []
        for index, payload in enumerate(payloads):
            marker = index == len(payloads) - 1
            batch.append(build_header(96, marker, seq, number * 3_600, 1) + payload)
            seq += 1
        batches.append(batch)
    return batches


def once(batches: list[list[bytes]]) -> float:
    """Return the seconds that an depacketizer takes for *batches*."""
    counters = SourceCounters()
    depacketizer = Depacketizer(
        VideoFormat("h264", SETS),
        payload_type=96,
        timeline=Timeline(counters),
        counters=counters,
        payload_bytes=1_180,
    )
    started = time.perf_counter()
    for number, batch in enumerate(batches):
        depacketizer.push_packets(batch, number / 25)
    took = time.perf_counter() - started
    if counters.units != GOP * GOPS or counters.discarded:
        sys.exit(f"not what was measured: {counters}")
    return took


def main() -> None:
    """Measure each case; best of `REPEATS`, because noise only adds."""
    whole, cut = pictures(1_180), pictures(1_388)
    cases = {"as is": whole, "cut anew": cut, "one by one": [[p] for batch in cut for p in batch]}
    for case, batches in cases.items():
        packets = sum(map(len, batches))
        best = min(once(batches) for _ in range(REPEATS))
        print(
            json.dumps(
                {
                    "bench": "assemble",
                    "case": case,
                    "us_per_packet": round(best / packets * 1e6, 2),
                    "packets": packets,
                    "python": platform.python_version(),
                    "machine": platform.machine(),
                }
            )
        )


if __name__ == "__main__":
    main()
