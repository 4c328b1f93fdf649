"""A line between a relay and a viewer, worse than loopback: narrow, slow, lossy. No need of root.

It is a relay of datagrams between the two ends of ICE. Whoever signals gives each end only the
line's address (`through`, `without_candidates`), so that there is no other way between them.

What it does to a datagram, in this order: drops it at random; drops it if the queue in front of the
bottleneck is full (tail drop); delays it by the queue, which empties at the line's rate, and by the
line's delay. The order is kept.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

HEADERS_BYTES = 28
"""Of IPv4 and UDP, which are on the line as well."""

BUFFER_BYTES = 4 << 20
SO_RCVBUFFORCE = 33
"""``asm-generic/socket.h``."""

_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host.*", re.IGNORECASE)
_CANDIDATES = re.compile(r"a=(?:candidate:.*|end-of-candidates)\r?\n")
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class LineQuality:
    """How bad a line is.

    Attributes:
        mbps: From the relay to the viewer; 0: unbounded.
        queue_ms: How long a datagram may wait in front of the bottleneck.
        delay_ms: One way.
        loss: Share of the datagrams lost at random, in both directions.
    """

    mbps: float = 0.0
    queue_ms: float = 300.0
    delay_ms: float = 10.0
    loss: float = 0.0


class Bottleneck:
    """One direction of a line; it knows when a datagram arrives, and holds none itself.

    Args:
        quality: How bad it is.
        chance: Decides what is lost.

    Attributes:
        passed_bytes: What has passed, headers included.
        dropped: Datagrams dropped.
    """

    def __init__(self, quality: LineQuality, chance: random.Random) -> None:
        self._s_per_byte = 8 / (quality.mbps * 1e6) if quality.mbps else 0.0
        self._queue_s = quality.queue_ms / 1000
        self._delay_s = quality.delay_ms / 1000
        self._loss = quality.loss
        self._chance = chance
        self._free_s = 0.0
        self.passed_bytes = 0
        self.dropped = 0

    def arrival_s(self, size_bytes: int, now_s: float) -> float | None:
        """Return when a datagram sent at *now_s* arrives; None: never. *now_s* never goes back."""
        size_bytes += HEADERS_BYTES
        full = self._free_s - now_s > self._queue_s
        if full or self._chance.random() < self._loss:
            self.dropped += 1
            return None
        self._free_s = max(self._free_s, now_s) + size_bytes * self._s_per_byte
        self.passed_bytes += size_bytes
        return self._free_s + self._delay_s


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._on_datagram(data, address[:2])


class Line:
    """A line to one relay; viewers send to `address`.

    Args:
        quality: How bad it is.
        seed: Of what is lost at random.

    Attributes:
        down: From the relay to the viewers, all of them together.
        up: The other way.
    """

    def __init__(self, quality: LineQuality, *, seed: int = 1) -> None:
        chance = random.Random(seed)
        self.down = Bottleneck(quality, chance)
        self.up = Bottleneck(LineQuality(0, 0, quality.delay_ms, quality.loss), chance)
        self._front: asyncio.DatagramTransport | None = None
        self._relay: Address | None = None
        self._backs: dict[Address, asyncio.DatagramTransport] = {}
        self._opening: set[Address] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        opened = await loop.create_datagram_endpoint(
            lambda: _Socket(self._on_viewer), ("127.0.0.1", 0)
        )
        self._front = opened[0]
        _enlarge_buffers(opened[0])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for transport in (self._front, *self._backs.values()):
            if transport is not None:
                transport.close()

    @property
    def address(self) -> Address:
        """Where viewers send to."""
        assert self._front is not None
        host, port = self._front.get_extra_info("sockname")[:2]
        return host, port

    def through(self, sdp: str) -> str:
        """Return a relay's *sdp* with this line as its only candidate.

        Raises:
            ValueError: It has no candidate for UDP over IPv4.
        """
        hosts = [(match[1], int(match[2])) for match in _CANDIDATE.finditer(sdp)]
        hosts = [each for each in hosts if ":" not in each[0] and not each[0].endswith(".local")]
        if not hosts:
            raise ValueError("no candidate for UDP over IPv4")
        self._relay = next((each for each in hosts if each[0] == "127.0.0.1"), hosts[0])
        host, port = self.address
        ours = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
        bare = without_candidates(sdp)
        at = bare.index("\r\n", bare.index("m=video")) + 2
        after = bare.find("\r\na=", at) + 2  # behind the section's c= and b= lines
        return bare[:after] + ours + bare[after:]

    def _on_viewer(self, data: bytes, viewer: Address) -> None:
        loop = asyncio.get_running_loop()
        arrives_s = self.up.arrival_s(len(data), loop.time())
        if arrives_s is None or self._relay is None:
            return
        if viewer not in self._backs and viewer not in self._opening:
            self._opening.add(viewer)
            task = loop.create_task(self._open_back(viewer), name="line-back")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        loop.call_at(arrives_s, self._to_relay, data, viewer)

    async def _open_back(self, viewer: Address) -> None:
        """Open the socket from which the relay sees *viewer*."""
        loop = asyncio.get_running_loop()
        opened = await loop.create_datagram_endpoint(
            lambda: _Socket(lambda data, _: self._on_relay(data, viewer)),
            remote_addr=self._relay,
        )
        _enlarge_buffers(opened[0])
        self._backs[viewer] = opened[0]

    def _to_relay(self, data: bytes, viewer: Address) -> None:
        if viewer in self._backs:  # else it is lost: ICE tries again
            with suppress(OSError):
                self._backs[viewer].sendto(data)

    def _on_relay(self, data: bytes, viewer: Address) -> None:
        loop = asyncio.get_running_loop()
        arrives_s = self.down.arrival_s(len(data), loop.time())
        if arrives_s is not None and self._front is not None:
            loop.call_at(arrives_s, self._to_viewer, data, viewer)

    def _to_viewer(self, data: bytes, viewer: Address) -> None:
        if self._front is not None and not self._front.is_closing():
            self._front.sendto(data, viewer)


def _enlarge_buffers(transport: asyncio.DatagramTransport) -> None:
    """Let no datagram be lost to a busy machine, as far as we may."""
    own = transport.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    with suppress(OSError):  # beyond `rmem_max`, if we are root
        own.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)


def without_candidates(sdp: str) -> str:
    """Return *sdp* without candidates: whoever reads it waits for the other end's checks."""
    return _CANDIDATES.sub("", sdp)
