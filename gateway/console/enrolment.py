"""The HTTPS listener for machines that enrol, beside the console's own.

Its certificate is issued by the centre's authority when the console starts and renewed long before
it ends, so that a machine can check it by the fingerprint in its code.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from gateway.centre.enrolment.authority import SERVER_DAYS, Authority, new_key, private_pem
from gateway.centre.enrolment.centre import open_authority, open_registry
from gateway.centre.enrolment.service import Answer, EnrolmentService
from gateway.centre.enrolment.settings import EnrolmentSettings
from gateway.console.admin import AdminPage
from gateway.console.client_address import client_of
from gateway.console.line_meter import LineMeter
from gateway.console.listen_address import refused_address
from gateway.enrolment.errors import EnrolmentReason
from gateway.enrolment.messages import (
    CA_PATH,
    ENROL_PATH,
    LINE_PATH,
    MAX_REQUEST_BYTES,
    RENEW_PATH,
    Refusal,
)
from gateway.model.errors import ConfigRejected, TransientError
from gateway.ports import Clock
from gateway.runtime.bugs import report_bug
from gateway.runtime.log_limit import RateLimitedLog
from gateway.web.connection_limit import REQUEST_S, ConnectionLimit, affordable_connections
from gateway.web.http_security import add_headers
from gateway.web.request_body import read_body
from gateway.web.tls_listener import listening

HANDSHAKE_S = 5.0
"""For TLS; so many are done at once as `gateway.web.tls_listener` has it."""

REVOKED_S = 10.0
"""How often it is read which sites are shut out: a command may have done it."""

RENEW_S = SERVER_DAYS * 86_400 * 2 / 3
"""Age at which the listener's own certificate is replaced."""

RENEW_AGAIN_S = 3600.0
"""After an attempt that has failed."""

log = structlog.get_logger(__name__)


class EnrolmentServer:
    """Serves machines that enrol and renew.

    Args:
        settings: ``[enrolment]``.
        clock: Monotonic.
        proxies: Whose ``X-Forwarded-For`` is believed.
        request_s: See `REQUEST_S`; a body has so long as well.

    Attributes:
        revoked: ``{province}/{gateway}`` of sites that are shut out.

    Raises:
        ConfigRejected: The authority, the database, a key or a secret cannot be used.
        TransientError: The database does not answer.
    """

    def __init__(
        self,
        settings: EnrolmentSettings,
        *,
        clock: Clock,
        proxies: frozenset[str],
        request_s: float = REQUEST_S,
    ) -> None:
        self._request_s = request_s
        self._settings = settings
        self._clock = clock
        self._proxies = proxies
        self._authority = open_authority(settings)
        self.registry = open_registry(settings)
        self._service = EnrolmentService(settings, self._authority, self.registry, clock=clock)
        self.revoked = frozenset(self.registry.revoked_sites())
        self._connections = ConnectionLimit(max(1, affordable_connections() // 4), clock=clock)
        self._line = LineMeter(clock=clock, within_s=request_s)
        self._disk = asyncio.Lock()
        self._unread = RateLimitedLog("enrolment", "revoked_sites_unread", clock=clock)
        self._admin = AdminPage(
            settings,
            self._authority,
            self.registry,
            disk=self._disk,
            client_of=self._client,
            admits=self._service.admits,
            request_s=request_s,
        )
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    @asynccontextmanager
    async def listening(self, group: asyncio.TaskGroup) -> AsyncIterator[str]:
        """Serve within, with handshakes in *group*; gives the URL of the listener."""
        load_server_certificate(self._tls, self._authority, self._settings.names)
        runner = web.AppRunner(
            self._app(), access_log=None, shutdown_timeout=2.0, keepalive_timeout=self._request_s
        )
        await runner.setup()
        server = runner.server
        assert server is not None
        chosen = self._settings
        try:
            async with AsyncExitStack() as stack:
                with refused_address("/enrolment", chosen.address, chosen.port):
                    port = await stack.enter_async_context(
                        listening(
                            chosen.address,
                            chosen.port,
                            lambda: self._connections.accept(server),
                            self._tls,
                            handshake_s=HANDSHAKE_S,
                            clock=self._clock,
                            group=group,
                        )
                    )
                yield chosen.model_copy(update={"port": port}).url
        finally:
            await runner.cleanup()

    async def renew_own(self) -> None:
        """Replace the listener's certificate long before it ends, until cancelled."""
        pause_s = RENEW_S
        while True:
            await self._clock.sleep(pause_s)
            try:
                load_server_certificate(self._tls, self._authority, self._settings.names)
                pause_s = RENEW_S
            except (ConfigRejected, OSError) as error:  # it ends the page for nobody
                log.error("own_certificate_not_renewed", detail=str(error))
                pause_s = RENEW_AGAIN_S

    async def watch_revoked(self) -> None:
        """Keep `revoked` true, until cancelled; as it was while the database does not answer."""
        while True:
            try:
                async with self._disk:
                    self.revoked = frozenset(await asyncio.to_thread(self.registry.revoked_sites))
            except TransientError as error:
                self._unread.count(error.detail)
            except Exception as error:  # the operators' page does without
                report_bug("report", error, "revoked sites")
            await self._clock.sleep(REVOKED_S)

    def _app(self) -> web.Application:
        app = web.Application(
            middlewares=[self._connections.mark_busy], client_max_size=MAX_REQUEST_BYTES
        )
        app.on_response_prepare.append(add_headers)
        app.router.add_get(CA_PATH, self._answer_authority)
        app.router.add_post(ENROL_PATH, self._answer_enrol)
        app.router.add_post(RENEW_PATH, self._answer_renew)
        app.router.add_post(LINE_PATH, self._answer_line)
        self._admin.add_routes(app)
        return app

    async def _answer_authority(self, request: web.Request) -> web.Response:
        if not self._service.admits(self._client(request)):
            return _too_often()
        return web.Response(
            body=self._service.authority_pem(), content_type="application/pem-certificate-chain"
        )

    async def _answer_enrol(self, request: web.Request) -> web.Response:
        return await self._answer(request, self._service.answer_enrol)

    async def _answer_renew(self, request: web.Request) -> web.Response:
        return await self._answer(request, self._service.answer_renew)

    async def _answer_line(self, request: web.Request) -> web.Response:
        return await self._line.answer(request, self._client(request))

    async def _answer(
        self, request: web.Request, answer: Callable[[bytes, str], Answer]
    ) -> web.Response:
        client = self._client(request)
        if not self._service.admits(client):
            return _too_often()
        raw = await read_body(request, self._request_s)
        async with self._disk:
            found = await asyncio.to_thread(answer, raw, client)
        return web.Response(status=found.status, body=found.body, content_type="application/json")

    def _client(self, request: web.Request) -> str:
        return client_of(request.remote or "", request.headers, self._proxies)


def load_server_certificate(
    context: ssl.SSLContext, authority: Authority, names: tuple[str, ...]
) -> None:
    """Issue a certificate for this server and give it to *context*, for connections from now on.

    The key is in a file only while OpenSSL reads it: it has no other way to take one.
    """
    key = new_key()
    issued = authority.issue_enrolment_server(key.public_key(), names)
    with tempfile.TemporaryDirectory() as folder:
        chain, private = Path(folder) / "chain.pem", Path(folder) / "key.pem"
        chain.write_text(issued.chain)
        private.write_bytes(private_pem(key))
        context.load_cert_chain(chain, private)


def _too_often() -> web.Response:
    body = Refusal(reason=EnrolmentReason.TOO_OFTEN).model_dump_json()
    return web.Response(status=429, text=body, content_type="application/json")
