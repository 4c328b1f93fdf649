"""Tells whoever may ask on this machine how the gateway is, over a socket in its runtime folder.

Containers ask it for their health check, people by ``camera-gateway health``
(`gateway.runtime.status_query`). Nothing is read from whoever asks; each gets the line of
``systemctl status`` and the end. With the umask of the service only its user and root may connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.runtime.bugs import report_bug
from gateway.runtime.status_query import LONGEST_BYTES, SOCKET_NAME

BACKLOG = 8
"""How many may wait to be answered."""

log = structlog.get_logger(__name__)


class StatusSocket:
    """Answers with the status; without a runtime folder it does nothing.

    Args:
        folder: ``RUNTIME_DIRECTORY`` of the environment; empty: there is none.
        status: Returns the line that is told.
        name: Of the socket.
        most_bytes: The longest line.
    """

    def __init__(
        self,
        folder: str,
        *,
        status: Callable[[], str],
        name: str = SOCKET_NAME,
        most_bytes: int = LONGEST_BYTES,
    ) -> None:
        self._path = Path(folder) / name if folder else None
        self._status = status
        self._most_bytes = most_bytes

    async def run(self) -> None:
        """Answer until cancelled. Where the socket cannot be made, log that once and wait."""
        if self._path is None:
            await asyncio.Event().wait()
            return
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()  # of a gateway that was killed
            before = os.umask(0o177)
            try:
                server = await asyncio.start_unix_server(self._answer, self._path, backlog=BACKLOG)
            finally:
                os.umask(before)
        except OSError as error:
            log.warning("status_socket_failed", path=str(self._path), detail=str(error))
            await asyncio.Event().wait()
            return
        try:
            async with server:
                await server.serve_forever()
        finally:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = self._status().replace("\n", " ")
        except Exception as error:  # ends this answer only
            report_bug("report", error, "status")
        else:
            writer.write(line.encode()[: self._most_bytes - 1] + b"\n")
        writer.close()
