"""Measures how fast this machine's line takes bytes to the centre: bounded in bytes and in time.

One connection to the centre's enrolment server, whose certificate is checked. Bodies grow while the
last went through quickly, so that a weak line carries 65 kB and a good one 3.3 MB at most. What
counts is the answer: until it comes, bytes may wait in this machine.
"""

from __future__ import annotations

import io
import secrets
import ssl
from dataclasses import dataclass

import aiohttp

from gateway.enrolment.client import trusting
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import (
    LINE_PATH,
    MAX_ANSWER_BYTES,
    MOST_UPLOAD_BYTES,
    SERVER_NAME,
    MessageError,
    Received,
    parse_message,
)
from gateway.ports import Clock
from gateway.runtime.build import USER_AGENT

OPENING_BYTES = 1_024
"""Of the body that opens the connection and is not measured."""

SIZES = (65_536, 262_144, 1_048_576, MOST_UPLOAD_BYTES)

QUICK_S = 1.0
"""A body that took less is followed by a larger one."""

BODY_S = 10.0
"""For one body, and for the connection."""


@dataclass(frozen=True, slots=True)
class UploadTrial:
    """What was measured.

    Attributes:
        sent_bytes: Of the largest body that arrived whole, without headers; 0: none did in time.
        took_s: From its first byte to the answer.
        waited_s: How long the body was waited for that did not arrive; 0: all did.
        waited_bytes: Of that body.
    """

    sent_bytes: int
    took_s: float
    waited_s: float = 0.0
    waited_bytes: int = 0

    @property
    def kbps(self) -> float:
        """Kilobits a second, of what arrived; without any, what the line has at most."""
        if self.sent_bytes:
            return self.sent_bytes * 8 / 1000 / max(self.took_s, 1e-6)
        return self.waited_bytes * 8 / 1000 / max(self.waited_s, 1e-6)


async def try_upload(
    url: str, ca: str, *, clock: Clock, body_s: float = BODY_S, quick_s: float = QUICK_S
) -> UploadTrial:
    """Return how fast bodies arrive at the enrolment server at *url*, which *ca* has certified.

    Raises:
        EnrolmentError: ``unreachable``, ``wrong_ca``, ``not_enrolment`` (it is older than this
            measurement, too) or ``too_often``.
    """
    context = trusting(ca)
    try:
        async with aiohttp.ClientSession(
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": USER_AGENT, "Content-Type": "application/octet-stream"},
            timeout=aiohttp.ClientTimeout(total=body_s),
        ) as session:
            line = _Line(session, url + LINE_PATH, context, clock)
            await line.took_s(OPENING_BYTES)
            return await _grow(line, body_s, quick_s)
    except aiohttp.ClientConnectorCertificateError as error:
        raise EnrolmentError(EnrolmentReason.WRONG_CA, str(error.certificate_error)) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        said = str(error) or type(error).__name__
        raise EnrolmentError(EnrolmentReason.UNREACHABLE, said[:200]) from None


@dataclass(frozen=True, slots=True)
class _Line:
    """One connection to the centre."""

    session: aiohttp.ClientSession
    url: str
    context: ssl.SSLContext
    clock: Clock

    async def took_s(self, size: int) -> float:
        """Return how long a body of *size* bytes took, with the answer to it."""
        body = io.BytesIO(secrets.token_bytes(size))  # nothing on the way can make it smaller
        began_s = self.clock.now()
        async with self.session.post(
            self.url,
            data=body,
            ssl=self.context,
            server_hostname=SERVER_NAME,
            allow_redirects=False,
        ) as response:
            await _check(response, size)
        return self.clock.now() - began_s


async def _grow(line: _Line, body_s: float, quick_s: float) -> UploadTrial:
    """Return the measurement of the last body: the first that was not quick, or the largest."""
    best = UploadTrial(0, 0.0)
    for size in SIZES:
        try:
            best = UploadTrial(size, await line.took_s(size))
        except TimeoutError:
            return UploadTrial(best.sent_bytes, best.took_s, body_s, size)
        if best.took_s >= quick_s:
            break
    return best


async def _check(response: aiohttp.ClientResponse, size: int) -> None:
    """Return if *response* says that a body of *size* bytes came. Raises EnrolmentError."""
    if response.status == 429:
        raise EnrolmentError(EnrolmentReason.TOO_OFTEN)
    if response.status != 200:
        raise EnrolmentError(EnrolmentReason.NOT_ENROLMENT, f"HTTP {response.status}")
    raw = await response.content.read(MAX_ANSWER_BYTES)
    try:
        received = parse_message(raw, Received, max_bytes=MAX_ANSWER_BYTES).received
    except MessageError as error:
        raise EnrolmentError(EnrolmentReason.NOT_ENROLMENT, str(error)) from None
    if received != size:
        detail = f"{received} of {size} bytes came"
        raise EnrolmentError(EnrolmentReason.NOT_ENROLMENT, detail)
