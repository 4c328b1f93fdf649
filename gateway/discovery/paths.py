"""Asks a device over RTSP for the paths of its maker's template: one DESCRIBE each, one login.

The last resort, where no interface tells: what answers is a stream, what does not is none. No path
is guessed beyond the template's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.discovery.found import FoundChannel, FoundStream
from gateway.discovery.templates import Template
from gateway.model.errors import CodecUnsupported, GatewayError
from gateway.model.names import Profile
from gateway.model.reasons import Reason
from gateway.model.url_login import PASSWORD
from gateway.ports import Clock
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.parameter_sets import ParameterSets
from gateway.rtsp.budget import CameraBudget
from gateway.rtsp.connection import RtspConnection, connect
from gateway.rtsp.login import Account
from gateway.rtsp.requests import RtspRequests
from gateway.rtsp.sdp import Description, parse_description
from gateway.runtime.url_policy import UrlPolicy
from gateway.sources.camera_access import with_login

MOST_TRIED = 64
"""Channels of a recorder whose number nobody tells."""

ANSWER_S = 5.0
_ABSENT = (Reason.NOT_FOUND, Reason.REFUSED)


async def try_templates(
    templates: Sequence[Template],
    address: str,
    port: int,
    account: Account,
    policy: UrlPolicy,
    clock: Clock,
) -> tuple[Template, tuple[FoundChannel, ...]] | None:
    """Return the first of *templates* that has a stream, and its channels; None: none has.

    Raises:
        GatewayError: The device cannot be reached, or the login is refused.
    """
    asker = _PathAsker(address, port, account, policy, clock)
    try:
        for template in templates:
            sends_password = PASSWORD in template.main
            if sends_password and (account.login is None or not account.login.allow_basic):
                continue
            if channels := await asker.channels(template):
                return template, channels
    finally:
        await asker.close()
    return None


class _PathAsker:
    """One connection for all paths; another where a device hangs up after each that it lacks."""

    def __init__(
        self, address: str, port: int, account: Account, policy: UrlPolicy, clock: Clock
    ) -> None:
        self._address, self._port, self._account = address, port, account
        self._policy, self._clock = policy, clock
        self._requests: RtspRequests | None = None
        self._connection: RtspConnection | None = None

    async def channels(self, template: Template) -> tuple[FoundChannel, ...]:
        """Return the channels of *template*: until the first that is not there."""
        found: list[FoundChannel] = []
        for number in range(1, (MOST_TRIED if template.channels else 1) + 1):
            urls = template.urls(self._address, number, self._port)
            main = await self._stream("main", urls["main"])
            if main is None:
                break
            streams = [main]
            if "sub" in urls:
                # of the first channel it is asked, of the others it is taken to be alike
                sub = await self._stream("sub", urls["sub"]) if number == 1 else None
                if number > 1 and len(found[0].streams) > 1:
                    sub = FoundStream("sub", urls["sub"])
                if sub is not None:
                    streams.append(sub)
            found.append(FoundChannel(number, streams=tuple(streams)))
        return tuple(found)

    async def _stream(self, profile: Profile, url: str) -> FoundStream | None:
        """Return the stream at *url*; None: there is none. Raises as `try_templates`."""
        target = with_login(await self._policy.resolve(url), self._account.login)
        if self._connection is not None and not self._connection.usable:
            await self.close()
            self._requests = None
        if self._requests is None:
            self._connection = await connect(target, None, CameraBudget(self._clock))
            self._requests = RtspRequests(self._connection, self._account, ANSWER_S)
        try:
            response = await self._requests.request_ok(
                "DESCRIBE", target.url, {"Accept": "application/sdp"}
            )
            description = parse_description(response.body, base=target.url, target=target)
        except CodecUnsupported:
            return FoundStream(profile, url)
        except GatewayError as error:
            if error.reason in _ABSENT:
                return None
            raise
        return _described(profile, url, description)

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.abort()


def _described(profile: Profile, url: str, description: Description) -> FoundStream:
    codec, size = description.video.codec, description.size
    if codec in CODEC_SYNTAX:
        sets = ParameterSets(CODEC_SYNTAX[codec], description.video.parameter_sets, limit=1_200)
        if sets.video_info is not None:
            size = sets.video_info.width, sets.video_info.height
    width, height = size or (None, None)
    return FoundStream(profile, url, codec=codec, width=width, height=height)
