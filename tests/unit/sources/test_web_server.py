"""A probe of a web server by RTSP says what answers there, and the cure."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

from aiohttp import web

from gateway.cameras.probe import Step, probe
from gateway.model.reasons import Reason
from gateway.runtime.clock import SystemClock
from gateway.sources.registry import url_policy
from tests.fixtures.clock import HANG_S
from tests.fixtures.tcp import web_server


async def failed(port: int) -> Step:
    """Return the step that a probe of *port* on loopback fails at."""
    walk = probe(
        f"rtsp://127.0.0.1:{port}/stream",
        username=None,
        password=None,
        allow_basic=False,
        policy=url_policy((ip_network("127.0.0.0/8"),), (port,)),
        transport="auto",
        watch_s=1.0,
        clock=SystemClock(),
        looks=False,
    )
    async with asyncio.timeout(HANG_S), aclosing(walk) as steps:
        return [step async for step in steps if not step.ok][-1]


def says_web_server(step: Step) -> None:
    """Check that *step* does not speak of damaged data."""
    assert step.wording is not None
    assert (step.reason, step.fault is not None) == (Reason.CORRUPT, True)
    assert "máy chủ web" in step.wording.vi
    assert "web server" in step.wording.en
    assert "554" in step.wording.vi_todo
    assert "554" in step.wording.en_todo


async def test_a_web_server_at_an_rtsp_url_is_told() -> None:
    """With the port to use; the reason is the same as of all that cannot be read."""
    async with web_server(web.Application()) as port:
        says_web_server(await failed(port))


async def test_a_web_server_that_answers_without_a_head_is_told(tmp_path: Path) -> None:
    """Python's takes a request of another protocol for HTTP 0.9, and sends a page alone."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = asyncio.to_thread(server.handle_request)
        step, _ = await asyncio.gather(failed(server.server_address[1]), serving)

    says_web_server(step)
