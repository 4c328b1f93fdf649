"""Tells systemd that the gateway is ready, alive, and stopping.

The watchdog is fed from the event loop: if the loop hangs, systemd starts the gateway again. The
protocol is one datagram per message and takes a few lines. Of the libraries for it, `sdnotify`
(2017) has no wheel and `cysystemd` compiles against libsystemd.

References: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from gateway.ports import Clock


class SystemdNotifier:
    """Sends notifications to the service manager; without one it does nothing.

    Args:
        environment: Has ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` under systemd.
        clock: For the watchdog's pace.
    """

    def __init__(self, environment: Mapping[str, str], *, clock: Clock) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self.watchdog_s = _watchdog_s(environment)

    async def run(self) -> None:
        """Send READY=1, feed the watchdog until cancelled, then send STOPPING=1."""
        self.notify("READY=1")
        try:
            while True:
                await self._clock.sleep((self.watchdog_s or 60.0) / 2)
                if self.watchdog_s:
                    self.notify("WATCHDOG=1")
        finally:
            self.notify("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self.notify("STATUS=" + text.replace("\n", " "))

    def notify(self, message: str) -> None:
        """Send *message*. An error is ignored: the gateway works without systemd."""
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as line:
            line.sendto(message.encode(), address)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    meant_for = environment.get("WATCHDOG_PID", "")
    if meant_for and meant_for != str(os.getpid()):
        return None
    given = environment.get("WATCHDOG_USEC", "")
    return int(given) / 1e6 if given.isdecimal() and int(given) > 0 else None
