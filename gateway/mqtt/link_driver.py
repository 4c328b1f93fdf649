"""Has the event loop read and write for paho: no thread, no polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import paho.mqtt.client as paho

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.line import Line
from gateway.mqtt.link_client import GARBAGE, Client


class Driver:
    """Drives one client on one line.

    Attributes:
        line: What paho takes for a socket; None: not yet, or no longer.
        stopped: Set when nothing is to be read any more.

    Args:
        client: Whose socket callbacks are taken over.
        loop: Of this thread.
        has_room: Whether more may be read now; else TCP holds the broker back.
        spoilt: Told when what comes in is not MQTT.
    """

    def __init__(
        self,
        client: Client,
        loop: asyncio.AbstractEventLoop,
        *,
        has_room: Callable[[], bool],
        spoilt: Callable[[BrokerUnavailable], None],
    ) -> None:
        self._client = client
        self._loop = loop
        self._has_room = has_room
        self._spoilt = spoilt
        self._watched: int | None = None
        self.line: Line | None = None
        self.stopped = False
        client.on_socket_open = self._opened
        client.on_socket_close = self._unwatch
        client.on_socket_register_write = self._register_write
        client.on_socket_unregister_write = self._unregister_write

    def close(self) -> None:
        """Let go of the socket, whatever state it is in."""
        self._unwatch()
        line, self.line = self.line, None
        if line is not None:
            line.close()
        client = self._client  # its destructor closes once more, and must not tell us
        client.on_socket_close = client.on_socket_unregister_write = client.on_disconnect = None

    def _readable(self) -> None:
        line = self.line
        if line is None or self.stopped:
            return
        line.turn()
        try:
            while not line.dry and self._client.socket() is not None and self._has_room():
                self._client.loop_read()
        except GARBAGE as error:
            self._spoilt(BrokerUnavailable(Reason.CORRUPT, f"not MQTT 5: {type(error).__name__}"))
            self._unwatch()
        if line.pending():
            self._loop.call_soon(self._readable)

    def _unwatch(self, *_: object) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched = None

    def _opened(self, _client: paho.Client, _: object, sock: paho.SocketLike) -> None:
        self._watched = sock.fileno()
        self._loop.add_reader(self._watched, self._readable)

    def _register_write(self, *_: object) -> None:
        if self._watched is not None:
            self._loop.add_writer(self._watched, self._client.loop_write)

    def _unregister_write(self, *_: object) -> None:
        if self._watched is not None:
            self._loop.remove_writer(self._watched)
