"""The set-up page's server: HTTPS on the local network, for one browser, for an hour.

Whoever cannot read the code on the terminal gets the page's own files and nothing else. Everything
is bounded before it is looked at: who, how large, how many, how long.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from importlib import resources
from typing import Literal

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.config.fault_wording import joined
from gateway.model.document import Document
from gateway.model.errors import ConfigRejected, GatewayError
from gateway.model.reasons import Wording
from gateway.model.wording import WORDING
from gateway.ports import Clock
from gateway.runtime.bugs import report_bug
from gateway.setup import messages
from gateway.setup.access import Access, Verdict
from gateway.setup.addresses import LOCAL, Network, is_within
from gateway.setup.certificate import PageTls
from gateway.setup.model import SetupMistake
from gateway.setup.service import SetupService
from gateway.web.connection_limit import REQUEST_S, ConnectionLimit
from gateway.web.http_security import add_headers, allow_hosts, is_same_origin
from gateway.web.request_body import read_body
from gateway.web.tls_listener import listening

PORT = 8443
MINUTES = 60
MOST_CONNECTIONS = 32
"""One browser opens seven; the others are strangers, and the oldest idle one goes first."""

LARGEST_BODY, LARGEST_CODE = 262_144, 256
"""512 named cameras; what the one request of a stranger may hold."""

HANDSHAKE_S = 10.0
COOKIE = "__Host-setup"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

Closed = Literal["done", "time", "shut"]

VERDICTS = {
    Verdict.WRONG: Wording("Mã không đúng", "The code is wrong"),
    Verdict.TAKEN: Wording(
        "Đã có một trình duyệt khác mở trang này",
        "Another browser has this page already",
        "Đóng trình duyệt đó, hoặc nhấn Enter ở màn hình lệnh để lấy mã mới.",
        "Close that one, or press Enter on the terminal for a new code.",
    ),
    Verdict.SHUT: Wording(
        "Đã nhập sai quá nhiều lần",
        "There were too many wrong codes",
        "Nhấn Enter ở màn hình lệnh để lấy mã mới.",
        "Press Enter on the terminal for a new code.",
    ),
}

log = structlog.get_logger(__name__)


class SetupServer:
    """Serves the page.

    Args:
        service: What the page drives.
        access: Who may come in.
        tls: Certificate and key.
        addresses: Where to listen; also the only names that the server answers to.
        port: 0: a free one.
        minutes: Until it closes by itself.
        clock: Monotonic.
        networks: From where browsers may come.
        request_s: See `REQUEST_S`; a body has so long as well.
    """

    def __init__(
        self,
        service: SetupService,
        access: Access,
        tls: PageTls,
        *,
        addresses: Iterable[str],
        port: int = PORT,
        minutes: float = MINUTES,
        clock: Clock,
        networks: Iterable[Network] = LOCAL,
        request_s: float = REQUEST_S,
    ) -> None:
        self._service = service
        self._request_s = request_s
        self._access = access
        self._tls = tls
        self._addresses = tuple(addresses)
        self._port = port
        self._clock = clock
        self._networks = tuple(networks)
        self._ends_s = clock.now() + minutes * 60
        self._closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self._connections = ConnectionLimit(MOST_CONNECTIONS, clock=clock)
        self._foreign = 0
        self._files = _page_files()

    async def run(self, ready: Callable[[tuple[str, ...]], None]) -> Closed:
        """Serve until the page is finished, time is up, or codes were guessed at; return which.

        *ready* is called with the URLs once browsers can connect.

        Raises:
            OSError: An address cannot be listened at.
        """
        runner = web.AppRunner(
            self._app(),
            access_log=None,
            shutdown_timeout=2.0,
            keepalive_timeout=self._request_s,
            lingering_time=2.0,
        )
        async with asyncio.TaskGroup() as group, AsyncExitStack() as listeners:
            children = [
                group.create_task(self._service.run(), name="setup"),
                group.create_task(self._end_in_time(), name="setup end"),
            ]
            try:
                await runner.setup()
                ready(await self._listen(runner, listeners, group))
                return await self._closed
            finally:
                await listeners.aclose()
                await runner.cleanup()
                for child in children:
                    child.cancel()

    async def _listen(
        self, runner: web.AppRunner, listeners: AsyncExitStack, group: asyncio.TaskGroup
    ) -> tuple[str, ...]:
        """Listen at each address until *listeners* is closed; return the URLs."""
        server = runner.server
        assert server is not None
        urls = []
        for address in self._addresses:
            port = await listeners.enter_async_context(
                listening(
                    address,
                    self._port,
                    lambda: self._connections.accept(server),
                    self._tls.context,
                    handshake_s=HANDSHAKE_S,
                    clock=self._clock,
                    group=group,
                )
            )
            urls.append(_url(address, port))
        return tuple(urls)

    async def _end_in_time(self) -> None:
        await self._clock.sleep(max(0.0, self._ends_s - self._clock.now()))
        self._end("time")

    def _end(self, why: Closed) -> None:
        if not self._closed.done():
            self._closed.set_result(why)

    def _app(self) -> web.Application:
        app = web.Application(
            client_max_size=LARGEST_BODY,
            middlewares=[
                self._connections.mark_busy,
                self._refuse_foreign,
                allow_hosts(frozenset(self._addresses)),
                self._contain,
            ],
        )
        app.on_response_prepare.append(add_headers)
        for path, (body, media_type, tag) in self._files.items():
            app.router.add_get(path, _answer(body, media_type, tag))
        app.router.add_post("/api/enter", self._enter)
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/picture/{key}", self._picture)
        for name, kind, act in self._requests():
            app.router.add_post(f"/api/{name}", self._handler(kind, act))
        return app

    def _requests(
        self,
    ) -> tuple[tuple[str, type[Document], Callable[..., Awaitable[None] | None]], ...]:
        service = self._service
        return (
            ("go", messages.Go, lambda it: service.setup.go(it.step)),
            ("enrol", messages.Enrol, lambda it: service.enrol(it.address, it.code)),
            ("find", messages.Nothing, lambda _: service.find()),
            ("device", messages.AddDevice, self._add_device),
            ("network", messages.AddNetwork, lambda asked: service.add_network(asked.network)),
            ("look", messages.Nothing, lambda _: service.look()),
            ("choose", messages.Choose, lambda it: service.choose(it.choices_made())),
            ("test", messages.Nothing, lambda _: service.test()),
            ("save", messages.Nothing, lambda _: service.save()),
            ("survey", messages.Declare, self._declare),
            ("restart", messages.Nothing, lambda _: service.restart_service()),
            ("finish", messages.Nothing, lambda _: self._end("done")),
        )

    def _add_device(self, asked: messages.AddDevice) -> None:
        self._service.add_device(
            asked.host,
            port=asked.port,
            maker=asked.maker,
            channels=asked.channels,
            username=asked.username,
            password=asked.password.get_secret_value(),
        )

    def _declare(self, asked: messages.Declare) -> None:
        survey = asked.declared(self._service.before)
        self._service.declare(survey, asked.contacts)

    def _handler(self, kind: type[Document], act: Callable[..., Awaitable[None] | None]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            self._require_session(request)
            asked = messages.read_request(kind, await _body(request, LARGEST_BODY, self._request_s))
            outcome = act(asked)
            if outcome is not None:
                await outcome
            return self._said()

        return handle

    async def _enter(self, request: web.Request) -> web.Response:
        _require_own_page(request)
        raw = await _body(request, LARGEST_CODE, self._request_s)
        asked = messages.read_request(messages.Enter, raw)
        client = request.remote or ""
        verdict, session = self._access.enter(asked.code, client)
        if verdict is not Verdict.WELCOME:
            log.warning("setup_refused", client=client, verdict=verdict.name)
            if self._access.is_shut:
                self._end("shut")
            return _mistake(VERDICTS[verdict], 403)
        log.info("setup_entered", client=client)
        answer = self._said()
        answer.set_cookie(COOKIE, session, secure=True, httponly=True, samesite="Strict", path="/")
        return answer

    async def _state(self, request: web.Request) -> web.Response:
        """Tell all, or whoever has not come in that a code is wanted, which is no error."""
        if not self._is_in(request):
            body = messages.encode({"entered": False})
            return web.Response(body=body, content_type="application/json")
        return self._said()

    def _is_in(self, request: web.Request) -> bool:
        return self._access.is_in(request.cookies.get(COOKIE, ""))

    async def _picture(self, request: web.Request) -> web.Response:
        self._require_session(request)
        channel = self._service.setup.channels.get(request.match_info["key"])
        if channel is None or not channel.picture:
            raise web.HTTPNotFound(text="No picture.\n")
        return web.Response(body=channel.picture, content_type="image/jpeg")

    def _require_session(self, request: web.Request) -> None:
        """Raise an answer unless *request* is of the page that came in, in its own browser."""
        if request.method == "POST":
            _require_own_page(request)
        if not self._is_in(request):
            raise web.HTTPUnauthorized(text="Enter the code of the terminal first.\n")

    def _said(self) -> web.Response:
        state = messages.state_of(self._service, self._ends_s - self._clock.now())
        return web.Response(body=messages.encode(state), content_type="application/json")

    @web.middleware
    async def _refuse_foreign(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer nobody from outside of the local networks, and close the connection."""
        client = request.remote or ""
        if not is_within(client, self._networks):
            self._foreign += 1
            if self._foreign == 1:
                log.warning("setup_foreign_client", client=client)
            refusal = web.Response(status=403, text="Only for the local network.\n")
            refusal.force_close()
            return refusal
        return await handler(request)

    @web.middleware
    async def _contain(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer with words what is a mistake; a bug ends this request only."""
        try:
            return await handler(request)
        except SetupMistake as error:
            return _mistake(error.wording, 409)
        except ConfigRejected as error:
            said = joined(error.faults)
            vi, en = f"Yêu cầu sai: {said.vi}", f"Wrong request: {said.en}"
            return _mistake(Wording(vi, en, said.vi_todo, said.en_todo), 400)
        except GatewayError as error:
            words = WORDING[error.reason]
            detail = Wording(
                f"{words.vi}: {error.detail}",
                f"{words.en}: {error.detail}",
                words.vi_todo,
                words.en_todo,
            )
            return _mistake(detail, 503)
        except web.HTTPException:
            raise
        except Exception as error:
            report_bug("session", error, request.path)
            return _mistake(Wording("Lỗi của chương trình", "A fault of this program"), 500)


def _require_own_page(request: web.Request) -> None:
    """Raise 403 unless another page cannot have sent *request*: its origin, and its type."""
    if not is_same_origin(request) or request.content_type != "application/json":
        raise web.HTTPForbidden(text="Only this server's own page may do that.\n")


async def _body(request: web.Request, most: int, within_s: float) -> bytes:
    """Return the body of *request*, whose length must be told and at most *most* bytes.

    It must come *within_s*: who is in work makes room for nobody.
    """
    length = request.content_length
    if length is None:
        raise web.HTTPLengthRequired(text="Say how long it is.\n")
    if length > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=length)
    return await read_body(request, within_s)


def _mistake(words: Wording, status: int) -> web.Response:
    body = messages.encode({"mistake": messages.wording(words)})
    return web.Response(body=body, status=status, content_type="application/json")


def _page_files() -> dict[str, tuple[bytes, str, str]]:
    """Return the page's files by URL path: bytes, type and ETag."""
    files = {}
    for entry in resources.files("gateway.setup").joinpath("static").iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if entry.is_file() and suffix in TYPES:
            body = entry.read_bytes()
            files[f"/{entry.name}"] = body, TYPES[suffix], hashlib.sha256(body).hexdigest()[:32]
    files["/"] = files["/index.html"]
    return files


def _answer(body: bytes, kind: str, tag: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers={**headers, "Content-Type": kind})

    return answer


def _url(host: str, port: int) -> str:
    return f"https://[{host}]:{port}/" if ":" in host else f"https://{host}:{port}/"
