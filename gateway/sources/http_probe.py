"""Probes a camera over HTTP: connection, login, and the pictures or the container that comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.demuxing.process import SHOWN
from gateway.model.errors import GatewayError
from gateway.model.reasons import Reason
from gateway.rtp.jpeg import parse_head
from gateway.rtp.packet import Malformed
from gateway.rtp.picture import CodedPicture
from gateway.rtp.video_info import MAX_HEIGHT, MAX_WIDTH
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import Target
from gateway.sources.container_probe import FIRST_PICTURE_S, probe_container
from gateway.sources.hls_probe import probe_hls
from gateway.sources.hls_stream import is_playlist
from gateway.sources.http_client import HttpAnswer, HttpClient
from gateway.sources.http_container import HttpContainer, container_of
from gateway.sources.http_pictures import HttpPictures
from gateway.sources.probe_steps import ProbeOptions, Step, StepTimer, run_step

PICTURES = 5
"""So many are looked at."""
EVERY_S = 1.0


async def probe_http(
    target: Target, options: ProbeOptions, timer: StepTimer
) -> AsyncGenerator[Step, None]:
    """Probe *target* with at most one login (`gateway.sources.registry.ProbeSource`)."""
    account = Account(target.host, options.login, LoginLimiter(options.clock))
    async with HttpClient(target, account=account, clock=options.clock) as client:
        answer, container = await run_step("connect", _ask(client, target))
        if container is None and is_playlist(answer.content_type, target.path):
            steps = probe_hls(client, target, answer, options, timer)
        else:
            steps = _probe_stream(client, answer, container, options, timer)
        async with aclosing(steps):
            async for step in steps:
                yield step


async def _ask(client: HttpClient, target: Target) -> tuple[HttpAnswer, HttpContainer | None]:
    """Return the camera's answer, and the container that is in it, if one is."""
    answer = await client.get()
    if is_playlist(answer.content_type, target.path):
        return answer, None
    return answer, await container_of(answer, FIRST_PICTURE_S)


async def _probe_stream(
    client: HttpClient,
    answer: HttpAnswer,
    container: HttpContainer | None,
    options: ProbeOptions,
    timer: StepTimer,
) -> AsyncGenerator[Step, None]:
    """Yield what is found in the pictures, or the *container*, of *answer*."""
    pictures = HttpPictures(client, every_s=EVERY_S, stall_s=FIRST_PICTURE_S, clock=options.clock)
    if container is None:
        pictures.accept(answer)
    yield timer.step("connect", answer.server or "the camera does not name itself")
    asked = "login accepted" if client.challenged else "no login asked for"
    yield timer.step("authentication", asked)
    if container is not None:
        said = f"{SHOWN[container.format]}, {answer.content_type.partition(';')[0]}"
        yield timer.step("setup", said)
        async with aclosing(probe_container(container, options, timer)) as steps:
            async for step in steps:
                yield step
        return
    kind = "single pictures" if pictures.single else "a stream of pictures"
    yield timer.step("setup", f"{kind}, {answer.content_type.partition(';')[0]}")
    seen: list[CodedPicture] = []
    began_s = options.clock.now()
    error = await _watch(pictures, seen, options)
    if not seen:
        fact = error.detail if error else "no picture"
        reason = error.reason if error else Reason.STALLED
        yield timer.step("first_packet", fact, reason)
        return
    took_s = max(options.clock.now() - began_s, 0.001)
    yield timer.step("first_packet", f"{pictures.discarded} parts that were no JPEG")
    yield _codec(timer, seen[-1])
    rate = f"{pictures.received_bytes * 8 / took_s / 1e6:.2f} Mb/s, {len(seen)} pictures"
    yield timer.step("bitrate", f"{rate} in {took_s:.1f} s")


async def _watch(
    pictures: HttpPictures, seen: list[CodedPicture], options: ProbeOptions
) -> GatewayError | None:
    """Put pictures into *seen* until there are enough or time is up; return what has failed."""
    until_s = options.clock.now() + options.watch_s
    try:
        async with aclosing(pictures.receive()) as received:
            async for picture in received:
                seen.append(picture)
                if len(seen) >= PICTURES or options.clock.now() >= until_s:
                    return None
    except GatewayError as error:
        return error
    return None


def _codec(timer: StepTimer, picture: CodedPicture) -> Step:
    try:
        info = parse_head(picture.head)
    except Malformed as error:
        return timer.step("codec", str(error), Reason.CORRUPT)
    said = f"JPEG {info.profile}, {info.width}x{info.height}; always transcoded"
    if info.oversized:
        said += f"; at most {MAX_WIDTH}x{MAX_HEIGHT} is taken"
        return timer.step("codec", said, Reason.UNSUPPORTED_CODEC)
    return timer.step("codec", said)
