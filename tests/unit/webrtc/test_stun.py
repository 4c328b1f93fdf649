"""STUN as bytes, against aioice's reading and writing of it."""

from __future__ import annotations

import hmac
import os
import random

import pytest
from aioice.stun import Class, Message, Method, parse_message

from gateway.webrtc import stun
from gateway.webrtc.stun import IntegrityKey

PASSWORD = b"t4kWnbpDpxuIIhQGTR5WMo"
TRANSACTION = bytes(range(12))
ATTRIBUTES = {"USERNAME": "near:fa", "PRIORITY": 1853824767, "ICE-CONTROLLING": 1 << 60}


def theirs(**more: object) -> Message:
    """A check as aioice makes it, not signed yet."""
    attributes = ATTRIBUTES | {name.replace("_", "-"): value for name, value in more.items()}
    return Message(Method.BINDING, Class.REQUEST, TRANSACTION, attributes)


def signed_theirs(**more: object) -> bytes:
    """The same, signed by aioice."""
    message = theirs(**more)
    message.add_message_integrity(PASSWORD)
    return bytes(message)


def test_a_request_is_byte_by_byte_what_aioice_sends() -> None:
    """Header, attributes, signature and fingerprint."""
    attributes = bytes(theirs())[stun.HEADER_BYTES :]

    ours = stun.build_signed(stun.REQUEST, TRANSACTION, attributes, IntegrityKey(PASSWORD))

    assert ours == signed_theirs()


@pytest.mark.parametrize("address", [("192.0.2.17", 50_001), ("2001:db8::17", 65_535)])
def test_an_answer_is_read_by_aioice(address: tuple[str, int]) -> None:
    """It finds its transaction, its address and our signature."""
    mapped = stun.xor_mapped_address(address, TRANSACTION)

    read = parse_message(
        stun.build_signed(stun.SUCCESS, TRANSACTION, mapped, IntegrityKey(PASSWORD))
    )

    assert (read.message_class, read.transaction_id) == (Class.RESPONSE, TRANSACTION)
    assert read.attributes["XOR-MAPPED-ADDRESS"] == address
    assert read.check_message_integrity(PASSWORD)


def test_a_zone_is_not_part_of_an_address() -> None:
    """It means something on one machine only (RFC 4007)."""
    assert stun.xor_mapped_address(("fe80::1%eth0", 1), TRANSACTION) == stun.xor_mapped_address(
        ("fe80::1", 1), TRANSACTION
    )


def test_what_is_signed_is_found() -> None:
    """By number, without padding."""
    found = stun.parse_verified(signed_theirs(), IntegrityKey(PASSWORD))

    assert found == {
        stun.USERNAME: b"near:fa",
        stun.PRIORITY: (1853824767).to_bytes(4, "big"),
        stun.CONTROLLING: (1 << 60).to_bytes(8, "big"),
    }


def test_what_is_not_signed_is_nothing() -> None:
    """No signature, or another's."""
    assert stun.parse_verified(bytes(theirs()), IntegrityKey(PASSWORD)) is None
    assert stun.parse_verified(signed_theirs(), IntegrityKey(b"another password")) is None


def test_what_stands_behind_the_signature_is_not_found() -> None:
    """Anybody on the way may have put it there (RFC 8489 §14.5)."""
    message = signed_theirs()
    message = message[:2] + (len(message) - 20 + 4).to_bytes(2, "big") + message[4:]

    found = stun.parse_verified(message + b"\0\x25\0\0", IntegrityKey(PASSWORD))

    assert found is not None
    assert stun.USE_CANDIDATE not in found


def test_one_changed_byte_is_noticed() -> None:
    """Wherever it is before the end of the signature."""
    message = signed_theirs()

    for at in range(len(message) - 8):
        changed = bytearray(message)
        changed[at] ^= 1
        assert stun.parse_verified(bytes(changed), IntegrityKey(PASSWORD)) is None


def test_nonsense_is_nothing() -> None:
    """Cut off anywhere, or made of anything: None, not an error."""
    draw = random.Random(7675)
    message = signed_theirs()
    cut = [message[:end] for end in range(len(message))]
    shortened = [m[:2] + max(len(m) - 20, 0).to_bytes(2, "big") + m[4:] for m in cut]
    made = [
        b"\0\1" + size.to_bytes(2, "big") + draw.randbytes(16 + size)
        for size in range(200)
        for _ in range(20)
    ]

    without_fingerprint = len(message) - 8
    for each in [*cut, *shortened[:without_fingerprint], *made]:
        assert stun.parse_verified(each, IntegrityKey(PASSWORD)) is None


@pytest.mark.parametrize("size", [1, 22, 64, 65, 256])
def test_a_key_signs_as_hmac_does(size: int) -> None:
    """Up to the longest password of ICE (RFC 8839 §5.4), which is more than a block."""
    password, message = os.urandom(size), os.urandom(100)

    assert IntegrityKey(password).sign(message) == hmac.digest(password, message, "sha1")
    assert IntegrityKey(password).sign(message) == IntegrityKey(password).sign(message)
