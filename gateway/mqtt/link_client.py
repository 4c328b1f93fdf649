"""paho's client as we want it: MQTT 5, our limits, on a socket that is already connected.

Of what is private to paho three things are used, all here: the method that makes a socket, the
class that speaks websocket over one, and the keep alive that a broker has changed.
"""

from __future__ import annotations

import asyncio
import struct

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.line import Line
from gateway.mqtt.link_words import properties_of
from gateway.mqtt.wire import PAYLOAD_BYTES
from gateway.ports import Publication

SESSION_EXPIRY_S = 3600
"""How long the broker keeps what is meant for us while we are away."""

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


class Client(paho.Client):
    """paho on a socket that is already there."""

    prepared: Line | paho._WebsocketWrapper

    def _create_socket(self) -> Line | paho._WebsocketWrapper:
        return self.prepared

    def ping_every(self, keepalive_s: float) -> None:
        """Ping after so much silence at the latest, even if the broker would wait for longer.

        It may ask for a longer keep alive than ours, or for none; a ping may be sent at any time
        (MQTT 5.0, section 3.1.2.10), and without its answer a dead line is not noticed.
        """
        ours_s = max(1, round(keepalive_s))
        self._keepalive = min(self.keepalive or ours_s, ours_s)


def made(
    address: BrokerAddress,
    *,
    client_id: str,
    will: Publication | None,
    will_delay_s: int,
    keepalive_s: float,
) -> Client:
    """Return a client that has everything but its `prepared` socket."""
    client = Client(
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
        properties = properties_of(will, PacketTypes.WILLMESSAGE)
        properties.WillDelayInterval = will_delay_s
        client.will_set(will.topic, will.payload, will.qos, will.retain, properties)
    asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    asked.SessionExpiryInterval = SESSION_EXPIRY_S
    asked.ReceiveMaximum = RECEIVE_MAXIMUM
    asked.MaximumPacketSize = PACKET_BYTES
    client.connect_async(
        address.host,
        address.port,
        keepalive=max(1, round(keepalive_s)),
        clean_start=False,
        properties=asked,
    )
    return client


async def prepared(line: Line, address: BrokerAddress) -> Line | paho._WebsocketWrapper:
    """Return *line*, or websocket over it if *address* says so.

    paho does the HTTP part blocking and byte by byte, so that runs on a thread.

    Raises:
        BrokerUnavailable: There is no websocket at the other end.
    """
    if address.transport == "tcp":
        return line
    line.setblocking(True)
    line.settimeout(UPGRADE_S)
    try:
        return await asyncio.to_thread(
            paho._WebsocketWrapper,
            socket=line,  # type: ignore[arg-type]  # uses recv, send, fileno, close only
            host=address.host,
            port=address.port,
            is_ssl=address.tls is not None,
            path=address.path,
            extra_headers=None,
        )
    except (OSError, *GARBAGE) as error:
        reason = Reason.TIMEOUT if isinstance(error, TimeoutError) else Reason.REFUSED
        raise BrokerUnavailable(reason, f"{address} does not speak websocket: {error}") from None
