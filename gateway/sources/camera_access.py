"""Where one stream of a camera is, and who logs in there: the same for every source type."""

from __future__ import annotations

from pydantic import SecretStr

from gateway.model.errors import SourceUnavailable
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig
from gateway.rtsp.auth import login_of
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import Target, UrlPolicy


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

        Raises:
            SourceRefused: The policy allows no such address.
            SourceUnavailable: The name cannot be resolved, and never could.
        """
        try:
            self._last_target = await self._policy.resolve(self._url)
        except SourceUnavailable as error:
            if self._last_target is None or error.reason is not Reason.DNS_FAILED:
                raise
        return self._last_target

    def account(self, target: Target) -> Account:
        """Return who logs in at *target*: at the camera's device, or at its host by itself."""
        return Account(self._device or target.host, self._login, self._login_limiter)
