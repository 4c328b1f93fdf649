"""The console's server: one MQTT connection to the broker, many browsers.

Composition only: messages of the broker go to the registry or to the session they belong to,
changes go to every browser's queue.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import WSCloseCode, web
from aiohttp.typedefs import Handler

from gateway.console import messages
from gateway.console.browser_session import TICK_S, BrowserSession
from gateway.console.client_address import Seats, client_of
from gateway.console.documents import PATH as DOCUMENTS_PATH
from gateway.console.documents import Documents, answer_off
from gateway.console.enrolment import EnrolmentServer
from gateway.console.listen_address import refused_address
from gateway.console.send_queue import SendQueue
from gateway.console.settings import MAX_BROWSERS, Settings
from gateway.console.signalling import BrowserSignalling
from gateway.console.site_limits import (
    REPORTS,
    REPORTS_PER_MIN,
    SIGNALS,
    SIGNALS_PER_MIN,
    SiteLimits,
)
from gateway.console.site_registry import SHOWN, Change, SiteRegistry
from gateway.console.site_state import site_key
from gateway.console.static_files import StaticFile, page_files
from gateway.console.view_tokens import ViewTokens
from gateway.console.views import BrokerView
from gateway.model.errors import Fault, MessageRejected, TransientError
from gateway.model.signalling import IceServer, SessionKey
from gateway.mqtt.client.broker import client_id_of
from gateway.mqtt.client.client import MqttClient
from gateway.mqtt.client.failover import reconnect_delays
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.signalling import decode_gateway_message
from gateway.mqtt.topic_tree import DOCUMENT, GATEWAY_SIGNALLING
from gateway.mqtt.topics import CENTRE_SUBSCRIPTIONS, ParsedTopic, Topics, parse_topic
from gateway.ports import Clock, InboundMessage, OutboundMessage
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import RateLimiter
from gateway.runtime.supervise import supervise
from gateway.runtime.tcp_server import close_server
from gateway.runtime.turn_credentials import LIFETIME_S
from gateway.web.connection_limit import (
    REQUEST_S,
    ConnectionLimit,
    affordable_connections,
)
from gateway.web.http_security import add_headers, allow_hosts, is_same_origin

ICE_RENEWAL_S = LIFETIME_S / 2
"""Between two sets of TURN credentials for a browser."""

JOINS_PER_MIN, JOINS = 60, 64
"""Connections of browsers from one address, a minute and at once: each is sent the whole country.
After a restart of the server every browser comes once, and a few times if it is away for longer."""

CLOSE_S = 2.0
"""How long a browser that is disconnected may take to say that it has noticed."""

SWEEP_S = 5.0
"""Interval of the check for health reports that have become too old."""

RETRY_CEILING_S = 15.0
"""Longest delay between connection attempts; one console may retry faster than 1,000 gateways."""

READ = (*SHOWN, GATEWAY_SIGNALLING)
"""What is looked into; all else that gateways say costs nothing here."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Browser:
    """One connected browser."""

    socket: web.WebSocketResponse
    signalling: BrowserSignalling
    queue: SendQueue


