"""One MQTT 5 connection: paho on a connected socket, driven by the event loop.

paho's callbacks only store what they are given and set `MqttConnection.wakeup`. `MqttClient` acts
on it outside of paho, which would swallow the exceptions of what it calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from socket import socket

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.paho_client import PahoClient, SocketDriver, prepare_socket
from gateway.mqtt.client.reason_codes import (
    broker_disconnected,
    connection_lost,
    connection_refused,
    inbound_message,
    mqtt_properties,
    packet_bytes,
)
from gateway.mqtt.client.socket import BufferedSocket
from gateway.mqtt.delivery import Refusal
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.lateness import Silence

MAX_MESSAGES = 512
"""Received messages that may wait for delivery; more are dropped and counted."""

LOOK_S = 1.0
"""`MqttConnection.check_alive` is called at least this often."""


class MqttConnection:
    """One connection, from CONNECT to the end.

    Args:
        address: Of the broker, for errors.
        client: Not connected yet.
        keepalive_s: A ping is sent after so long; silence ends the connection half as much later.
        now: Returns the monotonic clock; None: that of the event loop.

    Attributes:
        wakeup: Set whenever `messages`, `acknowledgements` or `failure` has changed.
        messages: Received and not yet delivered, each with its packet identifier; 0: it has none.
        acknowledgements: Packet identifiers that the broker has acknowledged or refused, each with
            the reason if refused.
        failure: Why the connection is over.
        receive_maximum: How many unacknowledged messages the broker accepts.
        session_present: Whether the broker has kept our session since the connection before.
        overflowed: Messages dropped because `messages` was full.
        closed_silently: Whether the broker closed the connection without DISCONNECT.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client: PahoClient,
        *,
        keepalive_s: float,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._address = address
        self._keepalive_s = keepalive_s
        self._silence_s = keepalive_s * 1.5
        self._loop = asyncio.get_running_loop()
        self._now = now or self._loop.time
        self._silence = Silence(self._now)
        self._packet_bytes = 268_435_455
        self._filters: Sequence[str] = ()
        self._accepted = asyncio.Event()
        self._unacknowledged = 0
        self.wakeup = asyncio.Event()
        self.messages: deque[tuple[int, InboundMessage]] = deque()
        self.acknowledgements: deque[tuple[int, Refusal | None]] = deque()
        self.failure: BrokerUnavailable | None = None
        self.receive_maximum = 65_535
        self.session_present = False
        self.overflowed = 0
        self.closed_silently = False
        self._client = client
        self._driver = SocketDriver(
            client, self._loop, has_room=self._has_room, on_corrupt=self._fail
        )
        client.on_connect = self._on_connack
        client.on_subscribe = self._on_suback
        client.on_publish = self._on_puback
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect

    async def open(self, connected: socket, filters: Sequence[str]) -> None:
        """Take over *connected*; return once the broker has accepted us and our *filters*.

        Raises:
            BrokerUnavailable: It has not.
        """
        sock = self._driver.socket = BufferedSocket(connected, self._now)
        self._filters = filters
        self._client.prepared_socket = await prepare_socket(sock, self._address)
        self._client.reconnect()
        while not self._accepted.is_set():
            await self.wakeup.wait()
            self.wakeup.clear()
            if self.failure is not None:
                raise self.failure
        self.wakeup.set()  # messages may have come along

    def publish(self, message: OutboundMessage) -> int:
        """Send *message*; return the packet identifier by which it will be acknowledged."""
        self._unacknowledged += 1
        return self._client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            properties=mqtt_properties(message, PacketTypes.PUBLISH),
        ).mid

    def acknowledge(self, number: int) -> None:
        """Acknowledge packet *number* to the broker."""
        if number and self.failure is None:
            self._client.ack(number, 1)

    def fits(self, message: OutboundMessage) -> bool:
        """Whether the broker accepts a packet of this size; it disconnects on a larger one."""
        return packet_bytes(message) <= self._packet_bytes

    @property
    def late_s(self) -> float:
        """By how much the newest `check_alive` was late: for so long nothing could be read."""
        return self._silence.late_s

    def check_alive(self) -> None:
        """Send a ping if one is due, and check that something was received lately.

        To be called each `LOOK_S`, or more often.

        Raises:
            BrokerUnavailable: The connection is over, or silent for too long.
        """
        sock = self._driver.socket
        if self.failure is None and sock is not None:
            silent_s = self._silence.look(sock.received_s, after_s=LOOK_S)
            if self.late_s:
                self._client.forgive_ping()  # its answer may be there, and unread
            self._client.loop_misc()
            if silent_s > self._silence_s:
                detail = f"nothing from {self._address} for {self._silence_s:.0f} s"
                self.failure = BrokerUnavailable(Reason.STALLED, detail)
        if self.failure is not None:
            raise self.failure

    async def disconnect(self, farewell: OutboundMessage | None) -> None:
        """Publish *farewell*, wait for its acknowledgement, and disconnect.

        Raises:
            BrokerUnavailable: The connection broke before.
        """
        if farewell is not None:
            while self._unacknowledged >= self.receive_maximum:
                await self._wait_for_wakeup()
            number = self.publish(farewell)
            while all(number != acknowledged for acknowledged, _ in self.acknowledgements):
                await self._wait_for_wakeup()
        self._client.disconnect()
        while self.failure is None:
            await self.wakeup.wait()
            self.wakeup.clear()

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        self._driver.close()

    async def _wait_for_wakeup(self) -> None:
        """Wait for whatever comes next while leaving. Raises BrokerUnavailable."""
        self.check_alive()
        await self.wakeup.wait()
        self.wakeup.clear()
        self.messages.clear()  # or acknowledgements are not read behind them

    def _fail(self, error: BrokerUnavailable) -> None:
        """Store why the connection is over; the first reason counts."""
        if self.failure is None:
            self.failure = error
        self._driver.stopped = True
        self.wakeup.set()

    def _has_room(self) -> bool:
        """Whether more may be read; else TCP holds the broker back until messages are delivered.

        Before we are accepted nobody delivers, and what we wait for may stand behind messages.
        """
        return len(self.messages) < MAX_MESSAGES // 2 or not self._accepted.is_set()

    def _on_connack(
        self,
        client: paho.Client,
        _: object,
        flags: paho.ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._fail(connection_refused(code))
            return
        self.session_present = flags.session_present
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        self._packet_bytes = getattr(properties, "MaximumPacketSize", self._packet_bytes)
        self._client.limit_keepalive(self._keepalive_s)
        if self._filters:
            client.subscribe([(each, SubscribeOptions(qos=1)) for each in self._filters])
        else:
            self._accepted.set()
            self.wakeup.set()

    def _on_suback(
        self, _client: paho.Client, _: object, _mid: int, codes: list[ReasonCode], *_rest: object
    ) -> None:
        for code in codes:
            if code.is_failure:
                self._fail(connection_refused(code))
                return
        self._accepted.set()
        self.wakeup.set()

    def _on_puback(
        self, _client: paho.Client, _: object, mid: int, code: ReasonCode, *_rest: object
    ) -> None:
        refusal = Refusal(code.value, str(code)) if code.is_failure else None
        self._unacknowledged -= 1
        self.acknowledgements.append((mid, refusal))
        self.wakeup.set()

    def _on_message(self, _client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        if len(self.messages) < MAX_MESSAGES:
            self.messages.append((message.mid if message.qos == 1 else 0, inbound_message(message)))
        else:  # not acknowledged, so that it comes again on the next connection
            self.overflowed += 1
        self.wakeup.set()

    def _on_disconnect(
        self,
        _client: paho.Client,
        _: object,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        *_rest: object,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._fail(broker_disconnected(code))
            return
        sock = self._driver.socket
        socket_error = None if sock is None else sock.error
        error = connection_lost(str(self._address), socket_error, code)
        self.closed_silently = socket_error is None and error.reason is Reason.UPLINK_DOWN
        self._fail(error)
