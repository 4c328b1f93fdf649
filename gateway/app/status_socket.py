"""Tells whoever may ask on this machine how the gateway is, over a socket in its runtime folder.

Containers ask it for their health check, people by ``camera-gateway health``
(`gateway.runtime.status_query`). Nothing is read from whoever asks; each gets the line of
``systemctl status`` and the end. Only the user of the service and root may connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
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
            listener = _bound(self._path)
            server = await asyncio.start_unix_server(
                self._answer, sock=listener, backlog=BACKLOG, start_serving=False
            )
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


def _bound(path: Path) -> socket.socket:
    """Return a socket at *path*, in place of one of a gateway that was killed. Raises OSError.

    It gets its name when its mode is right. The umask is not touched for that: it is the whole
    process's, and whoever makes a folder meanwhile could not enter it.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(new))
        new.chmod(0o600)
        new.rename(path)
    except OSError:
        listener.close()
        raise
    return listener
