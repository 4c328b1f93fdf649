"""From paho's messages, properties and reason codes to ours and back.

Also guesses why a broker has closed a connection where it gives no reason: a certificate out of its
dates, or a second machine with our identity. No I/O, but that our own certificate is read.

Source: MQTT 5.0, section 2.4 (reason codes).
"""

from __future__ import annotations

import random
import ssl

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.model.errors import BrokerUnavailable
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import Tls, own_certificate_fault
from gateway.mqtt.client.dialer import tls_fault
from gateway.ports import InboundMessage, OutboundMessage
from gateway.runtime.clock import now_ms

HEAD_BYTES = 64
"""Of a PUBLISH packet at most, without topic, texts of properties and payload."""

_NOT_AUTHORISED = {0x86, 0x87, 0x8A, 0x8C, 0x98}
_BUSY = {0x88, 0x89, 0x97, 0x9F}
_TAKEN_OVER, _SHUTTING_DOWN = 0x8E, 0x8B

_REFUSED_PAUSE_S, _BUSY_PAUSE_S = 60.0, 10.0
_TAKEOVER_PAUSE_S = (15.0, 25.0)
"""Two machines with one identity disconnect each other; at most this often."""

_RESTART_SPREAD_S = 5.0
"""The gateways of a broker that shuts down return at a random time within this."""


def mqtt_properties(message: OutboundMessage, packet_type: int) -> Properties:
    """Return the MQTT properties of *message*."""
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    properties.ContentType = message.content_type
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    if message.correlation_data is not None:
        properties.CorrelationData = message.correlation_data
    if message.response_topic is not None:
        properties.ResponseTopic = message.response_topic
    if message.properties:
        properties.UserProperty = list(message.properties.items())
    return properties


def packet_bytes(message: OutboundMessage) -> int:
    """Return how large the PUBLISH packet will be at most."""
    texts = [message.topic, message.content_type, message.response_topic or ""]
    texts += [key + value for key, value in message.properties.items()]
    echoed = message.correlation_data or b""
    words = sum(len(each.encode()) + 5 for each in texts)
    return HEAD_BYTES + words + len(echoed) + len(message.payload)


def inbound_message(message: paho.MQTTMessage) -> InboundMessage:
    """Return *message* as a `gateway.ports.InboundMessage`."""
    properties = message.properties
    return InboundMessage(
        topic=message.topic,
        payload=bytes(message.payload),
        retain=message.retain,
        response_topic=getattr(properties, "ResponseTopic", None),
        correlation_data=getattr(properties, "CorrelationData", None),
        content_type=getattr(properties, "ContentType", ""),
        expiry_s=getattr(properties, "MessageExpiryInterval", None),
    )


def connection_refused(code: ReasonCode) -> BrokerUnavailable:
    """Return the error for a CONNACK or SUBACK with a failure code."""
    if code.value in _NOT_AUTHORISED:
        return BrokerUnavailable(
            Reason.NOT_AUTHORISED, f"the broker says: {code}", pause_s=_REFUSED_PAUSE_S
        )
    pause_s = _BUSY_PAUSE_S if code.value in _BUSY else _REFUSED_PAUSE_S
    return BrokerUnavailable(Reason.REFUSED, f"the broker says: {code}", pause_s=pause_s)


def identity_taken_over(sign: str) -> BrokerUnavailable:
    """Return our error for another machine that has our identity; *sign* says how we know."""
    return BrokerUnavailable(
        Reason.DUPLICATE_IDENTITY,
        f"another machine uses our identity: {sign}",
        pause_s=random.uniform(*_TAKEOVER_PAUSE_S),
    )


def connection_lost(broker: str, error: OSError | None, code: ReasonCode) -> BrokerUnavailable:
    """Return our error for a connection that ended without DISCONNECT.

    Args:
        broker: Which.
        error: Of the socket; None: it was closed without one.
        code: What paho reports.
    """
    if isinstance(error, ssl.SSLError):
        return tls_fault(error)
    reasons = {"Protocol error": Reason.CORRUPT, "Keep alive timeout": Reason.STALLED}
    reason = reasons.get(str(code), Reason.UPLINK_DOWN)
    return BrokerUnavailable(reason, f"connection to {broker} lost: {error or code}")


def broker_disconnected(code: ReasonCode) -> BrokerUnavailable:
    """Return our error for a DISCONNECT from the broker."""
    if code.value == _TAKEN_OVER:
        return identity_taken_over("the broker says so")
    if code.value == _SHUTTING_DOWN:
        pause_s = random.uniform(0, _RESTART_SPREAD_S)
        return BrokerUnavailable(Reason.UPLINK_DOWN, "the broker shuts down", pause_s=pause_s)
    if code.value in _NOT_AUTHORISED or code.value in _BUSY:
        return connection_refused(code)
    return BrokerUnavailable(Reason.UPLINK_DOWN, f"the broker has hung up: {code}")


SOON_S, SUSPICIOUS_ENDS = 60.0, 3
"""So many connections in a row that are closed silently so soon are no accident."""

_UNEXPLAINED = {Reason.TLS_FAILED, Reason.TLS_EXPIRED, Reason.UPLINK_DOWN}
"""The reasons that a broker which rejects our certificate may show."""


def explain_by_certificate(error: BrokerUnavailable, tls: Tls | None) -> BrokerUnavailable:
    """Return the better explanation, if the dates of our own certificate are one."""
    if error.reason not in _UNEXPLAINED:
        return error
    return own_certificate_fault(tls, now_ms()) or error


class DuplicateIdDetector:
    """Detects that another machine uses our client id.

    Newer brokers say so in DISCONNECT; Mosquitto 2.0 closes the connection without it, again and
    again.
    """

    def __init__(self) -> None:
        self._times = 0

    def explain(
        self, error: BrokerUnavailable, *, closed_silently: bool, lasted_s: float
    ) -> BrokerUnavailable:
        """Return *error*, or `DUPLICATE_IDENTITY` once it is the likelier reason.

        Args:
            error: What ended an accepted connection.
            closed_silently: Whether the broker closed it without DISCONNECT.
            lasted_s: For how long it was accepted.
        """
        self._times = self._times + 1 if closed_silently and lasted_s < SOON_S else 0
        if self._times < SUSPICIOUS_ENDS:
            return error
        return identity_taken_over(
            f"accepted and hung up on {self._times} times within a minute each"
        )
