"""What one means has told of a device, and the errors by which it told nothing."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.discovery.causes import Cause, CauseCode
from gateway.discovery.found import DeviceKind, FoundChannel
from gateway.model.errors import GatewayError, SourceRefused, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.rtsp.budget import abusive
from gateway.rtsp.messages import Response
from gateway.sources.bounded_xml import HostileXml
from gateway.sources.http_client import HttpClient

MOST_BYTES = 4_194_304
"""Of one answer; a recorder's 64 channels are about 2 MB in Dahua's way."""

MOST_CHANNELS = 256

_CODES = {
    Reason.UNSUPPORTED_LOGIN: CauseCode.UNSUPPORTED_LOGIN,
    Reason.BUSY_SESSIONS: CauseCode.NO_SESSION,
    Reason.TIMEOUT: CauseCode.SLOW,
    Reason.STALLED: CauseCode.SLOW,
    Reason.UNREACHABLE: CauseCode.UNREACHABLE,
    Reason.REFUSED: CauseCode.UNREACHABLE,
    Reason.CORRUPT: CauseCode.BROKEN,
    Reason.ABUSIVE: CauseCode.HOSTILE,
    Reason.REDIRECT_REFUSED: CauseCode.REDIRECTS,
    Reason.POLICY_DENIED: CauseCode.OUTSIDE,
    Reason.NOT_FOUND: CauseCode.NO_INTERFACE,
    Reason.AUTH_FAILED: CauseCode.WRONG_LOGIN,
    Reason.LOGIN_MISSING: CauseCode.NO_ACCOUNT,
    Reason.LOGIN_FORBIDDEN: CauseCode.NO_RIGHTS,
}


@dataclass(frozen=True, slots=True)
class Told:
    """What one means has told.

    Attributes:
        maker: None: nothing. So are the others.
        model: Of the device.
        firmware: Its version.
        mac: Of the interface that it names.
        kind: What it is.
        clock_offset_s: By how much its clock is ahead of ours.
        channels: By number.
    """

    maker: str | None = None
    model: str | None = None
    firmware: str | None = None
    mac: str | None = None
    kind: DeviceKind = "unknown"
    clock_offset_s: float | None = None
    channels: tuple[FoundChannel, ...] = ()


class NothingTold(Exception):
    """A device told nothing by one means, for a cause that no error of ours is about."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(f"{cause.code}: {cause.detail}")
        self.cause = cause


def cause_of(error: GatewayError) -> Cause:
    """Return the cause that *error* stands for."""
    return Cause(_CODES.get(error.reason, CauseCode.BROKEN), error.detail)


async def get(client: HttpClient, path: str, *, needed: bool = False) -> bytes | None:
    """Return what the device has at *path*; None: it has nothing there, or does not let us.

    Args:
        client: Connected to it; logs in when it is asked to.
        path: With query.
        needed: Whether nothing else is worth asking for without it.

    Raises:
        NothingTold: It is needed and may not be read.
        GatewayError: As `HttpClient.send`.
    """
    response = await client.send("GET", path=path, most_bytes=MOST_BYTES)
    if response.status == 200:
        return response.body
    if not needed:
        return None
    raise refusal_of(response, path)


def refusal_of(response: Response, path: str) -> NothingTold | GatewayError:
    """Return what the status of *response* to a request for *path* means."""
    detail = f"{path.partition('?')[0]} answered {response.status}"
    if response.status in (401, 403):
        code = CauseCode.NO_RIGHTS if response.status == 403 else CauseCode.UNSUPPORTED_LOGIN
        return NothingTold(Cause(code, detail))
    if response.status in (453, 503):
        return SourceUnavailable(Reason.BUSY_SESSIONS, detail)
    return SourceRefused(Reason.NOT_FOUND, detail)


def hostile(error: HostileXml) -> SourceUnavailable:
    """Return the error that ends the talk with whoever has sent that."""
    return abusive(str(error))
