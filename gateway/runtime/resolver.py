"""Looks up host names off the event loop, with a deadline of its own.

The system's resolver may block for half a minute when DNS is dead. Each look-up has a daemon
thread, which is left behind when nobody waits any more: it delays neither the event loop nor the
end of the program. The loop's own executor would be waited for at exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeVar

from gateway.model.errors import SourceUnavailable
from gateway.model.reasons import Reason

T = TypeVar("T")

Address = IPv4Address | IPv6Address
Resolver = Callable[[str], list[str]]
Endpoint = tuple[socket.AddressFamily, tuple[str, int]]
"""An address with its port, as `socket.connect` takes it."""

LOOKUP_S = 5.0
MAX_LOOKUPS = 16
"""Threads of `addresses_of` that may wait for the resolver at once."""


def encode_host(host: str) -> str | bytes:
    """Return *host* as the resolver is asked for it: bytes if it is ASCII.

    From a string Python's `getaddrinfo` loads its tables of international names, whatever the name,
    and they stay: 0.5 MB.
    """
    return host.encode("ascii") if host.isascii() else host


def system_resolver(host: str) -> list[str]:
    """Return the addresses of *host* as the system knows them. Blocks.

    Raises:
        OSError: The name is unknown, or nobody answers.
        UnicodeError: It is no host name.
    """
    return [address for _, (address, _) in resolve_endpoints(host, 0)]


def resolve_endpoints(host: str, port: int) -> list[Endpoint]:
    """Return where *host* listens, in the system's order of preference. Blocks.

    Raises:
        OSError: The name is unknown, or nobody answers.
        UnicodeError: It is no host name.
    """
    found = socket.getaddrinfo(encode_host(host), port, type=socket.SOCK_STREAM)
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


class LookupThreads:
    """Runs blocking look-ups, each on a thread of its own.

    Args:
        limit: How many may run at once; those left behind count until they end.
        name: Of the threads.
    """

    def __init__(self, limit: int, *, name: str) -> None:
        self._slots = threading.BoundedSemaphore(limit)
        self._name = name

    def start(self, look_up: Callable[[], T]) -> asyncio.Future[T] | None:
        """Return what will be the result of *look_up*, or None: too many run.

        The future may be cancelled or dropped; it raises what *look_up* raises, if that is an
        OSError or a UnicodeError.
        """
        if not self._slots.acquire(blocking=False):
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        # An error that nobody waits for is nobody's loss.
        answer.add_done_callback(lambda each: each.cancelled() or each.exception())

        def settle(results: list[T], error: OSError | UnicodeError | None) -> None:
            if answer.done():  # nobody waits any more
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(results[0])

        def run() -> None:
            results: list[T] = []
            failure: OSError | UnicodeError | None = None
            try:
                results.append(look_up())
            except (OSError, UnicodeError) as error:
                failure = error
            finally:
                self._slots.release()
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, results, failure)

        threading.Thread(target=run, name=self._name, daemon=True).start()
        return answer


_threads = LookupThreads(MAX_LOOKUPS, name="lookup")


async def addresses_of(
    host: str, *, resolver: Resolver = system_resolver, timeout_s: float = LOOKUP_S
) -> tuple[Address, ...]:
    """Return the addresses of *host*, without repetition, in the resolver's order.

    Raises:
        SourceUnavailable: The name is unknown, or there was no answer in time (`DNS_FAILED`).
    """
    answer = _threads.start(lambda: resolver(host))
    if answer is None:
        raise SourceUnavailable(Reason.DNS_FAILED, f"too many look-ups wait, not asking for {host}")
    try:
        async with asyncio.timeout(timeout_s):
            found = await answer
    except TimeoutError:
        detail = f"no answer for {host} in {timeout_s:g} s"
        raise SourceUnavailable(Reason.DNS_FAILED, detail) from None
    except OSError as error:
        raise SourceUnavailable(Reason.DNS_FAILED, f"{host}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise SourceUnavailable(Reason.DNS_FAILED, f"{host}: {error}") from error
    if not found:
        raise SourceUnavailable(Reason.DNS_FAILED, f"{host} has no address")
    return tuple(ip_address(text.partition("%")[0]) for text in dict.fromkeys(found))
