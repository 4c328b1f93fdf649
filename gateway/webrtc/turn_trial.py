"""Tries a TURN server as a viewer's session would: an allocation, and it is given back."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from dataclasses import dataclass

from gateway.model.reasons import Reason
from gateway.model.signalling import IceServer, parse_ice_url
from gateway.webrtc.aiortc_compat import TurnRefused, allocate

TRIES_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class TurnTrial:
    """The outcome of one URL.

    Attributes:
        reason: OK; TURN_DOWN: no answer; NOT_AUTHORISED: it refuses; TLS_FAILED; DNS_FAILED.
        detail: What was seen, in English; holds no secret.
        took_ms: From the beginning to the relayed address, logins included.
    """

    reason: Reason
    detail: str
    took_ms: float


async def try_turn(server: IceServer, url: str, within_s: float = TRIES_WITHIN_S) -> TurnTrial:
    """Return what became of one allocation at *url*, one of *server*'s ``turn:`` or ``turns:``."""
    address = parse_ice_url(url)
    began_s = time.perf_counter()
    reason, detail = Reason.OK, ""
    try:
        async with asyncio.timeout(within_s):
            detail = await allocate(
                (address.host, address.port),
                username=server.username,
                password=None
                if server.credential is None
                else server.credential.get_secret_value(),
                transport=address.transport,
                tls=ssl.create_default_context() if address.tls else None,
            )
    except TimeoutError:
        reason, detail = Reason.TURN_DOWN, f"no answer within {within_s:g} s"
    except ssl.SSLError as error:
        reason, detail = Reason.TLS_FAILED, error.reason or "TLS failed"
    except TurnRefused as error:
        reason, detail = error.reason, str(error)
    except socket.gaierror:
        reason, detail = Reason.DNS_FAILED, f"{address.host} cannot be resolved"
    except OSError as error:
        reason, detail = Reason.TURN_DOWN, os.strerror(error.errno or 0)
    return TurnTrial(reason, detail, (time.perf_counter() - began_s) * 1000)
