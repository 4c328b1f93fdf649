"""Transcoding by whole relays, one real viewer each: ours beside others with their own `ffmpeg`.

The camera sends RTSP at its own pace; counted are the relay and all below it, so also the `ffmpeg`
that it has started, for each picture that the viewer is sent. Rounds in turn, each beginning with
another relay. On a full machine ours, which lets all others go first (nice 4), leaves out encoding,
so that each picture it does send bears the decoding of others; ``ours_to_it`` is of rounds in which
both sent nearly all of them, ``at_most`` of all rounds. What the others' `ffmpeg` is told:
`tests.bench.relays.conversion`.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil

from gateway.demo.encoder import EncoderSettings
from gateway.transcoding.libraries import program_version
from tests.bench import job_camera
from tests.bench.measure import SETTLE_S, ViewerProcess, alternate, log, machine, playing
from tests.bench.relays import Relay, Running
from tests.bench.relays.conversion import FFMPEG, Conversion
from tests.bench.relays.go2rtc import Go2rtc
from tests.bench.relays.mediamtx import MediaMtx
from tests.bench.relays.ours import CameraGateway
from tests.bench.testbed import Load, NotStarted, Testbed, family, own_cpu_s, python
from tests.bench.throughput import OURS
from tests.bench.transcode import JOBS, UNTOUCHED

WORKER = "gateway.transcoding.worker"
FPS = 25
REMOTE = ("1080p H.265", "D1 interlaced", "720p JPEG")
WHOLE = 0.95
"""Of the camera's pictures; with fewer a round is not compared."""
LEAVE_S = 20.0
"""By then viewers that were told to go have gone."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one relay took in one round.

    Attributes:
        cpu_ms: Processor time of all its processes for each picture sent.
        child_ms: The part of its children: our worker, the others' `ffmpeg`.
        fps: Pictures sent in a second.
        kbps: Of what was sent.
    """

    cpu_ms: float
    child_ms: float
    fps: float
    kbps: float


def relays_for(settings: EncoderSettings, names: Sequence[str]) -> dict[str, Relay]:
    """Return the relays that transcode what *settings* sends, by the names in the results."""
    every: dict[str, Relay] = {
        OURS: CameraGateway(),
        "mediamtx": MediaMtx(Conversion(settings)),
        "mediamtx, tuned": MediaMtx(Conversion(settings, manner="tuned")),
        "go2rtc": Go2rtc(Conversion(settings)),
        "go2rtc, tuned": Go2rtc(Conversion(settings, manner="tuned")),
    }
    found = {}
    for name, relay in every.items():
        if name.partition(",")[0] in names:
            if (reason := relay.absent()) is None:
                found[name] = relay
            else:
                log(f"left out: {name} ({reason})")
    return found


@contextmanager
def watched(
    testbed: Testbed, relay: Relay, jobs: Sequence[str], settle_s: float = SETTLE_S
) -> Iterator[tuple[Running, ViewerProcess]]:
    """Start *relay*, a camera for each of *jobs* and a viewer of the first; yield when it plays."""
    urls = job_camera.start(testbed, jobs)
    with playing(testbed, relay, Load(1, 1), urls, "--pictures") as found:
        time.sleep(settle_s)
        yield found


def observe(running: Running, crowd: ViewerProcess, seconds: float) -> Share:
    """Return what is seen in the next *seconds*; pictures are those of the first viewer.

    Raises:
        NotStarted: Its children are others now: what those took that have ended is not known.
    """
    crowd.query("pictures")
    before, began_s = _cpu_by_process(running.pid), time.monotonic()
    time.sleep(seconds)
    sent, took_s = crowd.query("pictures")[0], time.monotonic() - began_s
    after = _cpu_by_process(running.pid)
    if set(after) != set(before):
        raise NotStarted("another child has come, or one has gone")
    own_s = after[running.pid] - before[running.pid]
    child_s = sum(after.values()) - sum(before.values()) - own_s
    pictures = max(1, len(sent))
    return Share(
        cpu_ms=(own_s + child_s) * 1000 / pictures,
        child_ms=child_s * 1000 / pictures,
        fps=pictures / took_s,
        kbps=sum(size for _, size, _ in sent) * 8e-3 / took_s,
    )


