"""Kills, hangs and starves the worker that transcodes, under a whole gateway with viewers.

What is looked at: every viewer gets pictures again without doing anything, and at the end no
process is left.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from pydantic import SecretStr

from gateway.demo.auth import Account
from gateway.demo.encoder import EncoderSettings, record
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from tests.fixtures.broker import Broker
from tests.fixtures.clock import HANG_S
from tests.fixtures.site import PASSWORD, Site, bye, site
from tests.fixtures.viewer import Viewer

WORKER = "gateway.transcoding.worker"
STARVED_S = 1.5
"""How long the worker gets no processor at a stretch: longer than it may fall behind."""
PACKETS = 20
"""A viewer who gets so many more has pictures again."""


@dataclass
class TranscodeCampaign:
    """What has been done and found.

    Attributes:
        acts: How often each thing was done to the worker.
        lasted_s: For each of them, seconds until all viewers had pictures again.
        workers: Workers seen.
        wrong: What must not be; empty is good.
    """

    acts: Counter[str] = field(default_factory=Counter)
    lasted_s: dict[str, list[float]] = field(default_factory=dict)
    workers: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def h265_camera() -> VirtualCamera:
    """Return a camera that browsers without H.265 cannot show."""
    footage = record("Quầy 1", EncoderSettings("h265", 320, 180, 25, 1.0, 300_000))
    account = Account("viewer", SecretStr(PASSWORD))
    return VirtualCamera(
        "Quầy 1", footage, account=account, behaviour=Behaviour(join="next_keyframe")
    )


@asynccontextmanager
async def h265_site(folder: Path, broker: Broker) -> AsyncIterator[Site]:
    """A gateway with one H.265 camera."""
    async with site(folder, broker, (h265_camera(),), linger_s=0.0) as running:
        yield running


def workers_of(running: Site) -> list[psutil.Process]:
    """Return the workers that the gateway has now."""
    found = []
    for child in psutil.Process(running.process.pid).children(recursive=True):
        try:
            if WORKER in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


async def worker_of(running: Site) -> psutil.Process:
    """Return the only worker, once there is one."""
    async with asyncio.timeout(HANG_S):
        while len(found := workers_of(running)) != 1:  # noqa: ASYNC110 (not our child)
            await asyncio.sleep(0.05)
    return found[0]


async def run_campaign(
    running: Site, *, rounds: int, seed: int, viewers: int = 2
) -> TranscodeCampaign:
    """Watch the camera with *viewers* and do something to the worker *rounds* times."""
    campaign, choose = TranscodeCampaign(), random.Random(seed)
    watching = [await running.watch(0) for _ in range(viewers)]
    for number in range(rounds):
        act = ("kill", "hang", "starve")[number % 3]
        worker = await worker_of(running)
        campaign.workers.add(worker.pid)
        await _pictures(watching)
        await asyncio.sleep(choose.uniform(0.0, 0.2))  # anywhere in a GOP
        begun_s = time.monotonic()
        await _do(act, worker)
        try:
            await _pictures(watching)
        except TimeoutError:
            campaign.wrong.append(f"round {number}: a viewer has no picture after {act}")
            break
        campaign.acts[act] += 1
        campaign.lasted_s.setdefault(act, []).append(time.monotonic() - begun_s)
    for number in range(1, running.number + 1):
        running.say(bye(number))
    campaign.wrong += await _left(running, campaign.workers)
    return campaign


async def _do(act: str, worker: psutil.Process) -> None:
    match act:
        case "kill":
            os.kill(worker.pid, signal.SIGKILL)
        case "hang":
            os.kill(worker.pid, signal.SIGSTOP)
            async with asyncio.timeout(HANG_S):
                while worker.is_running():  # noqa: ASYNC110 (not our child)
                    await asyncio.sleep(0.05)
        case "starve":
            os.kill(worker.pid, signal.SIGSTOP)
            await asyncio.sleep(STARVED_S)
            os.kill(worker.pid, signal.SIGCONT)


async def _pictures(watching: list[Viewer]) -> None:
    """Return once every viewer has got `PACKETS` more. Raises TimeoutError."""
    before = [len(viewer.packets) for viewer in watching]
    for viewer, count in zip(watching, before, strict=True):
        await viewer.until(count + PACKETS)


async def _left(running: Site, workers: set[int]) -> list[str]:
    """Return what is left of the workers after the last viewer has gone."""
    try:
        async with asyncio.timeout(HANG_S):
            while workers_of(running) or any(map(psutil.pid_exists, workers)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        left = [pid for pid in workers if psutil.pid_exists(pid)]
        return [f"left: {left}, without a viewer: {workers_of(running)}"]
    return []
