"""Asks an ONVIF device for a keyframe: `SetSynchronizationPoint` of its media service.

Own envelopes, since six operations are needed and the clients there are load forty megabytes. What
a device answers is bounded in size (`gateway.sources.http_client`) and depth, and may hold neither
DTD nor entities. Addresses that it names are not followed: of an XAddr only the path is taken.

References: ONVIF Core (GetSystemDateAndTime, GetServices, GetCapabilities), Media and Media2
(GetProfiles, GetStreamUri, SetSynchronizationPoint); OASIS Web Services Security UsernameToken
Profile 1.1; SOAP 1.2.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from urllib.parse import SplitResult, parse_qsl, urlsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from gateway.model.errors import SourceRefused, SourceUnavailable
from gateway.model.media import ClockReading
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.auth import LOCKED_S, Login
from gateway.rtsp.budget import abusive
from gateway.rtsp.login import Account
from gateway.rtsp.messages import Response
from gateway.runtime.clock import now_ms
from gateway.runtime.plain_text import printable
from gateway.sources.bounded_xml import HostileXml, parse_xml
from gateway.sources.http_client import HttpClient

DEVICE_PATH = "/onvif/device_service"
"""Of every device (ONVIF Core, "device service address")."""

DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"

MOST_PROFILES = 64
MOST_SERVICES = 64
REFUSED_PARK_S = 300.0

LEAST_YEAR, MOST_YEAR = 1970, 2199
"""Of a device's clock; what shows another year is none."""

_DATE_TIME = (
    *("Date/{*}Year", "Date/{*}Month", "Date/{*}Day"),
    *("Time/{*}Hour", "Time/{*}Minute", "Time/{*}Second"),
)
STREAM_SETUP = (
    f'<StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast</Stream>'
    f'<Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
)


@dataclass(frozen=True, slots=True)
class MediaProfile:
    """Where a device is asked for a keyframe of one stream.

    Attributes:
        namespace: `MEDIA` or `MEDIA2`.
        path: Of that service.
        token: Of the profile.
    """

    namespace: str
    path: str
    token: str


def username_token(login: Login, nonce: bytes, created: datetime) -> str:
    """Return the SOAP header that proves *login*: SHA-1 of nonce, time and password."""
    at = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    password = login.password.get_secret_value()
    digest = hashlib.sha1(nonce + at.encode() + password.encode()).digest()
    profile = f"{_OASIS}username-token-profile-1.0#PasswordDigest"
    encoding = f"{_OASIS}soap-message-security-1.0#Base64Binary"
    return (
        f'<s:Header><Security s:mustUnderstand="1" xmlns="{_OASIS}wssecurity-secext-1.0.xsd">'
        f"<UsernameToken><Username>{escape(login.username)}</Username>"
        f'<Password Type="{profile}">{base64.b64encode(digest).decode()}</Password>'
        f'<Nonce EncodingType="{encoding}">{base64.b64encode(nonce).decode()}</Nonce>'
        f'<Created xmlns="{_OASIS}wssecurity-utility-1.0.xsd">{at}</Created>'
        "</UsernameToken></Security></s:Header>"
    )


