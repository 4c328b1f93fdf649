"""The administrator's page: sites, codes, revocation; for one browser behind a one-time link.

The link's secret stands behind ``#``, so that it is in no log; the page exchanges it for a cookie
that scripts cannot read and that no other site's page sends along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from importlib import resources
from typing import Annotated, TypeVar

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import StringConstraints

from gateway.centre.enrolment.admin_access import SESSION_S, AdminAccess
from gateway.centre.enrolment.authority import Authority
from gateway.centre.enrolment.broker_files import reload_broker, write_broker_files
from gateway.centre.enrolment.registry import SiteRegistry, SiteView
from gateway.centre.enrolment.settings import EnrolmentSettings
from gateway.console.static_files import TYPES
from gateway.enrolment.messages import (
    MAX_REQUEST_BYTES,
    MessageError,
    SiteIdentity,
    parse_message,
)
from gateway.model.document import Document
from gateway.model.errors import ConfigRejected, TransientError
from gateway.model.names import GatewayId
from gateway.model.provinces import PROVINCES
from gateway.runtime.clock import now_ms
from gateway.web.http_security import LOOPBACK, host_name, is_same_origin
from gateway.web.request_body import read_body

PREFIX = "/admin/"
COOKIE = "__Secure-camera-gateway-admin"

log = structlog.get_logger(__name__)

T = TypeVar("T")


class LinkRequest(Document):
    """The secret of a link."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class SiteRequest(SiteIdentity):
    """A site that is to be made, or whose code is to be made anew."""

    again: bool = False


class RevokeRequest(Document):
    """A site that is to be shut out."""

    id: GatewayId


