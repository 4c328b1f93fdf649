"""paho's client with our limits: MQTT 5, on a connected socket, driven by the event loop.

There is no thread and no polling. Of what is private to paho five things are used, all here: the
method that creates a socket, the one that reads from it, the class that speaks websocket over one,
the keep alive that a broker has changed, and when the last ping was sent.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.client.reason_codes import mqtt_properties
from gateway.mqtt.client.socket import BufferedSocket
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES
from gateway.ports import OutboundMessage


class SocketDriver:
    """Reads and writes for one paho client when its socket is ready.

    Attributes:
        socket: The connected socket; None: not yet, or no longer.
        stopped: Set when nothing is to be read any more.

    Args:
        client: Whose socket callbacks are taken over.
        loop: Of this thread.
        has_room: Whether more may be read now; else TCP holds the broker back.
        on_corrupt: Called when what is received is not MQTT 5.
    """

    def __init__(
        self,
        client: PahoClient,
        loop: asyncio.AbstractEventLoop,
        *,
        has_room: Callable[[], bool],
        on_corrupt: Callable[[BrokerUnavailable], None],
    ) -> None:
        self._client = client
        self._loop = loop
        self._has_room = has_room
        self._on_corrupt = on_corrupt
        self._watched: int | None = None
        self.socket: BufferedSocket | None = None
        self.stopped = False
        client.on_socket_open = self._opened
        client.on_socket_close = self._unwatch
        client.on_socket_register_write = self._register_write
        client.on_socket_unregister_write = self._unregister_write

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        self._unwatch()
        sock, self.socket = self.socket, None
        if sock is not None:
            sock.close()
        client = self._client  # its destructor closes once more, and must not tell us
        client.on_socket_close = client.on_socket_unregister_write = client.on_disconnect = None

    def _readable(self) -> None:
        sock = self.socket
        if sock is None or self.stopped:
            return
        sock.start_turn()
        try:
            while not sock.drained and self._client.socket() is not None and self._has_room():
                self._client.loop_read()
        except GARBAGE as error:
            self._on_corrupt(
                BrokerUnavailable(Reason.CORRUPT, f"not MQTT 5: {type(error).__name__}")
            )
            self._unwatch()
        if sock.pending():
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


SESSION_EXPIRY_S = 3600
"""How long the broker keeps our session and its messages while we are not connected."""

RECEIVE_MAXIMUM = 20
PACKET_BYTES = PAYLOAD_BYTES + 2048
"""The largest packet we let the broker send: a payload, a topic and some properties."""

UPGRADE_S = 5.0
"""How long a websocket's HTTP part may be silent."""

GARBAGE = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    struct.error,
    MQTTException,
)
"""What paho raises on packets that are not MQTT 5."""


class PacketTooLarge(MQTTException):
    """The broker sends a packet larger than we have told it to."""


class PahoClient(paho.Client):
    """paho on a socket that is already there."""

    prepared_socket: BufferedSocket | paho._WebsocketWrapper

    def _create_socket(self) -> BufferedSocket | paho._WebsocketWrapper:
        return self.prepared_socket

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read up to *bufsize* bytes: what is left of a packet, all of it the first time.

        paho would gather a packet of 256 MB, whatever `PACKET_BYTES` has told the broker.

        Raises:
            PacketTooLarge: It is larger than that.
        """
        if bufsize > PACKET_BYTES:
            raise PacketTooLarge(bufsize)
        return super()._sock_recv(bufsize)

    def limit_keepalive(self, keepalive_s: float) -> None:
        """Ping after so much silence at the latest, even if the broker would wait for longer.

        It may ask for a longer keep alive than ours, or for none; a ping may be sent at any time
        (MQTT 5.0, section 3.1.2.10), and without its answer a dead line is not noticed.
        """
        ours_s = max(1, round(keepalive_s))
        self._keepalive = min(self.keepalive or ours_s, ours_s)

    def forgive_ping(self) -> None:
        """Wait for the answer to the newest ping from now on: we were late, and have not read."""
        if self._ping_t:
            self._ping_t = time.monotonic()


def create_client(
    address: BrokerAddress,
    *,
    client_id: str,
    will: OutboundMessage | None,
    will_delay_s: int,
    keepalive_s: float,
) -> PahoClient:
    """Return a client that needs only its `prepared_socket`."""
    client = PahoClient(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=paho.MQTTv5,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    if address.username is not None:
        password = address.password
        client.username_pw_set(
            address.username, None if password is None else password.get_secret_value()
        )
    if will is not None:
        properties = mqtt_properties(will, PacketTypes.WILLMESSAGE)
        properties.WillDelayInterval = will_delay_s
        client.will_set(will.topic, will.payload, will.qos, will.retain, properties)
    connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    connect.SessionExpiryInterval = SESSION_EXPIRY_S
    connect.ReceiveMaximum = RECEIVE_MAXIMUM
    connect.MaximumPacketSize = PACKET_BYTES
    client.connect_async(
        address.host,
        address.port,
        keepalive=max(1, round(keepalive_s)),
        clean_start=False,
        properties=connect,
    )
    return client


async def prepare_socket(
    sock: BufferedSocket, address: BrokerAddress
) -> BufferedSocket | paho._WebsocketWrapper:
    """Return *sock*, or a websocket over it if *address* says so.

    paho does the HTTP part blocking and byte by byte, so that runs on a thread.

    Raises:
        BrokerUnavailable: There is no websocket at the other end.
    """
    if address.transport == "tcp":
        return sock
    sock.setblocking(True)
    sock.settimeout(UPGRADE_S)
    try:
        return await asyncio.to_thread(
            paho._WebsocketWrapper,
            socket=sock,  # type: ignore[arg-type]  # uses recv, send, fileno, close only
            host=address.host,
            port=address.port,
            is_ssl=address.tls is not None,
            path=address.path,
            extra_headers=None,
        )
    except (OSError, *GARBAGE) as error:
        reason = Reason.TIMEOUT if isinstance(error, TimeoutError) else Reason.REFUSED
        raise BrokerUnavailable(reason, f"{address} does not speak websocket: {error}") from None
