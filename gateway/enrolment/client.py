"""Speaks HTTPS to the centre: first with anybody, to get the root; then with the centre only.

The first exchange tells nothing and takes one public certificate, which counts for nothing until
the fingerprint in the code has been compared (RFC 7030 section 4.1.1). The code goes out in the
second, over TLS that trusts that root alone and asks for the enrolment server by its role.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TypeVar

import aiohttp
from pydantic import BaseModel

from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import (
    CA_PATH,
    MAX_ANSWER_BYTES,
    SERVER_NAME,
    MessageError,
    Refusal,
    parse_message,
)
from gateway.runtime.build import USER_AGENT

EXCHANGE_S = 20.0
"""For one exchange, from the connection to the last byte of the answer."""

DEFAULT_PORT = 8443

Answer = TypeVar("Answer", bound=BaseModel)
Reason = EnrolmentReason

_URL = re.compile(
    r"(?:https://)?(?P<host>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?/?"
)
_NOT_YET, _ENDED = 9, 10
"""OpenSSL: X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED."""


def parse_centre_url(text: str) -> str:
    """Return *text*, ``[https://]HOST[:PORT]``, in full. Raises EnrolmentError: ``url``."""
    found = _URL.fullmatch(text.strip())
    port = int(found["port"] or DEFAULT_PORT) if found else 0
    if found is None or not 0 < port < 65_536 or not _is_host(found["host"]):
        raise EnrolmentError(Reason.URL, text.strip()[:100])
    return f"https://{found['host']}:{port}"


def _is_host(host: str) -> bool:
    """Return whether *host* is an address, or a name whose labels have 1 to 63 characters."""
    return "[" in host or all(0 < len(label) < 64 for label in host.removesuffix(".").split("."))


async def fetch_authority(url: str) -> str:
    """Return the root that the server at *url* has, as PEM; it is nobody's until it is compared.

    Raises:
        EnrolmentError: ``unreachable`` or ``not_enrolment``.
    """
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.minimum_version = ssl.TLSVersion.TLSv1_2
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    status, raw = await _exchange("GET", url + CA_PATH, anybody, None)
    text = raw.decode("ascii", "replace")
    if status == 429:
        raise EnrolmentError(Reason.TOO_OFTEN)
    if status != 200 or not text.startswith("-----BEGIN CERTIFICATE-----\n"):
        raise EnrolmentError(Reason.NOT_ENROLMENT, f"HTTP {status}")
    return text


async def ask(url: str, ca: str, request: BaseModel, answer: type[Answer]) -> Answer:
    """Return the answer to *request* of the enrolment server at *url*, which *ca* has certified.

    Raises:
        EnrolmentError: The centre's reason, or ``unreachable``, ``clock``, ``wrong_ca``,
            ``not_enrolment``.
    """
    status, raw = await _exchange(
        "POST", url, trusting(ca), request.model_dump_json(exclude_none=True).encode()
    )
    try:
        if status == 200:
            return parse_message(raw, answer, max_bytes=MAX_ANSWER_BYTES)
        refusal = parse_message(raw, Refusal, max_bytes=MAX_ANSWER_BYTES)
        reason = EnrolmentReason(refusal.reason)
    except (MessageError, ValueError):
        if status >= 500:
            raise EnrolmentError(Reason.CENTRE_FAULT, f"HTTP {status}") from None
        raise EnrolmentError(Reason.NOT_ENROLMENT, f"HTTP {status}") from None
    raise EnrolmentError(reason, refusal.detail)


def trusting(ca: str) -> ssl.SSLContext:
    """Return TLS settings that trust *ca* alone. Raises EnrolmentError: it is no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=ca)
    except (ssl.SSLError, ValueError):
        raise EnrolmentError(Reason.NOT_ENROLMENT, "the root is no certificate") from None
    return context


async def _exchange(
    method: str, url: str, context: ssl.SSLContext, body: bytes | None
) -> tuple[int, bytes]:
    """Return status and body of the answer. Raises EnrolmentError."""
    verified = context.verify_mode != ssl.CERT_NONE
    try:
        async with (
            asyncio.timeout(EXCHANGE_S),
            aiohttp.ClientSession(auto_decompress=False, trust_env=False) as session,
            session.request(
                method,
                url,
                data=body,
                headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
                ssl=context,
                server_hostname=SERVER_NAME if verified else None,
                allow_redirects=False,
            ) as response,
        ):
            raw = await response.content.read(MAX_ANSWER_BYTES + 1)
            while len(raw) <= MAX_ANSWER_BYTES and not response.content.at_eof():
                raw += await response.content.read(MAX_ANSWER_BYTES + 1 - len(raw))
            return response.status, raw
    except aiohttp.ClientConnectorCertificateError as error:
        raise _distrusted(error.certificate_error) from None
    except aiohttp.ClientSSLError as error:
        raise EnrolmentError(Reason.NOT_ENROLMENT, f"TLS: {error.os_error}") from None
    except (aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
        raise EnrolmentError(Reason.NOT_ENROLMENT, _why(error)) from None
    except (aiohttp.ClientConnectionError, TimeoutError, OSError) as error:
        # Somebody answers there and hangs up at the first word of TLS.
        hung_up = isinstance(getattr(error, "os_error", None), ConnectionResetError)
        reason = Reason.NOT_ENROLMENT if hung_up else Reason.UNREACHABLE
        raise EnrolmentError(reason, _why(error)) from None
    except aiohttp.ClientError as error:
        raise EnrolmentError(Reason.NOT_ENROLMENT, type(error).__name__) from None


def _distrusted(error: Exception) -> EnrolmentError:
    code = getattr(error, "verify_code", 0)
    detail = getattr(error, "verify_message", "") or str(error)
    if code in (_NOT_YET, _ENDED):
        return EnrolmentError(Reason.CLOCK, detail)
    return EnrolmentError(Reason.WRONG_CA, detail)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    cause = getattr(error, "os_error", None) or error
    return str(getattr(cause, "strerror", None) or cause)[:200]
