"""Looks at one camera layer by layer, so that whoever stands beside it knows which one is wrong.

Steps come as they are taken, the first that makes the next impossible is the last. The camera
is left in good order whatever happens. At most one login is tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import SecretStr

from gateway.cameras.probe_stats import Finding, ProbeStats
from gateway.model.errors import GatewayError
from gateway.model.reason_texts import WORDING
from gateway.model.reasons import Reason, Wording
from gateway.ports import Clock
from gateway.rtsp.auth import Login
from gateway.rtsp.client import RtspClient
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.rtsp.requests import Account
from gateway.rtsp.url_policy import UrlPolicy
from gateway.runtime.clock import SystemClock

FIRST_PACKET_S = 5.0

Transport = Literal["auto", "tcp", "udp"]
Name = Literal[
    "resolve",
    "connect",
    "options",
    "describe",
    "authentication",
    "setup",
    "first_packet",
    "first_keyframe",
    "gop",
    "codec",
    "bitrate",
    "b_frames",
]
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Step:
    """One layer of a camera, looked at.

    Attributes:
        name: Which.
        reason: OK, or what is wrong.
        took_ms: How long it took; 0.0 where something else was measured at the same time.
        fact: What was found, in English and figures; holds no secret.
    """

    name: Name
    reason: Reason
    took_ms: float
    fact: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong here."""
        return self.reason is Reason.OK

    @property
    def wording(self) -> Wording | None:
        """What is wrong and what to do about it, in Vietnamese and English; None if `ok`."""
        return None if self.ok else WORDING[self.reason]


class _Stopped(Exception):
    """A step could not be passed."""

    def __init__(self, at: Name, error: GatewayError) -> None:
        super().__init__(at)
        self.at = at
        self.error = error


class _Steps:
    """Makes steps out of awaitables, with the time since the step before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_s = clock.now()

    def step(self, name: Name, fact: str, reason: Reason = Reason.OK) -> Step:
        now_s = self._clock.now()
        took_s, self._since_s = now_s - self._since_s, now_s
        return Step(name, reason, round(took_s * 1000, 1), fact)

    def found(self, name: Name, finding: Finding) -> Step:
        return self.step(name, finding.fact, finding.reason)


async def probe(
    url: str,
    *,
    username: str | None,
    password: SecretStr | None,
    allow_basic: bool,
    policy: UrlPolicy,
    transport: Transport = "auto",
    watch_s: float = 10.0,
    clock: Clock | None = None,
) -> AsyncGenerator[Step, None]:
    """Yield what is found at *url*, step by step; ends at the first step that cannot be passed.

    Args:
        url: ``rtsp://`` or ``rtsps://``, without credentials.
        username: None: no login is tried.
        password: Belongs to *username*.
        allow_basic: Whether the password may be sent in clear.
        policy: Which addresses may be opened.
        transport: How RTP is to travel.
        watch_s: How long to wait for a keyframe, and then to look at the pictures, at most.
        clock: For tests.
    """
    clock = clock or SystemClock()
    login = None
    if username is not None:
        login = Login(username, password or SecretStr(""), allow_basic)
    steps = _Steps(clock)
    try:
        target = await _pass("resolve", policy.resolve(url))
        yield steps.step("resolve", f"{target.address} port {target.port}")
        account = Account(target.host, login, LoginLimiter(clock))
        async with (
            RtspClient(target, account=account, clock=clock) as client,
            aclosing(_converse(client, steps, transport, watch_s, clock)) as rest,
        ):
            async for step in rest:
                yield step
    except _Stopped as stopped:
        yield steps.step(stopped.at, stopped.error.detail, stopped.error.reason)


async def _pass(at: Name, step: Awaitable[ResultT]) -> ResultT:
    """Return what *step* returns; whatever our tree knows becomes `_Stopped` at *at*."""
    try:
        return await step
    except GatewayError as error:
        login = error.reason is Reason.AUTH_FAILED
        raise _Stopped("authentication" if login else at, error) from error


async def _converse(
    client: RtspClient, steps: _Steps, transport: Transport, watch_s: float, clock: Clock
) -> AsyncGenerator[Step, None]:
    """Yield the steps from the connection on; raises `_Stopped`."""
    await _pass("connect", client.connect())
    yield steps.step("connect", "connected")
    offered = await _pass("options", client.options())
    yield steps.step("options", offered.server or "the camera does not name itself")
    description = await _pass("describe", client.describe())
    sets = len(description.video.parameter_sets)
    yield steps.step("describe", f"{description.encoding}, {sets} parameter sets in the SDP")
    asked = "login accepted" if client.challenged else "no login asked for"
    yield steps.step("authentication", asked)
    session = await _pass("setup", client.setup(description, transport))
    yield steps.step("setup", f"{session.transport}, timeout {session.timeout_s:g} s")
    watch = ProbeStats(description, clock)
    await _pass("first_packet", client.play(watch.push_packets))
    if not await _pass("first_packet", _until(client, watch.packet, FIRST_PACKET_S)):
        yield steps.step("first_packet", f"no RTP within {FIRST_PACKET_S:g} s", Reason.STALLED)
        return
    yield steps.step("first_packet", "RTP comes")
    if await _pass("first_keyframe", _until(client, watch.keyframe, watch_s)):
        yield steps.found("first_keyframe", watch.first_keyframe)
        await _pass("gop", _until(client, watch.enough, watch_s))
        yield steps.found("gop", watch.gop)
    else:
        yield steps.found("first_keyframe", watch.first_keyframe)
    yield steps.found("codec", watch.codec)
    yield steps.found("bitrate", watch.bitrate)
    yield steps.found("b_frames", watch.b_frames)


async def _until(client: RtspClient, event: asyncio.Event, limit_s: float) -> bool:
    """Keep the session going until *event*; False if that takes more than *limit_s*.

    Raises:
        GatewayError: The stream has broken.
    """
    broken: GatewayError | None = None
    try:
        async with asyncio.timeout(limit_s):
            try:
                async with asyncio.TaskGroup() as group:
                    staying = group.create_task(
                        client.monitor(stall_s=FIRST_PACKET_S), name="probe"
                    )
                    await event.wait()
                    staying.cancel()
            except* GatewayError as errors:
                broken = _first(errors)
    except TimeoutError:
        return False
    if broken is not None:
        raise broken
    return True


def _first(errors: BaseExceptionGroup[GatewayError]) -> GatewayError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
