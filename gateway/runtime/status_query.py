"""Asks the gateway that runs on this machine how it is: ``python -m gateway.runtime.status_query``.

It imports next to nothing, since containers ask twice a minute, and starting the whole program
takes a second of a small board. The event loop itself answers (`gateway.app.status_socket`), so
that one that hangs gives no answer.

Exit codes: 0 it has answered; 1 it does not run, or its event loop does not turn.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

SOCKET_NAME = "status"
"""In the runtime folder, ``RUNTIME_DIRECTORY`` in the environment."""

DEFAULT_FOLDER = Path("/run/camera-gateway")
"""The runtime folder under the shipped unit."""

ANSWERS_WITHIN_S = 10.0
"""A loop that is busy for longer serves nobody."""

LONGEST_BYTES = 1000

HEALTH_NAME = "health"
"""A second socket there, which tells the health of site and cameras as it is reported."""

HEALTH_BYTES = 262_144
"""The longest line of it: 512 cameras, packed, take some 30 kB."""

NO_ANSWER = 1
"""Exit code."""


def query_status(
    folder: Path,
    within_s: float = ANSWERS_WITHIN_S,
    *,
    name: str = SOCKET_NAME,
    most_bytes: int = LONGEST_BYTES,
) -> str:
    """Return the line that the gateway says of itself.

    Args:
        folder: Its runtime folder.
        within_s: How long each step may take.
        name: Of the socket.
        most_bytes: The longest line that is read.

    Raises:
        OSError: It does not run, does not answer in time, or we may not ask.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(within_s)
        line.connect(str(folder / name))
        said = b""
        while len(said) < most_bytes and (more := line.recv(most_bytes - len(said))):
            said += more
    if not said:
        raise ConnectionResetError("it ended meanwhile")
    return said.decode(errors="replace").strip()


def main() -> int:
    """Print the status; return the exit code."""
    folder = Path(os.environ.get("RUNTIME_DIRECTORY") or DEFAULT_FOLDER)
    try:
        sys.stdout.write(query_status(folder) + "\n")
    except OSError as error:
        sys.stderr.write(f"không trả lời / no answer: {folder / SOCKET_NAME}: {error}\n")
        return NO_ANSWER
    return 0


if __name__ == "__main__":
    sys.exit(main())
