"""Processor time of a transcode beside the `ffmpeg` program on the same job, in turn.

Both decode, deinterlace, scale and encode with one thread and the same settings. Ours is the child
as the gateway runs it, sandbox and pipes included; it is fed as fast as it takes the pictures, none
of which is late. Start and end of both are in the figures. Beside them: `ffmpeg` as the users of
other relays start it (``plain``: `tests.bench.relays.conversion`), and the child that leaves the
work to the machine's `ffmpeg` (``program``).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.demo.encoder import CodedPicture, EncoderSettings, RecordedFootage, record
from gateway.model.media import Codec
from gateway.rtp.codecs import packetise
from gateway.rtp.jpeg import split_picture
from gateway.rtp.payload import annex_b
from gateway.transcoding.libraries import program_version
from gateway.transcoding.messages import Command, InputHeader, Report, ReportParser, pack_unit
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.process import COMMAND
from tests.bench import footprint
from tests.bench.relays.conversion import FFMPEG, Conversion, Manner

JOBS = {
    "1080p H.265": EncoderSettings("h265", 1920, 1080, 25, 2.0, 4_000_000, noise=True),
    "1080p H.264": EncoderSettings("h264", 1920, 1080, 25, 2.0, 4_000_000, noise=True),
    "D1 interlaced": EncoderSettings(
        "h264", 720, 576, 25, 2.0, 2_000_000, noise=True, interlaced=True, pixel_aspect=(16, 15)
    ),
    "360p H.265": EncoderSettings("h265", 640, 360, 25, 2.0, 500_000, noise=True),
    "720p JPEG": EncoderSettings("mjpeg", 1280, 720, 25, 2.0, 36_000_000, noise=True),
}
UNTOUCHED = {"720p H.264": EncoderSettings("h264", 1280, 720, 25, 2.0, 1_500_000, noise=True)}
"""As much as a transcode sends; relayed as it is."""
_FORMATS: dict[Codec, str] = {"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg"}
LIBRARY, PROGRAM = "libx264", "ffmpeg/libx264"
"""Encoders of ours, by their names in the settings."""
_LATER_S = 1000.0
MOST_AHEAD = 16
"""Pictures in the child: the program's child throws away what is in it when the pipe ends."""
LOST_S = 5.0
"""A picture that has not come by then does not."""
SECONDS = 4.0


def ours(footage: RecordedFootage, loops: int, encoder: str = LIBRARY) -> dict[str, float]:
    """Transcode *loops* of *footage* in a child with *encoder*; return what it took."""
    process = _start(footage, encoder)
    assert process.stdin is not None
    assert process.stdout is not None
    out = threading.Semaphore(MOST_AHEAD)
    arguments = process.stdin, footage, loops, out
    feeder = threading.Thread(target=_feed, args=arguments, daemon=True)
    feeder.start()
    parser, pictures, coded_bytes = ReportParser(), 0, 0
    memory = footprint.Footprint(0.0, None, None)
    while raw := os.read(process.stdout.fileno(), 1 << 18):
        for head, nals in parser.feed(raw):
            if head.report is Report.UNIT:
                pictures += 1
                out.release()
                coded_bytes += sum(map(len, nals))
                if pictures == loops * len(footage.pictures) // 2:
                    memory = footprint.of_family(process.pid)
    feeder.join()
    process.stdout.close()
    used = _used(process)
    result = _result(used.ru_utime + used.ru_stime, pictures, coded_bytes)
    return {**result, "rss_mb": memory.rss_mb, "uss_mb": memory.uss_mb or 0.0}


def _feed(pipe: Any, footage: RecordedFootage, loops: int, out: threading.Semaphore) -> None:
    units = [(each.keyframe, _payloads(each, footage)) for each in footage.pictures]
    number = 0
    for _ in range(loops):
        for keyframe, payloads in units:
            late_s = time.monotonic() + _LATER_S
            head = InputHeader(
                Command.UNIT, keyframe, False, 0, 0, number + 1, number * 3600, late_s
            )
            out.acquire(timeout=LOST_S)
            pipe.write(pack_unit(head, payloads))
            pipe.flush()
            number += 1
    for _ in range(MOST_AHEAD - 1):  # a deinterlacer keeps the last
        out.acquire(timeout=LOST_S)
    pipe.close()


def _payloads(coded: CodedPicture, footage: RecordedFootage) -> Sequence[bytes]:
    """Return *coded* as an access unit of the gateway holds it."""
    if footage.settings.codec == "mjpeg":
        return split_picture(coded.nal_units[0]).payloads
    return packetise(coded.nal_units, footage.settings.codec, 1180)


def _file_of(coded: CodedPicture, footage: RecordedFootage) -> bytes:
    """Return *coded* as a file holds it."""
    if footage.settings.codec == "mjpeg":
        return coded.nal_units[0]
    return annex_b(coded.nal_units)


def ffmpeg(footage: RecordedFootage, loops: int, manner: Manner = "tuned") -> dict[str, float]:
    """Transcode *loops* of *footage* with Debian's program; return what it took."""
    settings = footage.settings
    job = Conversion(settings, manner=manner)
    exact = ("-x264-params", "scenecut=0:sliced-threads=0") if manner == "tuned" else ()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in", Path(folder) / "out.h264"
        source.write_bytes(b"".join(_file_of(each, footage) for each in footage.pictures) * loops)
        process = subprocess.Popen(
            [
                *(FFMPEG, "-v", "error", *job.input_options, "-r", str(settings.fps)),
                *("-f", _FORMATS[settings.codec], "-i", str(source), "-vf", job.filters),
                *(*job.encoder_options, *exact, "-f", "h264", str(target)),
            ],
            stdin=subprocess.DEVNULL,
        )
        used = _used(process)
        pictures = len(footage.pictures) * loops
        return _result(used.ru_utime + used.ru_stime, pictures, target.stat().st_size)


