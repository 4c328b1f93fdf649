"""The clock of a camera over HTTP: by the `Date` of its answers, of which one may last for days."""

from __future__ import annotations

from contextlib import suppress
from typing import NoReturn

from gateway.model.errors import GatewayError
from gateway.model.media import ClockReading
from gateway.ports import Clock
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import Target
from gateway.sources.http_client import HttpClient

CLOCK_EVERY_S = 300.0
"""So often a camera is asked for its time; what it has told counts for ten minutes."""


class HttpClock:
    """What one camera's clock shows.

    Args:
        login_limiter: Of all sources; nothing is counted, since nobody logs in.
        clock: Monotonic.

    Attributes:
        client: Who pulls the camera now, or did last; None: nobody did.
    """

    def __init__(self, login_limiter: LoginLimiter, clock: Clock) -> None:
        self._login_limiter = login_limiter
        self._clock = clock
        self._asked_again: ClockReading | None = None
        self.client: HttpClient | None = None

    @property
    def reading(self) -> ClockReading | None:
        """What it showed last; None: the camera has not told."""
        told = None if self.client is None else self.client.clock_reading
        readings = [each for each in (told, self._asked_again) if each is not None]
        return max(readings, key=lambda each: each.at_s, default=None)

    async def run(self, target: Target) -> NoReturn:
        """Ask the camera at *target* for its time whenever what it has told is old.

        Without a login, of which nothing depends: any answer has the time in its head.
        """
        nobody = Account(target.host, None, self._login_limiter)
        while True:
            await self._clock.sleep(CLOCK_EVERY_S)
            told = self.reading
            if told is None or self._clock.now() - told.at_s < CLOCK_EVERY_S:
                continue  # it does not tell, or did by itself
            async with HttpClient(target, account=nobody, clock=self._clock) as client:
                with suppress(GatewayError):
                    await client.send("HEAD", path="/")
                self._asked_again = client.clock_reading or self._asked_again
