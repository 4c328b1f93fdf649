"""Where one stream of a camera is, and who logs in there: the same for every source type."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from pydantic import SecretStr

from gateway.model.errors import SourceRefused, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig
from gateway.model.url_login import PASSWORD, USERNAME
from gateway.rtsp.auth import Login, login_of
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import Target, UrlPolicy


def with_login(target: Target, login: Login | None) -> Target:
    """Return *target* with *login* in its path where the URL has a place for it.

    Some cameras know no other way: ``rtsp://host/user={username}&password={password}&channel=1``.

    Raises:
        SourceRefused: It has a place for a login, and there is none that may be sent in clear.
    """
    if USERNAME not in target.path and PASSWORD not in target.path:
        return target
    if login is None:
        raise SourceRefused(Reason.LOGIN_MISSING, "the url has a place for a login; none is given")
    if PASSWORD in target.path and not login.allow_basic:
        raise SourceRefused(
            Reason.UNSUPPORTED_LOGIN, "the url carries the password in clear; allow_basic is off"
        )

    def filled(text: str) -> str:
        password = quote(login.password.get_secret_value(), safe="")
        return text.replace(USERNAME, quote(login.username, safe="")).replace(PASSWORD, password)

    return replace(target, path=filled(target.path), url=filled(target.url))


class CameraAccess:
    """How a stream is reached.

    Args:
        camera: Whose stream; its user, device and whether Basic is allowed.
        url: Of the stream.
        password: The secret behind `camera.password`; None: it has none.
        policy: Which addresses may be opened.
        login_limiter: Counts failed logins; one for all sources.
    """

    def __init__(
        self,
        camera: CameraConfig,
        url: str,
        *,
        password: SecretStr | None,
        policy: UrlPolicy,
        login_limiter: LoginLimiter,
    ) -> None:
        self._device = camera.device
        self._login = login_of(camera.username, password, allow_basic=camera.allow_basic)
        self._url = url
        self._policy = policy
        self._login_limiter = login_limiter
        self._last_target: Target | None = None

    async def resolve(self) -> Target:
        """Return where the camera is; where it was last, while its name cannot be resolved.

        The login stands in it where the URL has a place for it.

        Raises:
            SourceRefused: The policy allows no such address, or see `with_login`.
            SourceUnavailable: The name cannot be resolved, and never could.
        """
        try:
            self._last_target = await self._policy.resolve(self._url)
        except SourceUnavailable as error:
            if self._last_target is None or error.reason is not Reason.DNS_FAILED:
                raise
        return with_login(self._last_target, self._login)

    def account(self, target: Target) -> Account:
        """Return who logs in at *target*: at the camera's device, or at its host by itself."""
        return Account(self._device or target.host, self._login, self._login_limiter)
