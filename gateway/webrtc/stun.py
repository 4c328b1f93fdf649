"""STUN messages as bytes: their shape, and connectivity checks built, signed and verified.

Pure functions. The shape is looked at before aioice sees a message of a stranger: aioice raises on
attributes whose length is wrong. The rest is for the checks of an established connection: two every
five seconds for each viewer. aioice makes an object of each message and attribute, which takes 80
to 200 us with cold caches; this takes a third.

References: RFC 8489 §5 (header), §14.2 (XOR-MAPPED-ADDRESS), §14.5 (MESSAGE-INTEGRITY), §14.7
(FINGERPRINT); RFC 8445 §7.1.
"""

from __future__ import annotations

import hmac
import socket
import struct
from binascii import crc32
from functools import lru_cache

REQUEST, SUCCESS, ERROR, INDICATION = 0x0001, 0x0101, 0x0111, 0x0011
"""Message types: a Binding request, the two answers to it, and an indication."""

RESPONSE_CLASS, CLASSES = 0x0100, 0x0110
"""Of a message type, whatever its method: ``type & CLASSES`` of a response has `RESPONSE_CLASS`."""

DATA_INDICATION = 0x0017
"""Message type of what a TURN server has received for us (RFC 8656 §11.6)."""

USERNAME, PRIORITY, USE_CANDIDATE, CONTROLLED, CONTROLLING = 0x0006, 0x0024, 0x0025, 0x8029, 0x802A

OPTIONAL = 0x8000
"""Attributes from this number on are comprehension-optional (RFC 8489 §14)."""

HEADER_BYTES = 20

MAX_ATTRIBUTES = 32
"""A message with more is malformed to us; a check has six, an Allocate response about eight."""

FINGERPRINT = 0x8028

_INTEGRITY, _XOR_MAPPED_ADDRESS = 0x0008, 0x0020
_COOKIE, _PORT_XOR = b"\x21\x12\xa4\x42", 0x2112
_ERROR_CODE, _REALM, _SOFTWARE = 0x0009, 0x0014, 0x8022
_CHANGE_REQUEST, _CHANNEL_NUMBER, _LIFETIME, _REQUESTED_TRANSPORT = 0x0003, 0x000C, 0x000D, 0x0019
_SIZES = {
    _INTEGRITY: 20,
    FINGERPRINT: 4,
    PRIORITY: 4,
    USE_CANDIDATE: 0,
    CONTROLLED: 8,
    CONTROLLING: 8,
    _CHANGE_REQUEST: 4,
    _CHANNEL_NUMBER: 4,
    _LIFETIME: 4,
    _REQUESTED_TRANSPORT: 4,
}
_TEXTS = frozenset({USERNAME, _REALM, _SOFTWARE})
_TEXT_BYTES = 763
"""127 characters of UTF-8 (RFC 8489 §14.9); also enough for USERNAME."""

_ADDRESSES = frozenset({0x0001, 0x0004, 0x0005, 0x0012, 0x0016, 0x0020, 0x802B, 0x802C})
_ADDRESS_BYTES = {b"\x01": 8, b"\x02": 20}
_SIGNATURE_BYTES, _FINGERPRINT_BYTES = 24, 8
_FINGERPRINT_XOR = 0x5354554E

_header = struct.Struct("!HH4s12s").pack
_attribute = struct.Struct("!HH").unpack_from
_signature = struct.Struct("!HH20s").pack
_fingerprint = struct.Struct("!HHI").pack
_mapped = struct.Struct("!HHxBH").pack


class IntegrityKey:
    """A password as key of HMAC-SHA1 (RFC 2104), hashed once."""

    def __init__(self, password: bytes) -> None:
        self._begun = hmac.new(password, digestmod="sha1")

    def sign(self, message: bytes) -> bytes:
        """Return the HMAC of *message*, 20 bytes."""
        signature = self._begun.copy()
        signature.update(message)
        return signature.digest()


def build_signed(kind: int, transaction: bytes, attributes: bytes, key: IntegrityKey) -> bytes:
    """Return a message of *attributes*, as they are on the wire, with signature and fingerprint.

    Args:
        kind: `REQUEST` or `SUCCESS`.
        transaction: 12 bytes.
        attributes: Padded.
        key: The receiver's for a request, the sender's for a response (RFC 8445 §7.2.2).
    """
    size = len(attributes) + _SIGNATURE_BYTES
    signature = key.sign(_header(kind, size, _COOKIE, transaction) + attributes)
    message = (
        _header(kind, size + _FINGERPRINT_BYTES, _COOKIE, transaction)
        + attributes
        + _signature(_INTEGRITY, 20, signature)
    )
    return message + _fingerprint(FINGERPRINT, 4, crc32(message) ^ _FINGERPRINT_XOR)


