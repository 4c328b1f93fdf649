"""The RTSP server of virtual cameras: one port, one or several cameras behind it.

A port with several cameras is a recorder, as most centres have. Every reply goes through the
fault that its camera has at that moment. Source: RFC 2326.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from gateway.demo.camera import VirtualCamera
from gateway.demo.connection import Connection
from gateway.demo.reel import Reel
from gateway.demo.session import Session


class Recorder:
    """Serves *cameras* on one port until cancelled.

    Attributes:
        cameras: Found by their paths; the first is where unknown paths are told 404.
        host: Address it listens on.
        port: 0 takes a free one, which stands here once it is open, and stays the same.
        connections: Open now.
        connections_ever: Accepted since the start.
    """

    def __init__(
        self, cameras: Sequence[VirtualCamera], *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.cameras = tuple(cameras)
        self.host = host
        self.port = port
        self.reels = {camera.path: Reel(camera) for camera in self.cameras}
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.connections_ever = 0
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._stack = AsyncExitStack()

    def url(self, camera: VirtualCamera | None = None) -> str:
        """Return the URL of *camera*, or of the first; without user and password."""
        return f"rtsp://{self.host}:{self.port}{(camera or self.cameras[0]).path}"

    async def run(self) -> None:
        """Serve until cancelled; all connections are closed when this returns."""
        try:
            async with asyncio.TaskGroup() as group:
                for camera in self.cameras:
                    group.create_task(self.reels[camera.path].run(), name=f"reel {camera.name}")
                await self.revive()
        finally:
            self.kill()

    async def revive(self) -> None:
        """Open the port, the same as before; a camera that has started again."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Connection(self), self.host, self.port, reuse_address=True
            )
            self.port = self._server.sockets[0].getsockname()[1]
            self._open.set()

    def kill(self) -> None:
        """Close the port and cut every connection; a camera that has lost its power."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self.connections):
            connection.abort()
        for session in tuple(self.sessions.values()):
            session.end()
        self.sessions.clear()

    @property
    def alive(self) -> bool:
        """Whether the port is open."""
        return self._server is not None

    def drop(self, camera: VirtualCamera) -> None:
        """Close the connections that watch *camera*, as a camera does that starts its RTSP anew."""
        for connection in tuple(self.connections):
            if connection.camera is camera:
                connection.close()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._running())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run(), name="recorder")
            await self._open.wait()
            yield
            task.cancel()