class Console:
    """Runs the server.

    Args:
        settings: Of the console.
        clock: Monotonic.
        request_s: See `REQUEST_S`.
        tick_s: See `TICK_S`.

    Attributes:
        enrolment_url: Where machines enrol, once the server is ready; None: nowhere.

    Raises:
        ConfigRejected: The key for view tokens, the secret of a TURN server, or what enrolment
            needs cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        request_s: float = REQUEST_S,
        tick_s: float = TICK_S,
    ) -> None:
        self.enrolment_url: str | None = None
        self._url = ""
        self._request_s = request_s
        self._tick_s = tick_s
        self._settings = settings
        self._clock = clock
        self._registry = SiteRegistry(clock=clock, wall_ms=wall_ms)
        self._browsers: dict[str, _Browser] = {}
        self._seats = Seats(MAX_BROWSERS, settings.listen.browsers_per_client)
        self._proxies = frozenset(settings.listen.trusted_proxies)
        self._connections = ConnectionLimit(affordable_connections(), clock=clock)
        self._files = page_files()
        self._ice = tuple(
            each.configured(at=f"/ice/{index}") for index, each in enumerate(settings.ice)
        )
        self._tokens = ViewTokens(
            settings.viewing, issuer=settings.client_id, proxies=self._proxies
        )
        self._enrolment = (
            None
            if settings.enrolment is None
            else EnrolmentServer(settings.enrolment, clock=clock, proxies=self._proxies)
        )
        self._documents = (
            None
            if settings.documents is None or self._enrolment is None
            else Documents(
                settings.documents,
                self._enrolment.registry.engine,
                publish=lambda message: self._client.publish(message),
                clock=clock,
                wall_ms=wall_ms,
            )
        )
        self._broker = BrokerView(up=False, since_ms=wall_ms())
        self._refused = RateLimitedLog("console", "browser_refused", clock=clock)
        self._stuck = RateLimitedLog("console", "browser_stuck", clock=clock)
        self._exhausted = RateLimitedLog("console", "descriptors_exhausted", clock=clock)
        self._failed = RateLimitedLog("console", "message_failed", clock=clock)
        self._rejected = RateLimitedLog("console", "message_rejected", clock=clock)
        self._misrouted = RateLimitedLog("console", "message_misrouted", clock=clock)
        self._excess = RateLimitedLog("console", "messages_over_limit", clock=clock)
        self._report_limits = SiteLimits(REPORTS_PER_MIN, REPORTS, clock=clock)
        self._signal_limits = SiteLimits(SIGNALS_PER_MIN, SIGNALS, clock=clock)
        self._joins = RateLimiter(JOINS_PER_MIN, JOINS, clock=clock)
        self._epoch, self._number = wall_ms(), 0
        self._client = MqttClient(
            settings.broker,
            client_id=client_id_of(settings.client_id, settings.broker.tls),
            subscriptions=CENTRE_SUBSCRIPTIONS,
            on_message=self.deliver,
            greet=self._greet,
            clock=clock,
        )

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until cancelled; *ready* is called with the page's URL once browsers can connect.

        Browsers are disconnected first, so that the byes of their sessions reach the gateways.

        Raises:
            ExceptionGroup: Of ConfigRejected: it cannot be listened at an address.
        """
        runner = web.AppRunner(
            self._app(),
            access_log=None,
            shutdown_timeout=2.0,
            keepalive_timeout=self._request_s,
            lingering_time=2.0,
        )
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)
        async with asyncio.TaskGroup() as group:
            children = [
                group.create_task(self._run_client(), name="mqtt"),
                group.create_task(self._sweep_stale(), name="sweep"),
                group.create_task(self._renew_ice(), name="ice"),
            ]
            if self._enrolment is not None:
                children += [
                    group.create_task(self._enrolment.renew_own(), name="certificate"),
                    group.create_task(self._enrolment.watch_revoked(), name="revoked"),
                ]
            if self._documents is not None:
                receiving = self._documents.receiver.run()
                children.append(group.create_task(receiving, name="documents"))
            try:
                await runner.setup()
                listener = await self._listen(runner)
                try:
                    async with self._enrolling(group) as self.enrolment_url:
                        ready(self._url)
                        await asyncio.Event().wait()
                finally:
                    await close_server(listener)
            finally:
                await runner.cleanup()
                for child in children:
                    child.cancel()

    @asynccontextmanager
    async def _enrolling(self, group: asyncio.TaskGroup) -> AsyncIterator[str | None]:
        """Serve machines that enrol within, if they do here; gives the URL."""
        if self._enrolment is None:
            yield None
            return
        async with self._enrolment.listening(group) as url:
            yield url

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        server = runner.server
        assert server is not None
        listen = self._settings.listen
        with refused_address("/listen", listen.address, listen.port):
            listener = await asyncio.get_running_loop().create_server(
                lambda: self._connections.accept(server), listen.address, listen.port
            )
        self._url = _url(listener)
        return listener

    def status(self) -> str:
        """Return what ``systemctl status`` shows: where it listens, and what it has."""
        reached = [
            site for site in self._registry.site_keys() if self._registry.site_state(site) == "on"
        ]
        sites, online = len(self._registry.site_keys()), len(reached)
        browsers, up = len(self._browsers), self._broker.up
        enrolment = self.enrolment_url
        return (
            f"Trang {self._url}{f', đăng ký {enrolment}' if enrolment else ''}; "
            f"{'đã kết nối' if up else 'MẤT KẾT NỐI'} máy chủ MQTT; "
            f"{sites} điểm, {online} trực tuyến; {browsers} trình duyệt · "
            f"page {self._url}{f', enrolment {enrolment}' if enrolment else ''}; "
            f"broker {'connected' if up else 'NOT CONNECTED'}; "
            f"sites: {sites} known, {online} online; browsers: {browsers}"
        )

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what the event loop reports; it says each second that no descriptor is free."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            self._exhausted.count("no connection can be accepted")
        else:
            loop.default_exception_handler(context)

    def deliver(self, message: InboundMessage) -> None:
        """Handle a message from the broker."""
        topic = parse_topic(message.topic)
        if topic is None or self._took_document(topic, message):
            return
        if message.payload and self._is_revoked(topic):
            fault = Fault("", "revoked", "the site is shut out: camera-console centre revoke")
            self._publish_change(self._registry.reject(topic, fault))
            return
        try:
            limits = self._report_limits if topic.key is None else self._signal_limits
            if topic.spec in READ and not limits.try_acquire(_site_of(topic), message):
                self._refuse_excess(topic, message)
            elif topic.key is not None:
                self._route_signalling(topic, topic.key, message)
            else:
                self._publish_change(self._registry.apply_message(topic, message))
        except MessageRejected as error:
            self._rejected.count(f"{message.topic}: {error.detail}")
            self._publish_change(self._registry.reject(topic, error.faults[0]))
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # A bug of ours. It costs this message; its site says so, the console goes on.
            if not self._failed.total:
                log.exception("message_failed", topic=message.topic)
            self._failed.count(f"{message.topic}: {type(error).__name__}")
            fault = Fault("", type(error).__name__, "could not be applied")
            self._publish_change(self._registry.reject(topic, fault))

    def _took_document(self, topic: ParsedTopic, message: InboundMessage) -> bool:
        """Return whether *topic* is that of documents; whoever takes those has *message* then."""
        if topic.spec is not DOCUMENT:
            return False
        if self._documents is not None and not self._is_revoked(topic):
            self._documents.receiver.deliver(topic, message)
        return True

    def _is_revoked(self, topic: ParsedTopic) -> bool:
        """Return whether the site of *topic* is shut out; the broker may not know it yet."""
        return self._enrolment is not None and _site_of(topic) in self._enrolment.revoked

    def _refuse_excess(self, topic: ParsedTopic, message: InboundMessage) -> None:
        """Drop what exceeds a site's limit; its row says so."""
        self._excess.count(message.topic)
        fault = Fault("", "too_many", "more messages than are read of one site")
        self._publish_change(self._registry.reject(topic, fault))

    def on_failure(self, error: TransientError, again_in_s: float) -> None:
        """The link has broken (as a `SupervisorObserver`)."""
        del again_in_s
        log.info("broker_lost", reason=error.reason)
        self._set_broker(up=False)

    def _greet(self) -> tuple[OutboundMessage, ...]:
        self._set_broker(up=True)
        return ()

    def _set_broker(self, *, up: bool) -> None:
        if up == self._broker.up:
            return
        self._broker = BrokerView(up=up, since_ms=wall_ms())
        for browser in self._browsers.values():
            browser.queue.enqueue_broker(self._broker)

    def _route_signalling(
        self, topic: ParsedTopic, key: SessionKey, message: InboundMessage
    ) -> None:
        browser = self._browsers.get(key.viewer)
        if browser is not None:
            received = decode_gateway_message(key, message.payload, message.content_type)
            topics = Topics(topic.province, topic.gateway)
            if not browser.signalling.handle_gateway_message(topics, received):
                self._misrouted.count(message.topic)

    def _publish_change(self, change: Change | None) -> None:
        if change is None:
            return
        for browser in self._browsers.values():
            browser.queue.enqueue_change(change)

    def _stamp(self) -> Stamp:
        self._number += 1
        return Stamp(wall_ms(), self._epoch, self._number)

    async def _run_client(self) -> None:
        await supervise(
            self._client.run,
            name="broker",
            clock=self._clock,
            observer=self,
            delays=lambda: reconnect_delays(0.5, RETRY_CEILING_S),
        )

    def _ice_of(self, viewer: str) -> tuple[IceServer, ...]:
        """Return the ICE servers as *viewer* may use them, for an hour."""
        return tuple(each.usable_by(viewer, now_ms=wall_ms()) for each in self._ice)

    async def _renew_ice(self) -> None:
        """Give each browser new TURN credentials while its last are valid for a while yet."""
        while True:
            await self._clock.sleep(ICE_RENEWAL_S)
            for viewer, browser in self._browsers.items():
                browser.queue.enqueue_signal(messages.ice_message(self._ice_of(viewer)))

    async def _sweep_stale(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            for change in self._registry.sweep_stale():
                self._publish_change(change)

    def _app(self) -> web.Application:
        app = web.Application(
            middlewares=[
                self._connections.mark_busy,
                allow_hosts(self._settings.listen.allowed_hosts),
            ]
        )
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(self._close_browsers)
        app.router.add_get("/ws", self._handle_websocket)
        documents = answer_off if self._documents is None else self._documents.answer
        app.router.add_get(DOCUMENTS_PATH, documents)
        for path, file in self._files.items():
            app.router.add_get(path, _answer(file))
        return app

    async def _handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        if not is_same_origin(request):
            raise web.HTTPForbidden(text="Only this server's own page may connect.\n")
        client = client_of(request.remote or "", request.headers, self._proxies)
        refusal = self._seats.refusal(client)
        if refusal:
            self._refused.count(f"{client}: {refusal}")
            raise web.HTTPServiceUnavailable(text=f"{refusal}\n")
        if not self._joins.try_acquire(client):
            self._refused.count(f"{client}: comes too often")
            raise web.HTTPServiceUnavailable(text="Too many connections; wait a minute.\n")
        with self._seats.take(client):
            return await self._serve_browser(request, client)

    async def _serve_browser(self, request: web.Request, client: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            timeout=CLOSE_S, autoping=False, heartbeat=15.0, max_msg_size=messages.TEXT_BYTES
        )
        await socket.prepare(request)
        viewer = f"v-{secrets.token_hex(8)}"
        queue = SendQueue(self._registry)
        signalling = BrowserSignalling(
            viewer,
            bus=self._client,
            registry=self._registry,
            stamp=self._stamp,
            tokens=self._tokens.of(request, viewer),
            send=queue.enqueue_signal,
            clock=self._clock,
        )
        hello = messages.hello_message(
            viewer, self._ice_of(viewer), wall_ms(), documents=self._documents is not None
        )
        queue.enqueue_signal(hello)
        queue.enqueue_broker(self._broker)
        queue.enqueue_snapshot()
        self._browsers[viewer] = _Browser(socket, signalling, queue)
        log.info("browser_joined", viewer=viewer, client=client, browsers=len(self._browsers))
        try:
            await BrowserSession(
                socket,
                signalling,
                queue,
                clock=self._clock,
                tick=lambda: messages.tick_message(wall_ms()),
                stuck=self._stuck,
                abort=lambda: _abort(request),
                tick_s=self._tick_s,
            ).run()
        finally:
            del self._browsers[viewer]
        return socket

    async def _close_browsers(self, _app: web.Application) -> None:
        for browser in tuple(self._browsers.values()):
            await browser.socket.close(code=WSCloseCode.GOING_AWAY, message=b"stopping")


def wall_ms() -> int:
    """Return the wall clock in milliseconds since 1970."""
    return round(datetime.now(UTC).timestamp() * 1000)


def _site_of(topic: ParsedTopic) -> str:
    return site_key(topic.province, topic.gateway)


def _abort(request: web.Request) -> None:
    """End the connection of *request* at once."""
    if request.transport is not None:
        request.transport.abort()


def _url(listener: asyncio.Server) -> str:
    host, port = listener.sockets[0].getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _answer(file: StaticFile) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        headers = {"ETag": f'"{file.tag}"', "Cache-Control": "no-cache"}
        if file.tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers={**headers, "Content-Type": file.content_type})

    return answer
