"""From an address to a connected socket: name, TCP, TLS; cancellable at every step.

Every failure is a `BrokerUnavailable` with a reason. Nothing blocks the loop: names are looked up
on a thread that can be left behind, and the TLS handshake waits for the socket as asyncio does.

A broker that cannot be reached is tried every 20 s at least, however long that lasts: the site is
back within 30 s. One that can be reached and refuses is left alone for longer.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Callable
from typing import Literal

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import (
    BrokerAddress,
    certificate_fault,
    certificate_info,
    ssl_context,
)
from gateway.runtime.resolver import Endpoint, LookupThreads, encode_host, resolve_endpoints

LOOKUP_S = 5.0
"""A resolver that takes longer counts as dead."""

LOOKUPS = 3
"""Look-ups that may wait for the resolver at once; each holds a thread."""

ADDRESS_S = 5.0
"""How long one address may be silent before the next is tried; the third SYN is then sent."""

AGAIN_S = (10.0, 20.0)
"""Pause after a broker could not be reached; random, because many sites may share its line."""

_EXPIRED, _NOT_YET_VALID = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID

Resolve = Callable[[str, int], list[Endpoint]]
DialStep = Literal["dns", "tcp", "tls"]


class Dialer:
    """Opens connections to one broker; uses its last addresses while its name does not resolve.

    Args:
        address: The broker.
        on_peer_certificate: Called with its certificate, in DER, after each TLS handshake. Raises
            BrokerUnavailable: it does not do.
        on_step: Called with each step that has been taken, and what was seen, in English.
        resolve: Asks the resolver; runs on a thread of its own.
        lookup_s: Shorter in tests, as *address_s*: how long one address may be silent.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        on_peer_certificate: Callable[[bytes], None] = lambda _: None,
        on_step: Callable[[DialStep, str], None] = lambda _step, _seen: None,
        resolve: Resolve = resolve_endpoints,
        lookup_s: float = LOOKUP_S,
        address_s: float = ADDRESS_S,
    ) -> None:
        self._address = address
        self._on_peer_certificate = on_peer_certificate
        self._on_step = on_step
        self._resolve = resolve
        self._lookup_s = lookup_s
        self._address_s = address_s
        self._threads = LookupThreads(LOOKUPS, name="broker-lookup")
        self._lookup: asyncio.Future[list[Endpoint]] | None = None
        self._last_endpoints: list[Endpoint] = []
        self._unresponsive: set[Endpoint] = set()

    async def dial(self, *, within_s: float) -> socket.socket:
        """Return a connected, non-blocking socket, the TLS handshake done. The caller closes it.

        Raises:
            BrokerUnavailable: Says which step failed.
        """
        try:
            async with asyncio.timeout(within_s):
                return await self._dial()
        except TimeoutError:
            detail = f"no way to {self._address} within {within_s:.0f} s"
            raise BrokerUnavailable(Reason.TIMEOUT, detail) from None

    async def _dial(self) -> socket.socket:
        context = None
        if self._address.tls is not None:
            context = await asyncio.to_thread(ssl_context, self._address.tls)
        plain = await self._connect()
        if context is None:
            return plain
        secure = await _handshake(plain, context, self._address.host)
        self._on_step("tls", secure.version() or "TLS")
        try:
            self._on_peer_certificate(secure.getpeercert(binary_form=True) or b"")
        except BrokerUnavailable:
            secure.close()
            raise
        return secure

    async def _connect(self) -> socket.socket:
        """Try each address; those that did not answer the last time come last."""
        refused = _not_reachable(Reason.DNS_FAILED, f"{self._address.host} has no address")
        endpoints = await self._endpoints()
        self._on_step("dns", ", ".join(str(endpoint[0]) for _, endpoint in endpoints[:4]))
        for known in sorted(endpoints, key=self._unresponsive.__contains__):
            family, endpoint = known
            self._unresponsive.add(known)
            try:
                plain = socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:  # no descriptor is free
                refused = _unreachable(self._address, error)
                continue
            try:
                plain.setblocking(False)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.timeout(self._address_s):
                    await asyncio.get_running_loop().sock_connect(plain, endpoint)
            except OSError as error:  # TimeoutError is one
                plain.close()
                refused = _unreachable(self._address, error)
            except BaseException:
                plain.close()
                raise
            else:
                self._unresponsive.discard(known)
                self._on_step("tcp", f"{endpoint[0]} port {endpoint[1]}")
                return plain
        raise refused

    async def _endpoints(self) -> list[Endpoint]:
        host, port = self._address.host, self._address.port
        # With all threads waiting the newest look-up is waited for once more.
        self._lookup = self._threads.start(lambda: self._resolve(host, port)) or self._lookup
        try:
            async with asyncio.timeout(self._lookup_s):
                if self._lookup is not None:
                    self._last_endpoints = await asyncio.shield(self._lookup)
        except (OSError, UnicodeError) as error:
            if not self._last_endpoints:
                said = str(error) or "no answer from the resolver"
                raise _not_reachable(Reason.DNS_FAILED, f"{self._address.host}: {said}") from None
        self._unresponsive.intersection_update(self._last_endpoints)
        return self._last_endpoints


