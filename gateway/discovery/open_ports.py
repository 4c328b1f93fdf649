"""Which TCP ports of an address are open: connected to and closed again, nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.runtime.lateness import time_limit

RTSP_PORTS = (554, 8554, 10554)
HTTP_PORTS = (80,)
HTTPS_PORTS = (443,)


def tried_ports(extra: Sequence[int]) -> tuple[int, ...]:
    """Return which ports of a device are tried: the usual ones and *extra*, of the settings."""
    return tuple(dict.fromkeys((*RTSP_PORTS, *HTTP_PORTS, *HTTPS_PORTS, *extra)))


async def open_ports(address: str, ports: Sequence[int], limit_s: float) -> tuple[int, ...]:
    """Return which of *ports* at *address* are open, in their order; each may take *limit_s*."""
    found: set[int] = set()

    async def look(port: int) -> None:
        if await is_open(address, port, limit_s):
            found.add(port)

    async with asyncio.TaskGroup() as group:
        for port in ports:
            group.create_task(look(port), name=f"port {port}")
    return tuple(port for port in ports if port in found)


async def is_open(address: str, port: int, limit_s: float) -> bool:
    """Return whether somebody accepts connections to *port* at *address* within *limit_s*."""
    try:
        async with time_limit(limit_s):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True
