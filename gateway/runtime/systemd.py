"""Tells systemd that a service is ready, alive, and stopping, and what it is at.

The watchdog is fed from the event loop: if the loop hangs, systemd starts the service again. The
protocol is one datagram per message and takes a few lines. Of the libraries for it, `sdnotify`
(2017) has no wheel and `cysystemd` compiles against libsystemd.

References: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping

from gateway.ports import Clock
from gateway.runtime.bugs import report_bug

STATUS_S = 10.0
"""The line of ``systemctl status`` is at most so old."""


class SystemdNotifier:
    """Sends notifications to the service manager; without one it does nothing.

    Args:
        environment: Has ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` under systemd.
        clock: For the watchdog's pace.
        status: Returns what ``systemctl status`` is to show now.
    """

    def __init__(
        self, environment: Mapping[str, str], *, clock: Clock, status: Callable[[], str] = str
    ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._status = status
        self.watchdog_s = _watchdog_s(environment)

    @property
    def listens(self) -> bool:
        """Whether there is a service manager that listens."""
        return bool(self._address)

    async def run(self) -> None:
        """Send READY=1, feed the watchdog and tell the status until cancelled, then STOPPING=1.

        READY=1 again each time: one that is lost, since a busy machine's queue is full, would have
        systemd end the gateway after ``TimeoutStartSec=``. Nothing happens where it is known.
        """
        self.notify("READY=1")
        self._tell_status()
        try:
            while True:
                await self._clock.sleep(min(STATUS_S, (self.watchdog_s or STATUS_S) / 2))
                self.notify("READY=1\nWATCHDOG=1" if self.watchdog_s else "READY=1")
                self._tell_status()
        finally:
            self.notify("STOPPING=1")

    def _tell_status(self) -> None:
        """Tell the status. A bug in it must not stop the watchdog's feeding."""
        if not self.listens:
            return
        try:
            text = self._status()
        except Exception as error:  # ends this status only
            report_bug("report", error, "systemd")
            return
        if text:
            self.status(text)

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self.notify("STATUS=" + text.replace("\n", " "))

    def notify(self, message: str) -> None:
        """Send *message*. An error is ignored: a service works without systemd."""
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
