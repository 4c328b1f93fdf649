"""Asks one device: first who it is, without login; then by one means, with one login.

A refusal ends all logins to the device, and a login to which it does not answer counts as refused:
it may have been. Which means: its maker's own (ISAPI, CGI) where it shows
that it is of that maker, since those devices keep separate users for ONVIF; else ONVIF; else the
paths of the template. Nothing leads away from the address: redirects and other hosts are refused or
replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.discovery.causes import Cause, CauseCode
from gateway.discovery.dahua import DEVICE_TYPE, ask_dahua, is_device_type
from gateway.discovery.found import FoundDevice, Means
from gateway.discovery.isapi import DEVICE_INFO, ask_isapi
from gateway.discovery.limits import DiscoveryLimits
from gateway.discovery.makers import Registry, family_of, maker_of
from gateway.discovery.onvif import ask_onvif
from gateway.discovery.open_ports import HTTP_PORTS, HTTPS_PORTS, RTSP_PORTS, open_ports
from gateway.discovery.paths import try_templates
from gateway.discovery.refused_logins import MOST, MOST_WITH_CAMERAS, RefusedLogins
from gateway.discovery.templates import LAST_RESORT, authority_of, template_of
from gateway.discovery.told import NothingTold, Told, cause_of
from gateway.discovery.ws_discovery import Match
from gateway.model.errors import GatewayError
from gateway.model.reasons import LOGIN_REFUSED, Reason
from gateway.ports import Clock
from gateway.rtsp.auth import Login
from gateway.rtsp.client import RtspClient
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.bugs import report_bug
from gateway.runtime.clock import now_ms
from gateway.runtime.lateness import time_limit
from gateway.runtime.url_policy import UrlPolicy
from gateway.sources.http_client import HttpClient
from gateway.sources.onvif import DEVICE_PATH, OnvifDevice

BANNER_S = 3.0
_LOCKED = re.compile(rb"<lockStatus>\s*lock\s*<|locked", re.IGNORECASE)
_SILENT = (Reason.TIMEOUT, Reason.STALLED, Reason.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Asking:
    """What all inquiries of a discovery have in common.

    Attributes:
        policy: Which addresses and ports may be opened.
        limiter: Counts failed logins; that of the whole program.
        refused: Counts them by device, over restarts.
        with_cameras: Returns whether cameras are pulled from an address.
        ports: That are tried at each device.
        extra: Those of them that may speak RTSP or HTTP.
        limits: In time.
        registry: Of MAC prefixes.
        clock: Monotonic.
    """

    policy: UrlPolicy
    limiter: LoginLimiter
    refused: RefusedLogins
    with_cameras: Callable[[str], bool]
    ports: tuple[int, ...]
    extra: tuple[int, ...]
    limits: DiscoveryLimits
    registry: Registry
    clock: Clock


@dataclass(frozen=True, slots=True)
class Hint:
    """What is known of a device before it is asked.

    Attributes:
        ports: That are open; None: they were not tried.
        mac: Of the neighbours' table.
        match: Its answer to WS-Discovery.
    """

    ports: tuple[int, ...] | None = None
    mac: str | None = None
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a device shows without a login.

    Attributes:
        isapi: Whether something answers at ISAPI's path as ISAPI would.
        dahua: Likewise for Dahua's CGI.
        onvif: Whether it has an ONVIF device service.
    """

    isapi: bool = False
    dahua: bool = False
    onvif: bool = False