def workers_of(pid: int) -> list[int]:
    """Return the transcoding children below the gateway *pid*."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if WORKER in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child.pid)
    return found


def _cpu_by_process(pid: int) -> dict[int, float]:
    """Return the processor time of a process, and of each below it, in seconds."""
    return {each.pid: own_cpu_s(each.pid) for each in family(pid)}


def once(relay: Relay, job: str, seconds: float) -> Share | None:
    """Return one round of *relay*; None, aloud, if it does not come up."""
    with Testbed() as testbed:
        try:
            with watched(testbed, relay, [job]) as (running, crowd):
                return observe(running, crowd, seconds)
        except NotStarted as error:
            log(f"{relay.name}, {job}: {error}")
            return None


def beside_others(
    names: str, rounds: int, seconds: float, only: str | None = None
) -> dict[str, Any]:
    """Return what each job takes of each relay of *names*; *only*: part of the jobs' names."""
    results = []
    load_before = os.getloadavg()[0]
    for job in REMOTE:
        if only is not None and only not in job:
            continue
        relays = relays_for(JOBS[job], names.split(","))
        seen: dict[int, dict[str, Share]] = defaultdict(dict)
        for number, name in alternate(list(relays), rounds):
            found = once(relays[name], job, seconds)
            if found is not None:
                seen[number][name] = found
                log(f"{job}, round {number + 1}: {name} {found}")
        results.append({"job": job, "relays": [compare(each, seen) for each in relays]})
    return {
        "scenario": "transcode",
        "rounds": rounds,
        "seconds": seconds,
        "ffmpeg": program_version(FFMPEG),
        "machine": machine(),
        "load_before": round(load_before, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "results": results,
    }


def compare(name: str, seen: Mapping[int, Mapping[str, Share]]) -> dict[str, Any]:
    """Return the medians of *name*, and of what ours cost through what it did, within a round."""
    mine = [shares[name] for shares in seen.values() if name in shares]
    pairs = [(each[OURS], each[name]) for each in seen.values() if {OURS, name} <= set(each)]
    ratios = [a.cpu_ms / b.cpu_ms for a, b in pairs if min(a.fps, b.fps) >= WHOLE * FPS]
    every = [a.cpu_ms / b.cpu_ms for a, b in pairs]
    return {
        "relay": name,
        "rounds_measured": len(mine),
        **{key: _median(mine, key) for key in ("cpu_ms", "child_ms", "fps", "kbps")},
        "ours_to_it": round(statistics.median(ratios), 2) if ratios else None,
        "rounds_compared": [round(each, 2) for each in ratios],
        "at_most": round(statistics.median(every), 2) if every else None,
    }


def _median(shares: Sequence[Share], key: str) -> float | None:
    return round(statistics.median(getattr(each, key) for each in shares), 2) if shares else None


@contextmanager
def _beside(running: Running, viewers: int, camera: int) -> Iterator[None]:
    """Let so many more watch *camera*; they have said goodbye when this ends.

    Who is killed instead is sent to for 30 s.
    """
    with Testbed() as hall:
        others = hall.start(
            python("tests.bench.receiver", running.dialect, viewers, 1, f"--first={camera}"),
            says="ready",
        )
        try:
            yield
        finally:
            assert others.stdin is not None
            others.stdin.close()
            others.wait(LEAVE_S)


def viewers_of_one(
    rounds: int,
    seconds: float,
    *,
    viewers: int = 10,
    job: str = REMOTE[0],
    settle_s: float = SETTLE_S,
) -> dict[str, Any]:
    """Return what the child takes with one viewer, and with *viewers*, in turn in one gateway.

    In both states as many watch, and are sent as much: with one viewer of the transcode the others
    watch an untouched camera. They take the same caches and cores from the child.
    """
    one, many = list[Share](), list[Share]()
    load_before = os.getloadavg()[0]
    with (
        Testbed() as testbed,
        watched(testbed, CameraGateway(), [job, *UNTOUCHED], settle_s) as (running, crowd),
    ):
        for number in range(rounds):
            try:
                seen = []
                for camera in (1, 0):
                    with _beside(running, viewers - 1, camera):
                        time.sleep(settle_s)
                        seen.append(observe(running, crowd, seconds))
            except NotStarted as error:
                log(f"round {number + 1} does not count: {error}")
                continue
            alone, together = seen
            one.append(alone)
            many.append(together)
            time.sleep(settle_s)
            log(f"round {number + 1}: one {alone}, {viewers} {together}")
    pairs = list(zip(one, many, strict=True))
    ratios = [b.child_ms / a.child_ms for a, b in pairs]
    further = [(b.cpu_ms - b.child_ms - a.cpu_ms + a.child_ms) / (viewers - 1) for a, b in pairs]
    return {
        "scenario": "transcode",
        "job": job,
        "viewers": viewers,
        "rounds": rounds,
        "machine": machine(),
        "load_before": round(load_before, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "child_ms": [_median(one, "child_ms"), _median(many, "child_ms")],
        "fps": [_median(one, "fps"), _median(many, "fps")],
        "child_ratio": round(statistics.median(ratios), 3) if ratios else None,
        "child_ratio_rounds": [round(each, 3) for each in ratios],
        "relay_ms_more_than_untouched": round(statistics.median(further), 3) if further else None,
    }
