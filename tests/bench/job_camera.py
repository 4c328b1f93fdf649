"""Cameras that send the pictures of the jobs of `tests.bench.transcode`, or of one without.

    python -m tests.bench.job_camera JOB...

Each job is encoded once and sent in a loop. Prints one line of JSON when all are open: their URLs
in the order of the jobs. The process ends with its parent.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence

from gateway.demo.child_process import die_with_parent
from gateway.demo.encoder import record
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from tests.bench.testbed import NotStarted, Testbed, python
from tests.bench.transcode import JOBS, SECONDS, UNTOUCHED


def start(testbed: Testbed, jobs: Sequence[str]) -> list[str]:
    """Start a process with a camera for each of *jobs*; return their URLs.

    Raises:
        NotStarted: It has ended.
    """
    process = testbed.start(python("tests.bench.job_camera", *jobs), talks=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise NotStarted("the cameras have ended")
    return [str(url) for url in json.loads(line)]


async def _serve(jobs: Sequence[str]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    cameras = [
        VirtualCamera(
            job,
            record("x", (JOBS | UNTOUCHED)[job], SECONDS),
            path=f"/job{number}",
            behaviour=Behaviour(join="next_keyframe"),
        )
        for number, job in enumerate(jobs)
    ]
    async with Recorder(cameras) as recorder:
        print(json.dumps([recorder.url(each) for each in cameras]), flush=True)
        await stopped.wait()


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(_serve(sys.argv[1:]))
