"""From an address to a connected socket: name, TCP, TLS; cancellable at every step.

What goes wrong becomes one of our reasons here. Nothing blocks the loop: names are looked up on
a thread that can be left behind, and the TLS handshake waits for the socket as asyncio does.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.broker import BrokerAddress, certificate_fault, context_of

LOOKUP_S = 5.0
"""A resolver that takes longer is as good as dead."""

_EXPIRED, _NOT_YET_VALID = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID

Endpoint = tuple[socket.AddressFamily, tuple[str, int]]
Look = Callable[[str, int], list[Endpoint]]


def _addresses(host: str, port: int) -> list[Endpoint]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


class Dialler:
    """Opens connections to one broker; remembers where it was when its name still resolved.

    Args:
        address: The broker.
        met: Told of its certificate, in DER, after each TLS handshake.
        look: Asks the resolver, on a thread of its own, for however long that takes.
        lookup_s: Shorter in tests.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        met: Callable[[bytes], None] = lambda _: None,
        look: Look = _addresses,
        lookup_s: float = LOOKUP_S,
    ) -> None:
        self._address = address
        self._met = met
        self._look = look
        self._lookup_s = lookup_s
        self._known: list[Endpoint] = []

    async def dial(self, *, within_s: float) -> socket.socket:
        """Return a connected, non-blocking socket, the TLS handshake done. The caller closes it.

        Raises:
            BrokerUnavailable: Says which step failed.
        """
        try:
            async with asyncio.timeout(within_s):
                return await self._dialled()
        except TimeoutError:
            detail = f"no way to {self._address} within {within_s:.0f} s"
            raise BrokerUnavailable(Reason.TIMEOUT, detail) from None

    async def _dialled(self) -> socket.socket:
        context = None
        if self._address.tls is not None:
            context = await asyncio.to_thread(context_of, self._address.tls)
        plain = await self._connected()
        if context is None:
            return plain
        secure = await _secured(plain, context, self._address.host)
        self._met(secure.getpeercert(binary_form=True) or b"")
        return secure

    async def _connected(self) -> socket.socket:
        refused = BrokerUnavailable(Reason.DNS_FAILED, f"{self._address.host} has no address")
        for family, endpoint in await self._endpoints():
            plain = socket.socket(family, socket.SOCK_STREAM)
            try:
                plain.setblocking(False)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await asyncio.get_running_loop().sock_connect(plain, endpoint)
            except OSError as error:
                plain.close()
                refused = _unreachable(self._address, error)
            except BaseException:
                plain.close()
                raise
            else:
                return plain
        raise refused

    async def _endpoints(self) -> list[Endpoint]:
        try:
            async with asyncio.timeout(self._lookup_s):
                address = self._address
                self._known = await _looked_up(self._look, address.host, address.port)
        except (OSError, UnicodeError) as error:
            if not self._known:
                detail = f"{self._address.host}: {error or 'no answer from the resolver'}"
                raise BrokerUnavailable(Reason.DNS_FAILED, detail) from None
        return self._known


async def _looked_up(resolve: Look, host: str, port: int) -> list[Endpoint]:
    """Look *host* up on a thread of its own; when cancelled, the thread is left to its fate.

    The loop's own executor would be waited for at exit, and a dead resolver takes a minute.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Endpoint]] = loop.create_future()

    def tell(endpoints: list[Endpoint], error: OSError | UnicodeError | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(endpoints)
        else:
            found.set_exception(error)

    def look() -> None:
        endpoints: list[Endpoint] = []
        failure: OSError | UnicodeError | None = None
        try:
            endpoints = resolve(host, port)
        except (OSError, UnicodeError) as error:
            failure = error
        with suppress(RuntimeError):  # the loop is gone, and nobody waits
            loop.call_soon_threadsafe(tell, endpoints, failure)

    threading.Thread(target=look, name="broker-lookup", daemon=True).start()
    return await found


async def _secured(plain: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    try:
        secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except OSError as error:
        plain.close()
        raise tls_fault(error) from None
    try:
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(secure, write=False)
            except ssl.SSLWantWriteError:
                await _ready(secure, write=True)
            else:
                return secure
    except OSError as error:
        secure.close()
        raise tls_fault(error) from None
    except BaseException:
        secure.close()
        raise


async def _ready(sock: socket.socket, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    number = sock.fileno()
    if write:
        loop.add_writer(number, ready.set)
    else:
        loop.add_reader(number, ready.set)
    try:
        await ready.wait()
    finally:
        if write:
            loop.remove_writer(number)
        else:
            loop.remove_reader(number)


def tls_fault(error: OSError) -> BrokerUnavailable:
    """Return our word for what broke a TLS connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reasons = {_EXPIRED: Reason.TLS_EXPIRED, _NOT_YET_VALID: Reason.TLS_NOT_YET_VALID}
        reason = reasons.get(error.verify_code, Reason.TLS_FAILED)
        detail = f"the broker's certificate: {error.verify_message}"
        return certificate_fault(reason, detail)
    if not isinstance(error, ssl.SSLError):
        return BrokerUnavailable(Reason.TLS_FAILED, f"broken in the TLS handshake: {error}")
    said = (error.reason or str(error)).lower().replace("_", " ")
    reason = Reason.TLS_EXPIRED if "expired" in said else Reason.TLS_FAILED
    return certificate_fault(reason, f"TLS: {said}")


def _unreachable(address: BrokerAddress, error: OSError) -> BrokerUnavailable:
    if isinstance(error, ConnectionRefusedError):
        return BrokerUnavailable(Reason.REFUSED, f"{address} refuses connections")
    return BrokerUnavailable(Reason.UNREACHABLE, f"{address}: {error.strerror or error}")
