"""Measures round trip and loss to a STUN or TURN server by UDP, as media travel.

Binding requests (RFC 8489 §12.1), which every such server answers without a login; each is sent
once and never again, so that what is lost counts. 5 kB go out in all, and less than 10 kB come
back.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import struct
from dataclasses import dataclass

from gateway.ports import Clock
from gateway.runtime.resolver import addresses_of
from gateway.webrtc.stun import HEADER_BYTES, REQUEST, RESPONSE_CLASS, parse_attributes

REQUESTS, EVERY_S = 100, 0.02
"""For two seconds: loss is told to one in a hundred."""

LAST_S = 2.0
"""How long the last answers are waited for."""

_COOKIE = 0x2112A442
_head = struct.Struct("!HHI12s")


@dataclass(frozen=True, slots=True)
class LineTrial:
    """The outcome at one server.

    Attributes:
        sent: Requests.
        answered: How many of them.
        rtt_ms: The median of the round trips; None: no answer came.
    """

    sent: int
    answered: int
    rtt_ms: float | None

    @property
    def loss_percent(self) -> float:
        """How many were lost on either way, of a hundred."""
        return 100 * (self.sent - self.answered) / self.sent if self.sent else 100.0


async def try_line(
    host: str, port: int, *, clock: Clock, requests: int = REQUESTS, last_s: float = LAST_S
) -> LineTrial:
    """Return what became of *requests* at the server *host*, a name or an address.

    Raises:
        SourceUnavailable: The name does not resolve.
        OSError: There is no route.
    """
    address = str((await addresses_of(host))[0])
    loop = asyncio.get_running_loop()
    answers = _Answers(clock)
    transport, _ = await loop.create_datagram_endpoint(lambda: answers, remote_addr=(address, port))
    try:
        for _ in range(requests):
            transport.sendto(answers.request())
            await clock.sleep(EVERY_S)
        async with asyncio.timeout(last_s):
            await answers.complete.wait()
    except TimeoutError:
        pass
    finally:
        transport.close()
    trips = answers.trips_ms
    return LineTrial(requests, len(trips), statistics.median(trips) if trips else None)


class _Answers(asyncio.DatagramProtocol):
    """Pairs answers with requests; whatever else comes is ignored."""

    def __init__(self, clock: Clock) -> None:
        self.trips_ms: list[float] = []
        self.complete = asyncio.Event()
        self._clock = clock
        self._sent_s: dict[bytes, float] = {}

    def request(self) -> bytes:
        """Return another request, which is taken to be sent now."""
        transaction = secrets.token_bytes(12)
        self._sent_s[transaction] = self._clock.now()
        self.complete.clear()
        return _head.pack(REQUEST, 0, _COOKIE, transaction)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        del addr  # the socket is connected: only the server's datagrams come
        if parse_attributes(data) is None or not data[0] << 8 & RESPONSE_CLASS:
            return
        sent_s = self._sent_s.pop(data[8:HEADER_BYTES], None)
        if sent_s is not None:
            self.trips_ms.append((self._clock.now() - sent_s) * 1000)
        if not self._sent_s:
            self.complete.set()

    def error_received(self, exc: Exception) -> None:
        """Ignore it (a closed port says so by ICMP): no answer is what counts."""