def parse_attributes(message: bytes) -> dict[int, bytes] | None:
    """Return the attributes of *message*; None if it is malformed.

    Never raises, and reads each byte once. Of what is not None aioice's parser takes every
    attribute without raising. Checked are the header, that attributes fill the message exactly,
    the length of those that have one, UTF-8 of texts, and FINGERPRINT, if any, which must be last
    and right (RFC 8489 §5, §14).
    """
    end = len(message)
    if (
        end < HEADER_BYTES
        or end & 3
        or message[0] > 3
        or message[4:8] != _COOKIE
        or int.from_bytes(message[2:4], "big") + HEADER_BYTES != end
    ):
        return None
    found: dict[int, bytes] = {}
    at = HEADER_BYTES
    for _ in range(MAX_ATTRIBUTES):
        if at == end:
            return found
        kind, size = _attribute(message, at)
        value = message[at + 4 : at + 4 + size]
        if len(value) < size or not _is_value_valid(kind, value):
            return None
        if kind == FINGERPRINT and not _is_fingerprint_right(message, at):
            return None
        found[kind] = value
        at += 4 + size + (-size & 3)
    return found if at == end else None


def _is_fingerprint_right(message: bytes, at: int) -> bool:
    expected = crc32(message[:at]) ^ _FINGERPRINT_XOR
    is_last = at + _FINGERPRINT_BYTES == len(message)
    return is_last and int.from_bytes(message[at + 4 :], "big") == expected


def _is_value_valid(kind: int, value: bytes) -> bool:
    """Return whether *value* has the length and the form that attribute *kind* must have."""
    if kind in _SIZES:
        return len(value) == _SIZES[kind]
    if kind in _ADDRESSES:
        return _ADDRESS_BYTES.get(value[1:2]) == len(value)
    if kind == _ERROR_CODE:
        return len(value) >= 4 and _is_text(value[4:])
    return kind not in _TEXTS or _is_text(value)


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return len(value) <= _TEXT_BYTES


def parse_verified(message: bytes, key: IntegrityKey) -> dict[int, bytes] | None:
    """Return the attributes of *message* that *key* has signed; None if the signature is wrong.

    Never raises, whatever *message* is. What follows MESSAGE-INTEGRITY is ignored (RFC 8489
    §14.5), FINGERPRINT included: it only tells STUN from other datagrams.
    """
    end = len(message)
    if end < HEADER_BYTES or int.from_bytes(message[2:4], "big") + HEADER_BYTES != end:
        return None
    found: dict[int, bytes] = {}
    at = HEADER_BYTES
    while at + 4 <= end:
        kind, size = _attribute(message, at)
        value = message[at + 4 : at + 4 + size]
        if kind == _INTEGRITY:
            length = (at - HEADER_BYTES + _SIGNATURE_BYTES).to_bytes(2, "big")
            expected = key.sign(message[:2] + length + message[4:at])
            return found if hmac.compare_digest(expected, value) else None
        found[kind] = value
        at += 4 + size + (-size & 3)
    return None


def xor_mapped_address(address: tuple[str, int], transaction: bytes) -> bytes:
    """Return XOR-MAPPED-ADDRESS: the *address* of a request's sender as we see it."""
    kind, number, size = _numbered(address[0])
    mask = int.from_bytes((_COOKIE + transaction)[:size], "big")
    head = _mapped(_XOR_MAPPED_ADDRESS, 4 + size, kind, address[1] ^ _PORT_XOR)
    return head + (number ^ mask).to_bytes(size, "big")


@lru_cache(maxsize=1024)
def _numbered(host: str) -> tuple[int, int, int]:
    """Return the family of *host* in STUN, its address as a number, and its size in bytes."""
    kind, family = (2, socket.AF_INET6) if ":" in host else (1, socket.AF_INET)
    packed = socket.inet_pton(family, host.partition("%")[0])
    return kind, int.from_bytes(packed, "big"), len(packed)
