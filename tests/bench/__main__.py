"""Measures the gateway beside other relays, as their users run them: real RTSP in, viewers out.

    scripts/bench relay --streams 1,4,12,32 --mbps 4
    scripts/bench relay --streams 1 --mbps 2 --busy 2     (beside two programs that burn cores)
    scripts/bench relay --relays camera-gateway --source udp      (cameras over UDP)
    scripts/bench fanout --viewers 1,10,30,50
    scripts/bench latency | first-frame | idle | capacity | memory | floor
    scripts/bench transcode --rounds 5        (one child beside the ffmpeg program)
    scripts/bench transcode --relays camera-gateway,mediamtx,go2rtc --case "H.265"
    scripts/bench transcode-viewers           (ten of one transcode beside one)
    scripts/bench transcode-first-frame --viewings 24 [--case cold]
    scripts/bench latency | first-frame --beside "1080p H.265"   (transcoded, on the same gateway)
    scripts/bench demux                       (one child that takes a container apart)
    scripts/bench attack --attacks "lost framing,tiny pictures" --seconds 10 --mbps 5
    scripts/bench attack --all --seconds 60 --mbps 5
    scripts/bench narrow --relays camera-gateway,janus --case "2.5 Mb/s"
    scripts/bench slates --streams 1,4        (so many different ones at once)
    scripts/bench page --streams 300,3321     (here: sites on the operators' page)

Each relay does the same work in one run, in turn. Prints what was measured; asserts nothing,
since machines differ. Memory is told as RSS, PSS and USS, a relay's processes together; null is
what could not be read. Compare by ratio, within one run. How it is measured: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from tests.bench import first_frame, throughput, transcode_first, transcode_relays
from tests.bench.attack import attack, attack_together
from tests.bench.demux import demux
from tests.bench.floor import floor
from tests.bench.latency import latency
from tests.bench.memory import memory
from tests.bench.narrow import narrow
from tests.bench.page import page
from tests.bench.slates import slates
from tests.bench.testbed import Load
from tests.bench.transcode import JOBS, transcode
from tests.bench.transcode_first import STATES

DEFAULT_STREAMS = {
    "relay": (12,),
    "fanout": (1,),
    "latency": (1, 12),
    "first-frame": (1,),
    "idle": (32,),
    "capacity": (16, 32, 64, 96, 128, 160),
    "memory": (1, 12, 32),
    "floor": (12,),
    "attack": (1,),
    "narrow": (1,),
    "page": (300, 3321),
    "transcode": (1,),
    "transcode-viewers": (1,),
    "transcode-first-frame": (1,),
    "demux": (1,),
    "slates": (1, 4),
}


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("scenario", choices=tuple(DEFAULT_STREAMS))
    parser.add_argument("--relays", help="names separated by commas; default: all that are here")
    parser.add_argument("--streams", type=_numbers, help="cameras; default depends")
    parser.add_argument("--viewers", type=_numbers, default=[1, 10, 30, 50], help="fanout")
    parser.add_argument("--mbps", type=float, help="of a camera; default 4, capacity 2")
    parser.add_argument("--mtu", type=int, default=1400, help="of the camera's packets")
    parser.add_argument("--gops", type=_numbers, default=[1, 2, 10], help="first-frame: seconds")
    parser.add_argument("--viewings", type=int, default=30, help="first-frame: of each relay")
    parser.add_argument("--obedient", action="store_true", help="cameras heed RTCP's PLI")
    parser.add_argument(
        "--attacks", help="of tests.attack.cameras, separated by commas; default all"
    )
    parser.add_argument(
        "--all", action="store_true", help="attack: cameras, viewers and strangers at once"
    )
    parser.add_argument(
        "--busy", type=int, default=0, metavar="N", help="relay, idle: N programs burn cores beside"
    )
    parser.add_argument(
        "--case", help="narrow, transcode: only the cases or jobs with this in their names"
    )
    parser.add_argument(
        "--beside", choices=tuple(JOBS), help="latency, first-frame: ours transcodes this beside"
    )
    parser.add_argument(
        "--source", choices=("tcp", "udp"), default="tcp", help="relay: how ours pulls cameras"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="of a round; default depends")
    parser.add_argument("--json", action="store_true", help="one line an object, for machines")
    return parser.parse_args()


def run(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the results of the scenario that was asked for."""
    default_mbps = 2.0 if asked.scenario == "capacity" else 4.0
    kbps = round((asked.mbps or default_mbps) * 1000)
    streams = asked.streams or DEFAULT_STREAMS[asked.scenario]
    loads = [
        Load(
            *(each, each),
            kbps=kbps,
            mtu=asked.mtu,
            obedient=asked.obedient,
            busy=asked.busy,
            beside=asked.beside,
            source=asked.source,
        )
        for each in streams
    ]
    names, rounds = asked.relays or (throughput.OURS if asked.beside else None), asked.rounds
    seconds = asked.seconds or (60.0 if asked.scenario == "idle" else 8.0)
    if asked.scenario == "attack" and asked.all:
        yield attack_together(asked.seconds or 60.0, asked.mbps or 5.0)
        return
    if asked.scenario == "attack":
        yield from attack(asked.attacks, seconds, asked.mbps)
        return
    if asked.scenario == "transcode" and names:
        yield transcode_relays.beside_others(names, rounds, asked.seconds or 12.0, asked.case)
        return
    if asked.scenario == "transcode":
        jobs = {name: each for name, each in JOBS.items() if (asked.case or "") in name}
        yield transcode(rounds, max(1, round((asked.seconds or 8.0) / 4)), jobs)
        return
    if asked.scenario == "slates":
        yield slates(streams, asked.seconds or 12.0)
        return
    if asked.scenario == "page":
        yield from page(streams, asked.seconds or 10.0)
        return
    if asked.scenario == "relay":
        yield from throughput.relay(names, loads, rounds, seconds)
        return
    one = {
        "fanout": lambda: throughput.fanout(names, loads[0], asked.viewers, rounds, seconds),
        "latency": lambda: latency(names, loads, rounds, seconds),
        "first-frame": lambda: first_frame.first_frame(names, loads[0], asked.gops, asked.viewings),
        "capacity": lambda: throughput.capacity(names, loads[0], streams, seconds),
        "memory": lambda: memory(names, loads[0], streams),
        "idle": lambda: throughput.idle(names, loads[0], rounds, seconds),
        "narrow": lambda: narrow(names, asked.rounds, asked.seconds or 16.0, asked.case),
        "transcode-viewers": lambda: transcode_relays.viewers_of_one(
            rounds, seconds, job=next(each for each in JOBS if (asked.case or "") in each)
        ),
        "transcode-first-frame": lambda: transcode_first.first_frames(
            asked.viewings, [each for each in STATES if (asked.case or "") in each.name]
        ),
        "demux": lambda: demux(rounds, seconds),
        "floor": lambda: floor(loads[0], rounds, seconds),
    }
    yield one[asked.scenario]()


def main() -> None:
    """Print one object for each result."""
    asked = _arguments()
    for found in run(asked):
        print(json.dumps(found) if asked.json else json.dumps(found, indent=2), flush=True)


if __name__ == "__main__":
    main()
