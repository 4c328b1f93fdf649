"""Names to addresses, off the event loop and with a deadline of its own.

The system's resolver may block for half a minute when DNS is dead. Each look-up therefore has a
daemon thread of its own, which is left behind when the deadline passes: it can neither hold up
the loop nor the end of the program. How many may be left behind at once is bounded.

A host's name as the resolver is asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from gateway.model.errors import SourceUnavailable
from gateway.model.reasons import Reason


def encode_host(host: str) -> str | bytes:
    """Return *host* as it goes over the wire, where it is that already.

    From a string Python's `getaddrinfo` loads its tables of international names, whatever the name,
    and they stay: 0.5 MB.
    """
    return host.encode("ascii") if host.isascii() else host


Address = IPv4Address | IPv6Address
Resolver = Callable[[str], list[str]]

LOOKUP_S = 5.0
MAX_LOOKUPS = 16
"""Threads that may wait for the resolver at once."""

_slots = threading.BoundedSemaphore(MAX_LOOKUPS)


def system_resolver(host: str) -> list[str]:
    """Return the addresses of *host* as the system knows them. Blocks. Raises OSError."""
    found = socket.getaddrinfo(encode_host(host), None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def addresses_of(
    host: str, *, resolver: Resolver = system_resolver, timeout_s: float = LOOKUP_S
) -> tuple[Address, ...]:
    """Return the addresses of *host*, without repetition, in the resolver's order.

    Raises:
        SourceUnavailable: The name is unknown, or there was no answer in time (`DNS_FAILED`).
    """
    if not _slots.acquire(blocking=False):
        raise SourceUnavailable(Reason.DNS_FAILED, f"too many look-ups wait, not asking for {host}")
    try:
        async with asyncio.timeout(timeout_s):
            found = await _on_a_thread(resolver, host)
    except TimeoutError:
        raise SourceUnavailable(
            Reason.DNS_FAILED, f"no answer for {host} in {timeout_s:g} s"
        ) from None
    except OSError as error:
        raise SourceUnavailable(Reason.DNS_FAILED, f"{host}: {error.strerror or error}") from error
    if not found:
        raise SourceUnavailable(Reason.DNS_FAILED, f"{host} has no address")
    return tuple(ip_address(text.partition("%")[0]) for text in dict.fromkeys(found))


def _on_a_thread(resolver: Resolver, host: str) -> asyncio.Future[list[str]]:
    """Return what will be *resolver*'s answer. The slot taken by the caller is given back."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(outcome: list[str] | OSError) -> None:
        if answer.done():  # nobody waits any more
            return
        if isinstance(outcome, OSError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    def look_up() -> None:
        outcome: list[str] | OSError
        try:
            outcome = resolver(host)
        except OSError as error:
            outcome = error
        finally:
            _slots.release()
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=look_up, name=f"lookup:{host}", daemon=True).start()
    return answer