def _used(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """Return what *process* has used, once it has ended."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used


def _result(cpu_s: float, pictures: int, coded_bytes: int) -> dict[str, float]:
    return {
        "cpu_ms": cpu_s * 1000 / max(pictures, 1),
        "kbps": coded_bytes * 8 * 25 / 1000 / max(pictures, 1),
        "pictures": pictures,
    }


def live(footage: RecordedFootage, seconds: float) -> dict[str, float]:
    """Feed a child as a camera does; return how long pictures take through it, in milliseconds.

    ``first`` is from the start of the child to the first picture out, with half a GOP in the cache;
    ``caught_up`` to the first live one; ``shown`` is the share of those that come out.
    """
    began_s = time.monotonic()
    process = _start(footage)
    assert process.stdout is not None
    cached = len(footage.pictures) // 4
    sent_s: dict[int, float] = {}
    count = cached + round(seconds * footage.settings.fps)
    feeder = threading.Thread(
        target=_feed_live, args=(process.stdin, footage, cached, count, sent_s), daemon=True
    )
    feeder.start()
    parser, came_s = ReportParser(), dict[int, float]()
    while raw := os.read(process.stdout.fileno(), 1 << 18):
        now_s = time.monotonic()
        came_s |= {head.serial: now_s for head, _ in parser.feed(raw) if head.report is Report.UNIT}
    feeder.join()
    process.stdout.close()
    _used(process)
    lived_s = {serial: at_s for serial, at_s in came_s.items() if serial > cached}
    cuts = statistics.quantiles([at_s - sent_s[each] for each, at_s in lived_s.items()], n=100)
    first_s, caught_up_s = min(came_s.values()) - began_s, min(lived_s.values()) - began_s
    times_s = {"p50": cuts[49], "p99": cuts[98], "first": first_s, "caught_up": caught_up_s}
    shown = len(lived_s) / (count - cached)
    return {**{key: round(each * 1000, 1) for key, each in times_s.items()}, "shown": shown}


def _feed_live(
    pipe: Any, footage: RecordedFootage, cached: int, count: int, sent_s: dict[int, float]
) -> None:
    """Send *count* pictures, the first *cached* at once, the others at the camera's rate."""
    fps = footage.settings.fps
    units = [(each.keyframe, _payloads(each, footage)) for each in footage.pictures]
    due_s = time.monotonic()
    for number in range(count):
        keyframe, payloads = units[number % len(units)]
        if number >= cached:
            due_s += 1 / fps
            time.sleep(max(0.0, due_s - time.monotonic()))
        now_s = sent_s[number + 1] = time.monotonic()
        head = InputHeader(
            *(Command.UNIT, keyframe, number < cached, 0, 0), *(number + 1, number * 3600, now_s)
        )
        pipe.write(pack_unit(head, payloads))
        pipe.flush()
    pipe.close()


def _start(footage: RecordedFootage, encoder: str = LIBRARY) -> subprocess.Popen[bytes]:
    """Start a child for *footage*, as the gateway does."""
    arguments = (str(os.getpid()), footage.settings.codec, encoder)
    return subprocess.Popen(
        [*COMMAND, *arguments, *OutputFormat().to_arguments()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def transcode(
    rounds: int, loops: int, jobs: Mapping[str, EncoderSettings] = JOBS
) -> dict[str, Any]:
    """Return what each job takes, in *rounds* of *loops* times four seconds, in turn."""
    results = []
    for name, settings in jobs.items():
        footage = record("x", settings, SECONDS)
        runs = [
            (
                ours(footage, loops),
                ffmpeg(footage, loops),
                ffmpeg(footage, loops, "plain"),
                ours(footage, loops, PROGRAM),
            )
            for _ in range(rounds)
        ]
        results.append(
            {
                "job": name,
                "pictures": runs[0][0]["pictures"],
                "cpu_ms": _median(runs, 0, "cpu_ms"),
                "ffmpeg_cpu_ms": _median(runs, 1, "cpu_ms"),
                "plain_cpu_ms": _median(runs, 2, "cpu_ms"),
                "program_cpu_ms": _median(runs, 3, "cpu_ms"),
                "ratio_to_ffmpeg": _ratio(runs, 0, 1),
                "ratio_to_plain": _ratio(runs, 0, 2),
                "program_to_ours": _ratio(runs, 3, 0),
                "kbps": _median(runs, 0, "kbps"),
                "ffmpeg_kbps": _median(runs, 1, "kbps"),
                "rss_mb": _median(runs, 0, "rss_mb"),
                "uss_mb": _median(runs, 0, "uss_mb"),
                "live_ms": _live(footage, rounds, loops),
            }
        )
    return {
        "scenario": "transcode",
        "rounds": rounds,
        "ffmpeg": program_version(FFMPEG),
        "load_before": os.getloadavg()[0],
        "python": sys.version.split()[0],
        "results": results,
    }


def _live(footage: RecordedFootage, rounds: int, loops: int) -> dict[str, float]:
    """Return the medians of *rounds* in which the pictures came as from a camera."""
    found = [live(footage, loops * SECONDS) for _ in range(rounds)]
    return {key: round(statistics.median(each[key] for each in found), 2) for key in found[0]}


def _median(runs: Sequence[Sequence[Mapping[str, float]]], at: int, key: str) -> float:
    return round(statistics.median(each[at][key] for each in runs), 2)


def _ratio(runs: Sequence[Sequence[Mapping[str, float]]], one: int, other: int) -> float:
    """Return the median of the ratios of what two of each round have taken."""
    return round(statistics.median(each[one]["cpu_ms"] / each[other]["cpu_ms"] for each in runs), 2)