class AdminPage:
    """Serves the page below `PREFIX`.

    Args:
        settings: ``[enrolment]``.
        authority: That codes are for.
        registry: Of the sites.
        disk: Held by who works on the database.
        client_of: Returns by what the client of a request is known.
        admits: Returns whether a client may make one more request.
        request_s: So long a body may take.
    """

    def __init__(
        self,
        settings: EnrolmentSettings,
        authority: Authority,
        registry: SiteRegistry,
        *,
        disk: asyncio.Lock,
        client_of: Callable[[web.Request], str],
        admits: Callable[[str], bool],
        request_s: float,
    ) -> None:
        self._request_s = request_s
        self._settings = settings
        self._authority = authority
        self._registry = registry
        self._access = AdminAccess(registry.engine)
        self._disk = disk
        self._client_of = client_of
        self._admits = admits
        self._hosts = frozenset(each.lower() for each in settings.names) | LOOPBACK

    def add_routes(self, app: web.Application) -> None:
        """Add the page to *app*."""
        folder = resources.files("gateway.console").joinpath("static", "admin")
        for entry in folder.iterdir():
            name = "" if entry.name == "index.html" else entry.name
            suffix = entry.name[entry.name.rindex(".") :]
            app.router.add_get(PREFIX + name, _file(entry.read_bytes(), TYPES[suffix]))
        app.router.add_post(PREFIX + "api/session", self._checked(self._open, session=False))
        app.router.add_get(PREFIX + "api/sites", self._checked(self._sites))
        app.router.add_post(PREFIX + "api/sites", self._checked(self._add))
        app.router.add_post(PREFIX + "api/revoke", self._checked(self._revoke))

    def _checked(self, handler: Handler, *, session: bool = True) -> Handler:
        """Return *handler* behind the checks of host, origin, rate and session."""

        async def checked(request: web.Request) -> web.StreamResponse:
            if host_name(request.headers.get("Host", "")) not in self._hosts:
                raise web.HTTPMisdirectedRequest(text="This server does not have that name.\n")
            if request.method == "POST" and not is_same_origin(request):
                raise web.HTTPForbidden(text="Only this server's own page may do that.\n")
            if not session and not self._admits(self._client_of(request)):
                return _mistake(HTTPStatus.TOO_MANY_REQUESTS, *_TOO_OFTEN)
            return await _in_words(of_session if session else handler, request)

        async def of_session(request: web.Request) -> web.StreamResponse:
            token = request.cookies.get(COOKIE, "")
            if not await self._on_disk(lambda: self._access.is_open(token)):
                return _mistake(HTTPStatus.UNAUTHORIZED, *_NO_SESSION)
            return await handler(request)

        return checked

    async def _open(self, request: web.Request) -> web.Response:
        raw = await self._body(request)
        link = parse_message(raw, LinkRequest, max_bytes=MAX_REQUEST_BYTES)
        opened = await self._on_disk(lambda: self._access.open_session(link.token))
        if opened is None:
            log.warning("admin_link_refused", client=self._client_of(request))
            return _mistake(HTTPStatus.UNAUTHORIZED, *_NO_SESSION)
        log.info("admin_session_opened", client=self._client_of(request))
        response = web.json_response({})
        response.set_cookie(
            COOKIE,
            opened,
            max_age=SESSION_S,
            path=PREFIX,
            secure=True,
            httponly=True,
            samesite="Strict",
        )
        return response

    async def _sites(self, _request: web.Request) -> web.Response:
        sites = await self._on_disk(self._registry.sites)
        provinces = [{"code": code, "name": name} for code, name in PROVINCES.items()]
        tree = {"now_ms": now_ms(), "sites": list(map(_site, sites)), "provinces": provinces}
        return web.json_response(tree)

    async def _add(self, request: web.Request) -> web.Response:
        given = parse_message(await self._body(request), SiteRequest, max_bytes=MAX_REQUEST_BYTES)
        identity = SiteIdentity.model_validate(given.model_dump(exclude={"again"}))
        client = self._client_of(request)
        was_out = await self._on_disk(lambda: self._registry.is_revoked(identity))
        code, expires_ms = await self._on_disk(
            lambda: self._registry.add_site(
                identity, self._authority, client=client, again=given.again
            )
        )
        log.info("enrolment_code_made", site=identity.id, client=client)
        broker = await self._on_disk(self._tell_broker) if was_out else ""
        tree = {
            "code": str(code),
            "expires_ms": expires_ms,
            "url": self._settings.url,
            "broker": broker,
        }
        return web.json_response(tree)

    async def _revoke(self, request: web.Request) -> web.Response:
        given = parse_message(await self._body(request), RevokeRequest, max_bytes=MAX_REQUEST_BYTES)
        client = self._client_of(request)
        await self._on_disk(lambda: self._registry.revoke(given.id, client=client))
        log.warning("site_revoked", site=given.id, client=client)
        return web.json_response({"broker": await self._on_disk(self._tell_broker)})

    def _tell_broker(self) -> str:
        """Have the broker refuse just what is revoked; return why it could not; empty: it does."""
        try:
            write_broker_files(self._settings, self._registry, self._authority)
            reload_broker(self._settings)
        except (ConfigRejected, TransientError) as error:
            log.warning("broker_not_told", detail=str(error))
            return str(error)
        return "" if self._settings.reload else "systemctl reload mosquitto"

    async def _body(self, request: web.Request) -> bytes:
        return await read_body(request, self._request_s)

    async def _on_disk(self, act: Callable[[], T]) -> T:
        async with self._disk:
            return await asyncio.to_thread(act)


_NO_SESSION = (
    "Liên kết đã dùng hoặc hết hạn; lấy liên kết mới: camera-console centre admin-link",
    "The link is used or over; make another: camera-console centre admin-link",
)
_TOO_OFTEN = ("Thử quá nhiều lần, hãy chờ một phút", "Too many attempts; wait a minute")


async def _in_words(handler: Handler, request: web.Request) -> web.StreamResponse:
    """Return the answer of *handler*, or what keeps it from being done."""
    try:
        return await handler(request)
    except MessageError as error:
        return _mistake(HTTPStatus.BAD_REQUEST, "Yêu cầu không đọc được", str(error))
    except ConfigRejected as error:
        message = "; ".join(fault.message for fault in error.faults)
        return _mistake(HTTPStatus.CONFLICT, "Không làm được", message)
    except TransientError as error:
        vi = "Trung tâm chưa đọc hoặc ghi được dữ liệu"
        return _mistake(HTTPStatus.INSUFFICIENT_STORAGE, vi, str(error))


def _site(view: SiteView) -> dict[str, object]:
    return {
        **view.identity.model_dump(),
        "revoked_ms": view.revoked_ms,
        "code_state": view.code_state,
        "code_expires_ms": view.code_expires_ms,
        "certificate_ends_ms": view.certificate_ends_ms,
        "reused": view.reused,
    }


def _mistake(status: HTTPStatus, vi: str, en: str) -> web.Response:
    return web.json_response({"vi": vi, "en": en}, status=status)


def _file(body: bytes, content_type: str) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": content_type})

    return answer
