"""Probes one camera layer by layer, so that whoever stands beside it knows which one is wrong.

Steps come as they end; the first that makes the next impossible is the last. The camera is left in
good order whatever happens.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic import SecretStr

from gateway.cameras.probe_picture import look_at
from gateway.ports import Clock
from gateway.runtime.clock import SystemClock
from gateway.runtime.url_policy import Target, UrlPolicy
from gateway.sources.camera_access import with_login
from gateway.sources.probe_steps import (
    ProbeOptions,
    StepFailed,
    StepTimer,
    run_step,
)
from gateway.sources.probe_steps import Step as Step
from gateway.sources.probe_steps import Transport as Transport
from gateway.sources.registry import source_type
from gateway.sources.stream_measure import StreamMeasure


async def probe(
    url: str,
    *,
    username: str | None,
    password: SecretStr | None,
    allow_basic: bool,
    policy: UrlPolicy,
    transport: Transport = "auto",
    watch_s: float = 10.0,
    looks: bool = False,
    clock: Clock | None = None,
) -> AsyncGenerator[Step, None]:
    """Yield what is found at *url*, step by step; ends at the first step that cannot be passed.

    Args:
        url: Of a source type that there is, without credentials.
        username: None: no login is tried.
        password: Belongs to *username*.
        allow_basic: Whether the password may be sent in clear.
        policy: Which addresses may be opened.
        transport: How RTP is to travel.
        watch_s: How long to wait for a keyframe, and then to watch the pictures, at most.
        looks: Whether to decode pictures in the end, and say whether they are black or stand still.
        clock: For tests.
    """
    clock = clock or SystemClock()
    options = ProbeOptions(username, password, allow_basic, transport, watch_s, clock)
    timer = StepTimer(clock)
    measure: StreamMeasure | None = None
    try:
        target = await run_step("resolve", _resolve(url, options, policy))
        device, _, _ = target.path.partition("?")
        where = f"{target.address} port {target.port}" if target.address else device
        yield timer.step("resolve", where)
        async with aclosing(source_type(url).probe(target, options, timer)) as steps:
            async for step in steps:
                measure = step.measure or measure
                yield step
        if looks and measure is not None:  # the camera has been left by now
            finding = await look_at(measure, clock)
            yield timer.step("picture", finding.fact, finding.reason)
    except StepFailed as failed:
        yield timer.failed(failed)


async def _resolve(url: str, options: ProbeOptions, policy: UrlPolicy) -> Target:
    """Return where *url* leads, the login in it where it has a place for one."""
    return with_login(await policy.resolve(url), options.login)
