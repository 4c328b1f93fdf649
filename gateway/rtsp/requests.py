"""Requests and answers on one connection, with authentication (`gateway.rtsp.login`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.model.errors import GatewayError, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.rtsp.auth import Credentials
from gateway.rtsp.connection import RtspConnection
from gateway.rtsp.errors import BUSY_PAUSE_S, error_of_status
from gateway.rtsp.login import Account, log_in
from gateway.rtsp.messages import Response, encode_request


@dataclass(frozen=True, slots=True)
class ServerCapabilities:
    """What the camera answers to OPTIONS.

    Attributes:
        methods: What it understands; empty if it does not say.
        authenticated: Whether it has already asked for the login.
    """

    methods: frozenset[str]
    server: str
    authenticated: bool


class RtspRequests:
    """Sends requests on one RTSP connection, one at a time.

    *on_date* is called with the `Date` header of each answer that has one.

    Attributes:
        challenged: Whether the camera has asked for a login.
    """

    def __init__(
        self,
        connection: RtspConnection,
        account: Account,
        answer_s: float,
        on_date: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._on_date = on_date
        self._connection = connection
        self._answer_s = answer_s
        self._account = account
        self._credentials: Credentials | None = None
        self._cseq = 0
        self.challenged = False

    async def request(
        self, method: str, url: str, fields: dict[str, str], *, timeout_s: float | None = None
    ) -> Response:
        """Send a request and return its response, whatever its status but 401.

        Raises:
            SourceRefused: The login is missing, refused or not to be tried (`LOGIN_REFUSED`), or
                asked for in a way that we do not know (`UNSUPPORTED_LOGIN`).
            SourceUnavailable: No answer in time, or the camera has no session left.
            SourceStalled: The camera has hung up.
        """
        timeout_s = self._answer_s if timeout_s is None else timeout_s
        response = await self._request_once(method, url, fields, timeout_s)
        if date := response.headers.get("date"):
            self._on_date(date)
        if response.status != 401:
            return response
        self.challenged = True

        async def ask_again(credentials: Credentials) -> Response:
            self._credentials = credentials
            return await self._request_once(method, url, fields, timeout_s)

        try:
            return await log_in(self._account, response, ask_again, method)
        except GatewayError:
            self._credentials = None
            raise

    async def request_ok(self, method: str, url: str, fields: dict[str, str]) -> Response:
        """Send a request that must succeed and return its response.

        Raises:
            GatewayError: As `request`, and whatever a status other than 2xx means.
        """
        response = await self.request(method, url, fields)
        if not 200 <= response.status < 300:
            raise error_of_status(method, response)
        return response

    async def _request_once(
        self, method: str, url: str, fields: dict[str, str], timeout_s: float
    ) -> Response:
        self._cseq += 1
        if self._credentials is not None:
            fields = {**fields, "Authorization": self._credentials.authorization(method, url)}
        request = encode_request(method, url, self._cseq, fields)
        try:
            return await self._connection.request(request, self._cseq, timeout_s=timeout_s)
        except SourceStalled as error:
            if self._connection.answered and method != "SETUP":
                raise
            raise SourceUnavailable(
                Reason.BUSY_SESSIONS, f"hung up at {method}", pause_s=BUSY_PAUSE_S
            ) from error
