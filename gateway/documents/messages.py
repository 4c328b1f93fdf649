"""What goes through the pipes of the child that looks into documents."""

from __future__ import annotations

import struct
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from gateway.documents.faults import MOST_FAULTS, DocumentFault, parse_fault
from gateway.model.document_template import DocumentKind
from gateway.mqtt.payloads.document import ToldFault

HEAD_BYTES = 65_536
"""Of a template as JSON; 64 columns with the longest names have 30 kB."""

REPLY_BYTES = 65_536

READY = b"\n"
"""What the child says once it is in its sandbox; to a reader of JSON it is nothing."""

_LENGTH = struct.Struct(">I")


_REPLY = TypeAdapter(Annotated[tuple[ToldFault, ...], Field(max_length=MOST_FAULTS)])


def pack_request(kind: DocumentKind, content: bytes) -> bytes:
    """Return a request to look into *content*."""
    head = kind.model_dump_json().encode()
    return _LENGTH.pack(len(head)) + head + content


def parse_request(raw: bytes) -> tuple[DocumentKind, bytes]:
    """Return template and content of a request, which the gateway itself has made."""
    (length,) = _LENGTH.unpack_from(raw)
    begin = _LENGTH.size + length
    return DocumentKind.model_validate_json(raw[_LENGTH.size : begin]), raw[begin:]


def told(faults: tuple[DocumentFault, ...]) -> tuple[ToldFault, ...]:
    """Return *faults* as they are told."""
    return tuple(
        ToldFault(at=each.at[:400], code=each.code, args=dict(each.args)) for each in faults
    )


def understood(faults: tuple[ToldFault, ...]) -> tuple[DocumentFault, ...]:
    """Return those of *faults* of which sentences can be made."""
    found = (parse_fault(each.at, each.code, each.args) for each in faults)
    return tuple(each for each in found if each is not None)


def pack_faults(faults: tuple[DocumentFault, ...]) -> bytes:
    """Return *faults* as the child says them."""
    return _REPLY.dump_json(told(faults))


def parse_faults(raw: bytes) -> tuple[DocumentFault, ...] | None:
    """Return what the child says, or None: that is no answer."""
    try:
        return understood(_REPLY.validate_json(raw))
    except ValidationError:
        return None
