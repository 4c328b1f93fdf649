"""Between paho's words and ours: properties, reason codes, letters. No I/O.

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
from gateway.mqtt.dial import tls_fault
from gateway.ports import Letter, Publication

HEAD_BYTES = 64
"""At most, of a PUBLISH packet beside topic, properties' text and payload."""

_NOT_AUTHORISED = {0x86, 0x87, 0x8A, 0x8C, 0x98}
_BUSY = {0x88, 0x89, 0x97, 0x9F}
_TAKEN_OVER, _SHUTTING_DOWN = 0x8E, 0x8B

_REFUSED_PAUSE_S, _BUSY_PAUSE_S = 60.0, 10.0
_TAKEOVER_PAUSE_S = (15.0, 25.0)
"""Two machines with one identity throw each other out; this often at most."""

_RESTART_SPREAD_S = 5.0
"""Over so long the gateways of a broker that shuts down spread their return."""


def properties_of(publication: Publication, packet_type: int) -> Properties:
    """Return the MQTT properties of *publication*."""
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    properties.ContentType = publication.content_type
    if publication.expiry_s is not None:
        properties.MessageExpiryInterval = publication.expiry_s
    if publication.correlation_data is not None:
        properties.CorrelationData = publication.correlation_data
    if publication.response_topic is not None:
        properties.ResponseTopic = publication.response_topic
    if publication.properties:
        properties.UserProperty = list(publication.properties.items())
    return properties


def packet_bytes(publication: Publication) -> int:
    """Return how large the PUBLISH packet will be at most."""
    texts = [publication.topic, publication.content_type, publication.response_topic or ""]
    texts += [key + value for key, value in publication.properties.items()]
    echoed = publication.correlation_data or b""
    words = sum(len(each.encode()) + 5 for each in texts)
    return HEAD_BYTES + words + len(echoed) + len(publication.payload)


def letter_of(message: paho.MQTTMessage) -> Letter:
    """Return *message* as we pass it on."""
    properties = message.properties
    return Letter(
        topic=message.topic,
        payload=bytes(message.payload),
        retain=message.retain,
        response_topic=getattr(properties, "ResponseTopic", None),
        correlation_data=getattr(properties, "CorrelationData", None),
        content_type=getattr(properties, "ContentType", ""),
        expiry_s=getattr(properties, "MessageExpiryInterval", None),
    )


def refused(code: ReasonCode) -> BrokerUnavailable:
    """Return our error for a CONNACK or SUBACK that says no."""
    if code.value in _NOT_AUTHORISED:
        return BrokerUnavailable(
            Reason.NOT_AUTHORISED, f"the broker says: {code}", pause_s=_REFUSED_PAUSE_S
        )
    pause_s = _BUSY_PAUSE_S if code.value in _BUSY else _REFUSED_PAUSE_S
    return BrokerUnavailable(Reason.REFUSED, f"the broker says: {code}", pause_s=pause_s)


def taken_over(sign: str) -> BrokerUnavailable:
    """Return our error for another machine that has our identity; *sign* is how we know."""
    return BrokerUnavailable(
        Reason.DUPLICATE_IDENTITY,
        f"another machine uses our identity: {sign}",
        pause_s=random.uniform(*_TAKEOVER_PAUSE_S),
    )


def lost(broker: str, error: OSError | None, code: ReasonCode) -> BrokerUnavailable:
    """Return our error for a connection that ended without DISCONNECT.

    Args:
        broker: Which.
        error: What the socket said; None: it just ended.
        code: What paho made of it.
    """
    if isinstance(error, ssl.SSLError):
        return tls_fault(error)
    reasons = {"Protocol error": Reason.CORRUPT, "Keep alive timeout": Reason.STALLED}
    reason = reasons.get(str(code), Reason.UPLINK_DOWN)
    return BrokerUnavailable(reason, f"connection to {broker} lost: {error or code}")


def ended(code: ReasonCode) -> BrokerUnavailable:
    """Return our error for a DISCONNECT from the broker."""
    if code.value == _TAKEN_OVER:
        return taken_over("the broker says so")
    if code.value == _SHUTTING_DOWN:
        pause_s = random.uniform(0, _RESTART_SPREAD_S)
        return BrokerUnavailable(Reason.UPLINK_DOWN, "the broker shuts down", pause_s=pause_s)
    if code.value in _NOT_AUTHORISED or code.value in _BUSY:
        return refused(code)
    return BrokerUnavailable(Reason.UPLINK_DOWN, f"the broker has hung up: {code}")