class OnvifDevice:
    """A device, asked over *client*.

    Args:
        client: Connected to it.
        account: Who asks.
        path: Of the device service.
        clock: Monotonic.

    Attributes:
        clock_reading: What its clock showed (GetSystemDateAndTime); None: it was not asked.
    """

    def __init__(self, client: HttpClient, account: Account, path: str, clock: Clock) -> None:
        self._client = client
        self._account = account
        self._path = path or DEVICE_PATH
        self._clock = clock
        self._ahead: timedelta | None = None  # by how much its clock is ahead of ours
        self.clock_reading: ClockReading | None = None

    async def find_profile(self, url: str) -> MediaProfile:
        """Return the profile whose stream is at *url*.

        Raises:
            SourceRefused: There is none, or it will not tell.
            GatewayError: As `HttpClient.send`.
        """
        namespace, path = await self.media_service()
        answer = await self.call(path, namespace, "GetProfiles")
        tokens = [each.get("token", "") for each in answer.iterfind(".//{*}Profiles")]
        setup = STREAM_SETUP if namespace == MEDIA else "<Protocol>RTSP</Protocol>"
        for token in tokens[:MOST_PROFILES]:
            named = f"{setup}<ProfileToken>{escape(token)}</ProfileToken>"
            said = await self.call(path, namespace, "GetStreamUri", named)
            if is_same_stream(said.findtext(".//{*}Uri") or "", url):
                return MediaProfile(namespace, path, token)
        detail = f"none of its {len(tokens)} profiles has the stream's path; give keyframe_token"
        raise SourceRefused(Reason.NOT_FOUND, detail, park_s=LOCKED_S)

    async def profile(self, token: str) -> MediaProfile:
        """Return the profile called *token*, unseen. Raises as `find_profile`."""
        namespace, path = await self.media_service()
        return MediaProfile(namespace, path, token)

    async def set_synchronization_point(self, profile: MediaProfile) -> None:
        """Have the next picture of *profile* encoded as a keyframe. Raises as `find_profile`."""
        named = f"<ProfileToken>{escape(profile.token)}</ProfileToken>"
        await self.call(profile.path, profile.namespace, "SetSynchronizationPoint", named)

    async def media_service(self) -> tuple[str, str]:
        """Return namespace and path of the media service, of the first that has one.

        Raises:
            SourceRefused: It names none.
            GatewayError: As `call`.
        """
        found = await self.services()
        for namespace in (MEDIA, MEDIA2):
            if namespace in found:
                return namespace, found[namespace]
        raise no_media_service()

    async def services(self) -> dict[str, str]:
        """Return the paths of its services by namespace, of at most `MOST_SERVICES`.

        Devices before 2011 lack GetServices: of them it is the media service at most.

        Raises:
            GatewayError: As `call`.
        """
        inner = "<IncludeCapability>false</IncludeCapability>"
        try:
            answer = await self.call(self._path, DEVICE, "GetServices", inner)
        except SourceRefused as error:
            if error.reason is not Reason.REFUSED:
                raise
            category = "<Category>Media</Category>"
            answer = await self.call(self._path, DEVICE, "GetCapabilities", category)
            named = {MEDIA: answer.findtext(".//{*}Media/{*}XAddr") or ""}
        else:
            named = {
                each.findtext("{*}Namespace") or "": each.findtext("{*}XAddr") or ""
                for each in islice(answer.iterfind(".//{*}Service"), MOST_SERVICES)
            }
        paths = {namespace: _path_of(address) for namespace, address in named.items()}
        return {namespace: path for namespace, path in paths.items() if path}

    async def call(self, path: str, namespace: str, operation: str, inner: str = "") -> Element:
        """Return the body of the answer to *operation*; logs in when it is asked to.

        HTTP Digest is the client's. The other login, a token within the message, is tried where
        the device has not asked for the first.

        Raises:
            GatewayError: As `HttpClient.send` and `parse_answer`; the login is refused.
        """
        login, limiter, device = self._account.login, self._account.limiter, self._account.device
        if self._ahead is None:
            response = await self._send(path, namespace, operation, inner)
            if not _is_unauthorised(response):
                return parse_answer(operation, response)
            if login is None or self._client.challenged:
                said = "no login is configured" if login is None else "its user may not do that"
                detail = f"{operation} answered: not authorised; {said}"
                reason = Reason.LOGIN_MISSING if login is None else Reason.LOGIN_FORBIDDEN
                raise SourceRefused(reason, detail, park_s=LOCKED_S)
            self._ahead = await self._clock_ahead()
        assert login is not None
        async with limiter.attempt(device, login):
            created = datetime.fromtimestamp(now_ms() / 1000, UTC) + self._ahead
            header = username_token(login, secrets.token_bytes(16), created)
            response = await self._send(path, namespace, operation, inner, header)
            if _is_unauthorised(response):
                raise limiter.record_failure(device, login, f"{operation} answered not authorised")
            limiter.record_success(device, login)
        return parse_answer(operation, response)

    async def _clock_ahead(self) -> timedelta:
        """Return by how much the device's clock is ahead; none where it does not tell.

        Devices refuse tokens of another time, and many have lost theirs with their battery.
        """
        if self.clock_reading is None:
            await self.read_clock()
        told = self.clock_reading
        if told is None:
            return timedelta()
        shown_s = told.unix_s + (self._clock.now() - told.at_s)
        return timedelta(seconds=shown_s - now_ms() / 1000)

    async def read_clock(self) -> None:
        """Set `clock_reading`, unless it does not tell. Asked without a login, which all may.

        Raises:
            GatewayError: As `HttpClient.send` and `parse_answer`.
        """
        response = await self._send(self._path, DEVICE, "GetSystemDateAndTime", "")
        if _is_unauthorised(response):
            return
        told = parse_answer("GetSystemDateAndTime", response).find(".//{*}UTCDateTime")
        if told is None:
            return
        try:
            numbers = [int((told.findtext(f"{{*}}{name}") or "")[:4]) for name in _DATE_TIME]
            year, month, day, hour, minute, second = numbers
            if not LEAST_YEAR <= year <= MOST_YEAR:
                return
            theirs = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        except (ValueError, OverflowError):
            return
        self.clock_reading = ClockReading(theirs.timestamp(), self._clock.now())

    async def _send(
        self, path: str, namespace: str, operation: str, inner: str, header: str = ""
    ) -> Response:
        body = f'<{operation} xmlns="{namespace}">{inner}</{operation}>'
        envelope = f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{_SOAP}">{header}'
        envelope += f"<s:Body>{body}</s:Body></s:Envelope>"
        return await self._client.send(
            "POST",
            envelope.encode(),
            path=path,
            content_type=f'application/soap+xml; charset=utf-8; action="{namespace}/{operation}"',
        )


