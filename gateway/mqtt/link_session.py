"""One MQTT 5 connection: paho on a connected socket, driven by the event loop.

paho's callbacks only put down what they were told; `Link` acts on it in its own time, so that a
mistake in what it calls is not swallowed in here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from socket import socket

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.line import Line
from gateway.mqtt.link_client import GARBAGE, Client, prepared
from gateway.mqtt.link_words import ended, letter_of, lost, packet_bytes, properties_of, refused
from gateway.ports import Letter, Publication

LETTERS = 512
"""Letters kept until they are delivered; more are dropped, and counted."""


class Session:
    """One connection, from CONNECT to the end.

    Attributes:
        stirred: Set whenever `letters`, `settled` or `broken` has changed.
        letters: Come in and not yet delivered.
        settled: Packet numbers acknowledged, with the reason if refused.
        broken: Why the connection is over.
        receive_maximum: How many unacknowledged publications the broker takes.
        overflowed: Letters dropped because `letters` was full.
        hung_up: Whether the broker closed the connection without a word.
    """

    def __init__(self, address: BrokerAddress, client: Client, *, keepalive_s: float) -> None:
        self._address = address
        self._silence_s = keepalive_s * 1.5
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._watched: int | None = None
        self._packet_bytes = 268_435_455
        self._filters: Sequence[str] = ()
        self._accepted = asyncio.Event()
        self.stirred = asyncio.Event()
        self.letters: deque[Letter] = deque()
        self.settled: deque[tuple[int, str | None]] = deque()
        self.broken: BrokerUnavailable | None = None
        self.receive_maximum = 65_535
        self.overflowed = 0
        self.hung_up = False
        self._client = client
        self._told(client)

    async def open(self, connected: socket, filters: Sequence[str]) -> None:
        """Take over *connected*; return once the broker has accepted us and our *filters*.

        Raises:
            BrokerUnavailable: It has not.
        """
        line = self._line = Line(connected, self._loop.time)
        self._filters = filters
        self._client.prepared = await prepared(line, self._address)
        self._client.reconnect()
        while not self._accepted.is_set():
            await self.stirred.wait()
            self.stirred.clear()
            if self.broken is not None:
                raise self.broken
        self.stirred.set()  # letters may have come along

    def publish(self, publication: Publication) -> int:
        """Send *publication*; return the packet number by which it will be settled."""
        return self._client.publish(
            publication.topic,
            publication.payload,
            qos=publication.qos,
            retain=publication.retain,
            properties=properties_of(publication, PacketTypes.PUBLISH),
        ).mid

    def fits(self, publication: Publication) -> bool:
        """Whether the broker takes a packet of this size; one too large would end the session."""
        return packet_bytes(publication) <= self._packet_bytes

    def check(self) -> None:
        """Look whether the connection still lives.

        Raises:
            BrokerUnavailable: It does not.
        """
        if self.broken is None and self._line is not None:
            self._client.loop_misc()
            if self._loop.time() - self._line.heard_s > self._silence_s:
                detail = f"nothing from {self._address} for {self._silence_s:.0f} s"
                self.broken = BrokerUnavailable(Reason.STALLED, detail)
        if self.broken is not None:
            raise self.broken

    async def leave(self, farewell: Publication | None) -> None:
        """Publish *farewell*, wait for its acknowledgement, and disconnect.

        Raises:
            BrokerUnavailable: The connection broke before.
        """
        if farewell is not None:
            number = self.publish(farewell)
            while all(number != settled for settled, _ in self.settled):
                self.check()
                await self.stirred.wait()
                self.stirred.clear()
                self.letters.clear()  # or the acknowledgement is not read behind them
        self._client.disconnect()
        while self.broken is None:
            await self.stirred.wait()
            self.stirred.clear()

    def close(self) -> None:
        """Let go of the socket, whatever state it is in."""
        self._unwatch()
        line, self._line = self._line, None
        if line is not None:
            line.close()
        client = self._client  # its destructor closes once more, and must not tell us
        client.on_socket_close = client.on_socket_unregister_write = client.on_disconnect = None

    def _told(self, client: Client) -> None:
        """Have *client* tell us what happens."""
        client.on_socket_open = self._socket_open
        client.on_socket_close = self._unwatch
        client.on_socket_register_write = self._register_write
        client.on_socket_unregister_write = self._unregister_write
        client.on_connect = self._connack
        client.on_subscribe = self._suback
        client.on_publish = self._puback
        client.on_message = self._message
        client.on_disconnect = self._disconnected

    def _break(self, error: BrokerUnavailable) -> None:
        """Note why the connection is over; the first reason counts."""
        if self.broken is None:
            self.broken = error
        self.stirred.set()

    def _readable(self) -> None:
        line = self._line
        if line is None or self.broken is not None:
            return
        line.turn()
        try:
            while not line.dry and self._client.socket() is not None and self._has_room():
                self._client.loop_read()
        except GARBAGE as error:
            self._break(BrokerUnavailable(Reason.CORRUPT, f"not MQTT 5: {type(error).__name__}"))
            self._unwatch()
        if line.pending():
            self._loop.call_soon(self._readable)

    def _has_room(self) -> bool:
        """Whether more may be read; else TCP holds the broker back until letters are delivered.

        Before we are accepted nobody delivers, and what we wait for may stand behind letters.
        """
        return len(self.letters) < LETTERS // 2 or not self._accepted.is_set()

    def _unwatch(self, *_: object) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched = None

    def _socket_open(self, _client: paho.Client, _: object, sock: paho.SocketLike) -> None:
        self._watched = sock.fileno()
        self._loop.add_reader(self._watched, self._readable)

    def _register_write(self, *_: object) -> None:
        if self._watched is not None:
            self._loop.add_writer(self._watched, self._client.loop_write)

    def _unregister_write(self, *_: object) -> None:
        if self._watched is not None:
            self._loop.remove_writer(self._watched)

    def _connack(
        self,
        client: paho.Client,
        _: object,
        _flags: paho.ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._break(refused(code))
            return
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        self._packet_bytes = getattr(properties, "MaximumPacketSize", self._packet_bytes)
        if self._filters:
            client.subscribe([(each, SubscribeOptions(qos=1)) for each in self._filters])
        else:
            self._accepted.set()
            self.stirred.set()

    def _suback(
        self, _client: paho.Client, _: object, _mid: int, codes: list[ReasonCode], *_rest: object
    ) -> None:
        for code in codes:
            if code.is_failure:
                self._break(refused(code))
                return
        self._accepted.set()
        self.stirred.set()

    def _puback(
        self, _client: paho.Client, _: object, mid: int, code: ReasonCode, *_rest: object
    ) -> None:
        self.settled.append((mid, str(code) if code.is_failure else None))
        self.stirred.set()

    def _message(self, _client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        if len(self.letters) < LETTERS:
            self.letters.append(letter_of(message))
        else:
            self.overflowed += 1
        self.stirred.set()

    def _disconnected(
        self,
        _client: paho.Client,
        _: object,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        *_rest: object,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._break(ended(code))
            return
        broken = None if self._line is None else self._line.error
        error = lost(str(self._address), broken, code)
        self.hung_up = broken is None and error.reason is Reason.UPLINK_DOWN
        self._break(error)
