"""Calls from parts to others that are built after them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from gateway.model.signalling import Bye, SessionStats
from gateway.ports import InboundMessage, OutboundMessage


def _not_connected(*_: object) -> NoReturn:
    raise AssertionError("called before the composition root has connected the parts")


@dataclass(slots=True)
class Callbacks:
    """Empty while the parts are built; `gateway.app.compose` sets all before any part runs.

    Attributes:
        on_message: Routes each message that the broker delivers.
        will: Makes the will, before each connection.
        greet: Makes what is published first on each connection.
        farewell: Makes what is published before we disconnect.
        check_broker: Tries new certificate files beside the connection in use.
        tell_viewer: Tells a viewer that its session has ended, or how it fares.
        centre_online: Whether the centre listens.
    """

    on_message: Callable[[InboundMessage], None] = _not_connected
    will: Callable[[], OutboundMessage] = _not_connected
    greet: Callable[[], Iterable[OutboundMessage]] = _not_connected
    farewell: Callable[[], OutboundMessage] = _not_connected
    check_broker: Callable[[], Awaitable[None]] = _not_connected
    tell_viewer: Callable[[Bye | SessionStats], None] = _not_connected
    centre_online: Callable[[], bool] = _not_connected