class Inquiry:
    """One device, asked once.

    Args:
        address: Inside the camera networks.
        login: Who asks; None: nobody.
        device: By which name failed logins are counted.
        hint: What is known of it.
        asking: See there.
    """

    def __init__(
        self, address: str, login: Login | None, device: str, hint: Hint, asking: Asking
    ) -> None:
        self._asking = asking
        self._hint = hint
        self._login = login
        self._account = Account(device, login, asking.limiter)
        self._anonymous = Account(device, None, asking.limiter)
        self._attempts_before = 0
        self._rtsp_port: int | None = None
        self._http: tuple[str, int] | None = None
        self._texts: list[str] = list(hint.match.scopes) if hint.match is not None else []
        self.found = FoundDevice(address, mac=hint.mac)

    async def run(self) -> FoundDevice:
        """Return what the device has told until it was done, its time was over, or it failed."""
        self._attempts_before = self._attempts()
        try:
            await self._contained()
        finally:
            if self._is_doubtful:
                self._asking.refused.record(self.found.address)
        return self.found

    async def _contained(self) -> None:
        try:
            async with time_limit(self._asking.limits.device_s):
                await self._ask()
        except TimeoutError:
            self._fail(Cause(CauseCode.SLOW, f"not done within {self._asking.limits.device_s:g} s"))
        except NothingTold as error:
            self._fail(error.cause)
        except GatewayError as error:
            self._fail(self._cause_of(error))
        except Exception as error:  # ends the questions to this device only
            report_bug("camera", error, self.found.address)
            self._fail(Cause(CauseCode.BROKEN, type(error).__name__))

    def _attempts(self) -> int:
        login, limiter = self._login, self._asking.limiter
        return 0 if login is None else limiter.attempts(self._account.device, login)

    @property
    def _is_doubtful(self) -> bool:
        """Whether the login was sent, and the device has not said that it is right."""
        login, limiter, device = self._login, self._asking.limiter, self._account.device
        sent = self._attempts() > self._attempts_before
        return sent and login is not None and not limiter.is_right(device, login)

    async def _ask(self) -> None:
        asking, address = self._asking, self.found.address
        ports = self._hint.ports
        if ports is None:
            ports = await open_ports(address, asking.ports, asking.limits.connect_s)
        self.found = replace(self.found, ports=ports)
        if not ports:
            raise NothingTold(Cause(CauseCode.UNREACHABLE, "no port is open"))
        organisation = await asking.registry.organisation(self.found.mac)
        if organisation is not None:
            self._texts.append(organisation)
        self._recognise()
        await self._find_rtsp(ports)
        identity = await self._identify(ports)
        self._recognise()
        self._check_login()
        told = await self._told_by_interface(identity)
        if told is None or not told.channels:
            await self._try_templates(identity)

    # who it is

    async def _find_rtsp(self, ports: Sequence[int]) -> None:
        """Set the RTSP port: the first that answers OPTIONS; its server tells its name."""
        for port in ports:
            if port in HTTP_PORTS or port in HTTPS_PORTS:
                continue
            if port not in RTSP_PORTS and port not in self._asking.extra:
                continue
            target = await self._asking.policy.resolve(self._rtsp_url("/", port))
            client = RtspClient(
                target, account=self._anonymous, clock=self._asking.clock, answer_s=BANNER_S
            )
            try:
                async with client:
                    await client.connect()
                    said = await client.options()
            except GatewayError as error:
                # port 554 is RTSP's, whoever is silent there; another port may be HTTP's
                if client.challenged or (port in RTSP_PORTS and self._rtsp_port is None):
                    self._rtsp_port = port
                if error.reason in LOGIN_REFUSED:
                    return
                continue
            self._rtsp_port = port
            self._texts.append(said.server)
            return

    async def _identify(self, ports: Sequence[int]) -> _Identity:
        """Return what the device shows without a login, at the first port that speaks HTTP."""
        for scheme, port in self._http_places(ports):
            self._http = scheme, port
            target = await self._asking.policy.resolve(self._http_url("/"))
            async with HttpClient(
                target, account=self._anonymous, clock=self._asking.clock
            ) as client:
                try:
                    identity = await self._identity(client)
                except GatewayError as error:
                    self._http = None
                    if error.reason in _SILENT or error.reason is Reason.REDIRECT_REFUSED:
                        raise
                    continue
                self._texts += [client.realm, client.server]
                return identity
        return _Identity()

    def _http_places(self, ports: Sequence[int]) -> list[tuple[str, int]]:
        match = self._hint.match
        others = [port for port in ports if port != self._rtsp_port and port not in RTSP_PORTS]
        if match is not None and match.port in others:
            others.sort(key=lambda port: port != match.port)
        return [("https" if port in HTTPS_PORTS else "http", port) for port in others]

    async def _identity(self, client: HttpClient) -> _Identity:
        onvif = OnvifDevice(client, self._anonymous, self._onvif_path, self._asking.clock)
        has_onvif = False
        try:
            await onvif.read_clock()
        except GatewayError as error:
            _raise_unless_absent(error)
        else:
            has_onvif = True
            self._note_clock(onvif)
        info = await self._shown(client, DEVICE_INFO)
        kind = await self._shown(client, DEVICE_TYPE)
        self._note_realm(client)
        return _Identity(
            isapi=info is None or b"DeviceInfo" in info[:1024],
            dahua=kind is None or is_device_type(kind),
            onvif=has_onvif,
        )

    async def _shown(self, client: HttpClient, path: str) -> bytes | None:
        """Return what is at *path* without a login; None: a login is asked for."""
        client.challenged = False
        try:
            response = await client.send("GET", path=path)
        except GatewayError as error:
            if client.challenged:
                return None
            _raise_unless_absent(error)
            return b""
        return response.body if response.status == 200 else b""

    def _note_realm(self, client: HttpClient) -> None:
        if client.realm:
            self._texts.insert(0, client.realm)

    def _note_clock(self, device: OnvifDevice) -> None:
        told = device.clock_reading
        if told is not None:
            offset_s = round(told.unix_s - now_ms() / 1000, 1)
            self.found = replace(self.found, clock_offset_s=offset_s, origin="onvif")

    @property
    def _onvif_path(self) -> str:
        match = self._hint.match
        return match.path if match is not None and match.path else DEVICE_PATH

    def _recognise(self) -> None:
        """Set family and maker by all that is known."""
        family = family_of(*self._texts)
        if family is not None:
            origin: Means = "banner" if self.found.origin == "address" else self.found.origin
            maker = maker_of(family, None)
            self.found = replace(self.found, family=family, maker=maker, origin=origin)

    # what it has

    def _check_login(self) -> None:
        """Raise NothingTold: the login was refused too often lately to be tried now."""
        login, asking, address = self._login, self._asking, self.found.address
        if login is None:
            return
        most = MOST_WITH_CAMERAS if asking.with_cameras(address) else MOST
        if not (
            asking.limiter.may_try(self._account.device, login)
            and asking.refused.may_try(address, most)
        ):
            raise NothingTold(Cause(CauseCode.NOT_TRIED, "refused too often lately"))

    async def _told_by_interface(self, identity: _Identity) -> Told | None:
        """Return what the best of the device's interfaces tells; None: it has none."""
        means = self._choose(identity)
        for name in means:
            try:
                told = await self._told_by(name)
            except GatewayError as error:
                absent = error.reason in (Reason.NOT_FOUND, Reason.REFUSED, Reason.CORRUPT)
                if self._is_doubtful or not absent:
                    raise
                if name == means[-1] and error.reason is Reason.CORRUPT:
                    raise
                continue
            self._keep(told, name)
            if told.channels:
                return told
        return None

    def _choose(self, identity: _Identity) -> tuple[Means, ...]:
        """Return which interfaces are asked, the best first; each after the one before has none."""
        family = self.found.family
        own: list[Means] = []
        if identity.isapi and (family == "hikvision" or not identity.dahua):
            own.append("isapi")
        if identity.dahua and (family == "dahua" or not identity.isapi):
            own.append("dahua")
        if identity.onvif:
            own.append("onvif")
        return tuple(own)

    async def _told_by(self, means: Means) -> Told:
        assert self._http is not None
        target = await self._asking.policy.resolve(self._http_url("/"))
        async with HttpClient(target, account=self._account, clock=self._asking.clock) as client:
            try:
                if means == "isapi":
                    return await ask_isapi(client, self._rtsp_url, self._http_url)
                if means == "dahua":
                    return await ask_dahua(client, self._rtsp_url, self._http_url)
                device = OnvifDevice(client, self._account, self._onvif_path, self._asking.clock)
                return await ask_onvif(device, self._onvif_path, self._rtsp_url, self._http_url)
            except GatewayError as error:
                refused = error.reason in LOGIN_REFUSED and self._login is not None
                if refused and _LOCKED.search(await client.read_refusal()):
                    raise NothingTold(Cause(CauseCode.LOCKED, error.detail)) from error
                raise

    def _keep(self, told: Told, means: Means) -> None:
        found = self.found
        family = family_of(told.maker, told.model) or found.family
        if means in ("isapi", "dahua") and family is None:
            family = {"isapi": "hikvision", "dahua": "dahua"}[means]
        self.found = replace(
            found,
            mac=found.mac or _mac(told.mac),
            maker=maker_of(None, told.maker) or maker_of(family, None),
            family=family,
            model=told.model or found.model,
            firmware=told.firmware or found.firmware,
            kind=told.kind,
            clock_offset_s=(
                found.clock_offset_s if told.clock_offset_s is None else told.clock_offset_s
            ),
            channels=told.channels,
            origin=means,
        )

    async def _try_templates(self, identity: _Identity) -> None:
        """Set the channels by the paths of the maker's template, or of the commonest makers."""
        if self._rtsp_port is None:
            code = CauseCode.NO_CHANNEL if any(self._choose(identity)) else CauseCode.NO_INTERFACE
            raise NothingTold(Cause(code, "nothing answers RTSP"))
        families = (self.found.family,) if self.found.family else LAST_RESORT
        templates = [each for name in families if (each := template_of(name)) is not None]
        hit = await try_templates(
            templates,
            self.found.address,
            self._rtsp_port,
            self._account,
            self._asking.policy,
            self._asking.clock,
        )
        if hit is None:
            raise NothingTold(Cause(CauseCode.NO_INTERFACE, "no path of a template answers"))
        template, channels = hit
        self.found = replace(
            self.found,
            family=template.family,
            maker=self.found.maker or template.maker,
            channels=channels,
            kind="recorder" if len(channels) > 1 else "camera",
            origin="template",
        )

    # helpers

    def _rtsp_url(self, path: str, port: int | None = None) -> str:
        authority = authority_of(self.found.address, port or self._rtsp_port or 554, 554)
        return f"rtsp://{authority}{path}"

    def _http_url(self, path: str) -> str:
        assert self._http is not None
        scheme, port = self._http
        default = 443 if scheme == "https" else 80
        return f"{scheme}://{authority_of(self.found.address, port, default)}{path}"

    def _cause_of(self, error: GatewayError) -> Cause:
        if error.reason in LOGIN_REFUSED and self._login is None:
            return Cause(CauseCode.NO_ACCOUNT, error.detail)
        return cause_of(error)

    def _fail(self, cause: Cause) -> None:
        self.found = replace(self.found, reason=cause)


def _raise_unless_absent(error: GatewayError) -> None:
    """Raise *error*, unless it only says that there is no such thing, or not without a login."""
    absent = LOGIN_REFUSED | {Reason.NOT_FOUND, Reason.REFUSED, Reason.UNSUPPORTED_LOGIN}
    if error.reason in absent or (error.reason is Reason.CORRUPT and "not in XML" in error.detail):
        return
    raise error


def _mac(text: str | None) -> str | None:
    plain = (text or "").strip().lower().replace("-", ":")
    return plain if re.fullmatch(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", plain) else None
