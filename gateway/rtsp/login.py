"""Answers a 401, over RTSP and HTTP alike.

Once, and once more when only the nonce was stale; the limiter decides whether it may be answered at
all, so that no device is ever asked often enough to lock us out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.model.errors import SourceRefused
from gateway.model.reasons import Reason
from gateway.rtsp.auth import LOCKED_S, Credentials, Login, choose_challenge, parse_challenges
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.rtsp.messages import Response


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in where, and who counts the failures.

    Attributes:
        device: What locks callers out as one: a recorder, or a camera by itself.
        login: None: nobody; a camera that asks for one is refused.
        limiter: Counts failed logins; one for the whole program.
    """

    device: str
    login: Login | None
    limiter: LoginLimiter


async def log_in(
    account: Account,
    response: Response,
    ask_again: Callable[[Credentials], Awaitable[Response]],
    method: str,
) -> Response:
    """Return what the camera answers once it has accepted the login.

    Args:
        account: Who asks.
        response: The 401 to *method*.
        ask_again: Sends the request once more, with those credentials and with all later ones.
        method: For the error's text.

    Raises:
        SourceRefused: The login is refused or not to be tried (`AUTH_FAILED`), there is none
            (`LOGIN_MISSING`), it may not watch (`LOGIN_FORBIDDEN`), or it is asked for in a way
            that we do not know (`UNSUPPORTED_LOGIN`).
        SourceUnavailable: The camera has no session left.
    """
    login, limiter, device = account.login, account.limiter, account.device
    if login is None:
        raise SourceRefused(
            Reason.LOGIN_MISSING,
            "the camera asks for a user and password, and none is given",
            park_s=LOCKED_S,
        )
    async with limiter.attempt(device, login):
        basic = login.allow_basic and not limiter.has_used_digest(device, login)
        for _ in range(2):
            challenge = choose_challenge(parse_challenges(response), allow_basic=basic)
            basic = basic and challenge.scheme == "basic"  # Digest is not followed by it
            response = await ask_again(Credentials(login, challenge))
            if response.status not in (401, 403):
                limiter.record_success(device, login, digest=challenge.scheme == "digest")
                return response
            if not any(again.stale for again in parse_challenges(response)):
                break
        said = f"{method} answered {response.status}"
        raise limiter.record_failure(device, login, said, forbidden=response.status == 403)
