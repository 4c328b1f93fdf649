"""Asks a camera over HTTP: at the address that the policy has found, with its login, no redirect.

aiohttp is loaded by the first who asks: it takes 8 MB, and most sites have no such camera.

References: RFC 9110, RFC 9112; RFC 7616 and RFC 7617 for the login.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gateway.model.errors import GatewayError, SourceRefused, SourceStalled, SourceUnavailable
from gateway.model.media import ClockReading
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.auth import Credentials, parse_challenges
from gateway.rtsp.budget import BYTES, PACKETS, READ_BYTES, CameraBudget, abusive
from gateway.rtsp.connection import CONNECT_S, tls_context
from gateway.rtsp.errors import ABSENT_PARK_S, error_of_os, error_of_status, in_plain_words
from gateway.rtsp.headers import parse_date
from gateway.rtsp.login import Account, log_in
from gateway.rtsp.messages import Headers, Response
from gateway.runtime.build import USER_AGENT
from gateway.runtime.lateness import time_limit
from gateway.runtime.plain_text import printable
from gateway.runtime.url_policy import Target

if TYPE_CHECKING:
    import aiohttp

ANSWER_S = 10.0
"""How long a camera may take for the head of its answer."""
MOST_LINE_BYTES = 4_096
MOST_HEADERS = 64
READS_PER_TURN = 64
"""Of a body, until others have their turn."""
MOST_INTERIM = 16
"""Answers of 1xx before the true one; aiohttp has no bound for them."""
MOST_ANSWER_BYTES = 262_144
"""Of an answer that is read whole; 64 ONVIF profiles are about 200 kB."""

_PART = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/(?:[0-9]{1,15}|\*)")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: bytes = b""
    content_type: str = ""
    part: range | None = None


class HttpAnswer:
    """The answer to one request, its body still to be read."""

    def __init__(self, response: aiohttp.ClientResponse, place: str, budget: CameraBudget) -> None:
        self._response = response
        self._place = place
        self._budget = budget
        self._reads = 0
        self._returned = b""
        self._told = ""

    @property
    def content_type(self) -> str:
        """As the camera writes it, parameters and all, or as its body tells; empty: neither."""
        return self._told or self._response.headers.get("Content-Type", "")

    def take_back(self, head: bytes, content_type: str) -> None:
        """Have *head* read again, all that was read until now, which tells *content_type*."""
        self._returned, self._told = head, content_type

    @property
    def length(self) -> int | None:
        """How long the body is, if it says so."""
        return self._response.content_length

    @property
    def budget(self) -> CameraBudget:
        """What the camera may cost."""
        return self._budget

    @property
    def server(self) -> str:
        """What the camera calls itself, fit for a log line."""
        return printable(self._response.headers.get("Server", "")[:80])

    async def read(self, limit_s: float) -> bytes:
        """Return what comes next of the body, at least one byte; empty at its end.

        Args:
            limit_s: How long it may take.

        Raises:
            SourceStalled: Nothing comes, or the camera hangs up within it.
            SourceUnavailable: It is more than the budget has (`ABUSIVE`).
        """
        import aiohttp

        if self._returned:
            piece, self._returned = self._returned, b""
            return piece
        try:
            async with time_limit(limit_s):
                piece = await self._read_piece()
        except TimeoutError:
            raise SourceStalled(Reason.STALLED, f"nothing for {limit_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            detail = f"{self._place} has broken the connection off"
            raise SourceStalled(Reason.STALLED, detail) from error
        self._budget.charge(BYTES, len(piece))
        self._budget.charge(PACKETS)
        return piece

    async def _read_piece(self) -> bytes:
        """Return what has come, of one chunk at most: they cost us more than their bytes."""
        self._reads += 1
        if self._reads % READS_PER_TURN == 0:
            await asyncio.sleep(0)  # what has come already is read without a pause
        while True:
            body = self._response.content
            piece, chunk_ended = await body.readchunk()
            if piece or not chunk_ended or body.at_eof():  # an empty body ends chunks for ever
                return piece


@asynccontextmanager
async def whole_within(limit_s: float) -> AsyncGenerator[None, None]:
    """Limit how long all pieces of something may take, which each come in time.

    Raises:
        SourceUnavailable: They take longer (`TIMEOUT`).
    """
    try:
        async with time_limit(limit_s):
            yield
    except TimeoutError:
        detail = f"what it has begun to send is not whole within {limit_s:g} s"
        raise SourceUnavailable(Reason.TIMEOUT, detail) from None


@cache
def _response_class() -> type[aiohttp.ClientResponse]:
    """Return aiohttp's response, of which a camera cannot have us read the head for ever."""
    import aiohttp

    class Response(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            """Read the head, and at most `MOST_INTERIM` interim ones (1xx) before it."""
            protocol, heads = connection.protocol, 0
            read = protocol.read

            async def read_counted() -> Any:
                nonlocal heads
                if heads > MOST_INTERIM:
                    raise abusive(f"more than {MOST_INTERIM} interim answers (1xx)")
                heads += 1
                return await read()

            protocol.read = read_counted
            try:
                return await super().start(connection)
            finally:
                del protocol.read

    return Response


class HttpClient:
    """One connection to a camera; a context manager.

    Args:
        target: Where; the address in it is the one connected to.
        account: Who asks.
        clock: Monotonic.

    Attributes:
        budget: What the camera may cost.
        challenged: Whether the camera has asked for a login.
        realm: For what, as it says; cut, and printable.
        server: What it calls itself, likewise.
        clock_reading: What its clock showed last (`Date`, RFC 9110 §6.6.1); None: it has not told.
    """

    def __init__(self, target: Target, *, account: Account, clock: Clock) -> None:
        self._target = target
        self._account = account
        self._credentials: Credentials | None = None
        self._session: aiohttp.ClientSession | None = None
        self._open: aiohttp.ClientResponse | None = None
        self._may_repeat = True
        self.budget = CameraBudget(clock)
        self.challenged = False
        self.realm = ""
        self.server = ""
        self._clock = clock
        self.clock_reading: ClockReading | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(importlib.import_module, "aiohttp")  # 0.2 s and more, once
        import aiohttp

        secured = self._target.scheme == "https"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=tls_context() if secured else False),
            response_class=_response_class(),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=READ_BYTES,
            max_line_size=MOST_LINE_BYTES,
            max_field_size=MOST_LINE_BYTES,
            max_headers=MOST_HEADERS,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_answer()
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str = "", *, part: range | None = None) -> HttpAnswer:
        """Return the camera's answer to GET; the one before it is closed.

        Args:
            path: Path and query at the same host and port; empty: those of the target.
            part: Which bytes of what is there (RFC 9110 §14), never none; None: all.

        Raises:
            SourceRefused: The login is refused, the path or *part* is not there, it redirects, or
                it sends no parts (`UNSUPPORTED_TRANSPORT`).
            SourceUnavailable: The camera cannot be reached, does not speak HTTP, or answers with
                another part.
        """
        request = _Request("GET", path or self._target.path or "/", part=part)
        response = await self._request_once(request)
        if response.status == 401:
            response = await self._log_in(request, response)
        assert self._open is not None
        if part is not None:
            _check_part(part, response, self._open.content_length)
        elif response.status != 200:
            raise error_of_status("GET", response)
        return HttpAnswer(self._open, self._place, self.budget)

    async def send(
        self,
        method: str,
        body: bytes = b"",
        *,
        path: str = "",
        content_type: str = "",
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> Response:
        """Return the camera's whole answer, whatever its status; the one before it is closed.

        A 401 without a challenge is returned as it is: there are other logins than HTTP's.

        Args:
            method: Of the request, e.g. ``PUT``.
            body: Of the request.
            path: Empty: that of the target.
            content_type: Of *body*.
            most_bytes: Of the answer's body.

        Raises:
            SourceRefused: The login is refused, or it redirects.
            SourceStalled: It hangs up within its answer.
            SourceUnavailable: The camera cannot be reached, does not speak HTTP, or answers with
                more than *most_bytes*.
        """
        request = _Request(method, path or self._target.path or "/", body, content_type)
        response = await self._request_once(request)
        if response.status == 401 and parse_challenges(response):
            response = await self._log_in(request, response)
        if 300 <= response.status < 400:
            raise error_of_status(method, response)
        assert self._open is not None
        answer = HttpAnswer(self._open, self._place, self.budget)
        whole = await self._read_whole(answer, most_bytes)
        return Response(response.status, response.phrase, response.headers, whole)

    async def read_refusal(self) -> bytes:
        """Return the body of the answer that has refused the login; empty: none that can be read.

        Some say there that they have locked the account.
        """
        if self._open is None or self._open.status not in (401, 403):
            return b""
        try:
            answer = HttpAnswer(self._open, self._place, self.budget)
            return await self._read_whole(answer, MOST_LINE_BYTES)
        except GatewayError:
            return b""

    async def _read_whole(self, answer: HttpAnswer, most_bytes: int) -> bytes:
        if (answer.length or 0) > most_bytes:
            raise self._too_long(most_bytes)
        body = bytearray()
        async with whole_within(ANSWER_S):
            while piece := await answer.read(ANSWER_S):
                body += piece
                if len(body) > most_bytes:
                    raise self._too_long(most_bytes)
        return bytes(body)

    def _too_long(self, most_bytes: int) -> SourceUnavailable:
        detail = f"{self._place} answers with more than {most_bytes} bytes"
        return SourceUnavailable(Reason.CORRUPT, detail)

    async def _log_in(self, request: _Request, response: Response) -> Response:
        async def ask_again(credentials: Credentials) -> Response:
            self._credentials = credentials
            self._may_repeat = False
            try:
                return await self._request_once(request)
            finally:
                self._may_repeat = True

        self.challenged = True
        self.realm = printable(next((each.realm for each in parse_challenges(response)), "")[:80])
        try:
            return await log_in(self._account, response, ask_again, request.method)
        except GatewayError:
            self._credentials = None
            raise

    @property
    def _place(self) -> str:
        return f"{self._target.host}:{self._target.port}"

    def _close_answer(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    async def _request_once(self, request: _Request) -> Response:
        """Return the head of the camera's answer; the body waits in `_open`."""
        import aiohttp

        self._close_answer()
        headers = {"Host": self._target.authority, "User-Agent": USER_AGENT, "Accept": "*/*"}
        headers["Accept-Encoding"] = "identity"
        if request.part is not None:
            headers["Range"] = f"bytes={request.part.start}-{request.part.stop - 1}"
        if request.content_type:
            headers["Content-Type"] = request.content_type
        if self._credentials is not None:
            authorization = self._credentials.authorization(request.method, request.path)
            headers["Authorization"] = authorization
        try:
            async with time_limit(CONNECT_S + ANSWER_S):
                self._open = await self._send(request, headers)
        except TimeoutError:
            detail = f"{self._place} does not answer within {CONNECT_S + ANSWER_S:g} s"
            raise SourceUnavailable(Reason.TIMEOUT, detail) from None
        except aiohttp.ClientConnectorError as error:
            raise error_of_os(error.os_error, self._place) from error
        except (aiohttp.ClientError, OSError) as error:
            detail = f"{self._place} does not speak HTTP as it should: {_in_plain_words(error)}"
            raise SourceUnavailable(Reason.CORRUPT, detail) from error
        self._note_date(self._open.headers.get("Date", ""))
        self.server = printable(self._open.headers.get("Server", "")[:80])
        fields = ((name.lower(), text) for name, text in self._open.headers.items())
        return Response(self._open.status, self._open.reason or "", Headers(tuple(fields)))

    def _note_date(self, date: str) -> None:
        unix_s = parse_date(date)
        if unix_s is not None:
            self.clock_reading = ClockReading(unix_s, self._clock.now())

    async def _send(self, request: _Request, headers: dict[str, str]) -> aiohttp.ClientResponse:
        from yarl import URL

        target = self._target
        assert self._session is not None
        host = f"[{target.address}]" if ":" in target.address else target.address
        url = URL(f"{target.scheme}://{host}:{target.port}{request.path}", encoded=True)
        name = target.host if target.scheme == "https" else None
        return await self._session.request(
            request.method,
            url,
            data=request.body or None,
            headers=headers,
            allow_redirects=False,
            server_hostname=name,
            middlewares=() if self._may_repeat else (_never_again,),
        )


def _in_plain_words(error: Exception) -> str:
    """Return what is wrong with an answer, without the answer, in which a login may stand."""
    if isinstance(error, OSError):
        return in_plain_words(error)
    said = getattr(error, "message", "")
    return printable(said.partition(":")[0][:80]) if isinstance(said, str) and said else "hangs up"


async def _never_again(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Have aiohttp not send *request* once more where the camera hangs up at it.

    It repeats what may be repeated by RFC 9110 §9.2.2; a login is counted each time.
    """
    import aiohttp

    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:  # nothing was sent
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError("it hangs up at a login") from error


def _check_part(part: range, response: Response, length: int | None) -> None:
    """Check that *response*, with a body of *length* bytes, is *part* (RFC 9110 §15.3.7).

    Raises:
        GatewayError: It is not.
    """
    if response.status == 200:  # what it has may be hours long
        detail = (
            "the server sends whole files only, where the playlist names parts (EXT-X-BYTERANGE)"
        )
        raise SourceRefused(Reason.UNSUPPORTED_TRANSPORT, detail, park_s=ABSENT_PARK_S)
    if response.status == 416:
        detail = "the file ends before the part that the playlist names"
        raise SourceRefused(Reason.NOT_FOUND, detail, park_s=ABSENT_PARK_S)
    if response.status != 206:
        raise error_of_status("GET", response)
    match = _PART.fullmatch(response.headers.get("content-range"))
    is_it = match is not None and range(int(match[1]), int(match[2]) + 1) == part
    if not is_it or length not in (None, len(part)):
        raise SourceUnavailable(
            Reason.CORRUPT, "the server sends another part of the file than asked"
        )