def is_same_stream(offered: str, url: str) -> bool:
    """Return whether the device calls *offered* what is configured as *url*.

    Host and port do not count, since devices behind a router name their own. What *offered* has
    beyond *url* in its query does not count either: ``unicast=true&proto=Onvif``.
    """
    try:
        theirs, ours = urlsplit(offered.strip()), urlsplit(url)
    except ValueError:
        return False
    if theirs.path.rstrip("/").lower() != ours.path.rstrip("/").lower():
        return False
    return set(_query(ours)) <= set(_query(theirs))


def _query(parts: SplitResult) -> list[tuple[str, str]]:
    try:
        return parse_qsl(parts.query.lower(), keep_blank_values=True, max_num_fields=32)
    except ValueError:
        return []


def no_media_service() -> SourceRefused:
    """Return the error of a device that names no media service."""
    return SourceRefused(Reason.NOT_FOUND, "it names no media service", park_s=LOCKED_S)


def _path_of(address: str) -> str:
    """Return the path of *address*; empty where it is none that may stand in a request."""
    try:
        path = urlsplit(address.strip()).path
    except ValueError:
        return ""
    fit = path.isascii() and path.isprintable() and " " not in path and len(path) <= 256
    return path if fit and path.startswith("/") else ""


def _parse(response: Response) -> Element | None:
    """Return the answer's XML; None if it is none.

    Raises:
        SourceUnavailable: It has what only an attacker sends (`ABUSIVE`).
    """
    try:
        return parse_xml(response.body)
    except HostileXml as error:
        raise abusive(str(error)) from None


def _is_unauthorised(response: Response) -> bool:
    if response.status == 401:
        return True
    root = _parse(response)
    fault = None if root is None else root.find(".//{*}Fault")
    if fault is None:
        return False
    codes = [(each.text or "").strip().rpartition(":")[2] for each in fault.iterfind(".//{*}Value")]
    return bool({"NotAuthorized", "FailedAuthentication"} & set(codes))


def parse_answer(operation: str, response: Response) -> Element:
    """Return the XML of the answer to *operation*.

    Raises:
        SourceRefused: It is a fault, or there is no such service.
        SourceUnavailable: It is no XML (`CORRUPT`), or has what only an attacker sends (`ABUSIVE`).
    """
    root = _parse(response)
    fault = None if root is None else root.find(".//{*}Fault")
    if fault is not None:
        said = fault.findtext(".//{*}Text") or fault.findtext(".//{*}faultstring") or "a fault"
        detail = f"{operation} answered: {printable(said.strip()[:120])}"
        raise SourceRefused(Reason.REFUSED, detail, park_s=REFUSED_PARK_S)
    if response.status == 404:
        detail = f"{operation} answered 404: no ONVIF service there"
        raise SourceRefused(Reason.NOT_FOUND, detail, park_s=REFUSED_PARK_S)
    if root is None or response.status != 200:
        detail = f"{operation} answered {response.status}, not in XML that can be read"
        raise SourceUnavailable(Reason.CORRUPT, detail)
    return root