async def _handshake(sock: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    try:
        secure = context.wrap_socket(
            sock, server_hostname=encode_host(host), do_handshake_on_connect=False
        )
    except OSError as error:
        sock.close()
        raise tls_fault(error) from None
    try:
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                await _wait_until_ready(secure, write=False)
            except ssl.SSLWantWriteError:
                await _wait_until_ready(secure, write=True)
            else:
                return secure
    except OSError as error:
        ends = _validity(secure) if isinstance(error, ssl.SSLCertVerificationError) else ""
        secure.close()
        raise tls_fault(error, ends) from None
    except BaseException:
        secure.close()
        raise


async def _wait_until_ready(sock: socket.socket, *, write: bool) -> None:
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


def _validity(secure: ssl.SSLSocket) -> str:
    """Return from when to when the certificate is valid that we have been shown and refuse.

    The documented way gives a certificate only once it has been accepted.
    """
    chain = secure._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    paper = certificate_info(ssl.PEM_cert_to_DER_cert(chain[0].public_bytes())) if chain else None
    return "" if paper is None else f" (valid {paper.begins} to {paper.ends})"


def tls_fault(error: OSError, dates: str = "") -> BrokerUnavailable:
    """Return the error for a TLS connection that failed; *dates* are those of the certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reasons = {_EXPIRED: Reason.TLS_EXPIRED, _NOT_YET_VALID: Reason.TLS_NOT_YET_VALID}
        reason = reasons.get(error.verify_code, Reason.TLS_FAILED)
        detail = f"the broker's certificate: {error.verify_message}{dates}"
        return certificate_fault(reason, detail)
    if not isinstance(error, ssl.SSLError):
        return BrokerUnavailable(Reason.TLS_FAILED, f"broken in the TLS handshake: {error}")
    said = (error.reason or str(error)).lower().replace("_", " ")
    reason = Reason.TLS_EXPIRED if "expired" in said else Reason.TLS_FAILED
    return certificate_fault(reason, f"TLS: {said}")


def _unreachable(address: BrokerAddress, error: OSError) -> BrokerUnavailable:
    if isinstance(error, ConnectionRefusedError):
        return _not_reachable(Reason.REFUSED, f"{address} refuses connections")
    if isinstance(error, TimeoutError):
        return _not_reachable(Reason.TIMEOUT, f"{address} does not answer")
    return _not_reachable(Reason.UNREACHABLE, f"{address}: {error.strerror or error}")


def _not_reachable(reason: Reason, detail: str) -> BrokerUnavailable:
    """Return the error for a broker that is not there, or no way to it."""
    return BrokerUnavailable(reason, detail, longest_s=random.uniform(*AGAIN_S))
