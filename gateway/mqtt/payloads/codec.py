"""Payloads as JSON: strict and bounded reading, compact writing.

What a payload means is in the other modules of this package, the only places where its keys are
spelled. What `gateway.runtime.strict_json` finds wrong with a payload is refused with its code.

Source: RFC 6901 (JSON Pointer).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.model.errors import Fault, MessageRejected, refuse
from gateway.mqtt.topic_tree import COMPRESSED, PLAIN
from gateway.runtime import strict_json
from gateway.runtime.strict_json import Problem, StrictJsonError, dumps

PAYLOAD_BYTES = 65_536
"""Largest payload on the wire, both ways."""

UNPACKED_BYTES = 1_048_576
"""Most that a compressed payload may unpack to: the birth of 512 cameras is 0.1 MB."""

COMPRESS_ABOVE_BYTES = 1024
"""From here compression saves more than it costs."""

VALUES = 262_144
"""Most values in one payload; packed, a kilobyte may hold a million, each of which takes time."""

_CODES = {
    Problem.TOO_LARGE: "size",
    Problem.EMPTY: "json",
    Problem.NOT_UTF8: "utf8",
    Problem.BYTE_ORDER_MARK: "json.bom",
    Problem.TOO_MANY_VALUES: "json.values",
    Problem.TOO_DEEP: "json.depth",
    Problem.SYNTAX: "json",
    Problem.DUPLICATE_KEY: "json.duplicate",
    Problem.NUMBER: "json.number",
    Problem.SURROGATE: "json.surrogate",
}


class WireDocument(BaseModel):
    """Base of every payload: frozen, exact types, unknown keys ignored (readers may be older)."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        strict=True,
        populate_by_name=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        defer_build=True,
    )


DocumentT = TypeVar("DocumentT", bound=WireDocument)


def encode_tree(tree: Mapping[str, object]) -> bytes:
    """Return *tree*, of which little is known, as JSON. Raises MessageRejected: it is none."""
    try:
        return _dump(tree)
    except (TypeError, ValueError, RecursionError) as error:
        refuse("json.type", f"cannot be written as JSON: {type(error).__name__}")


def _dump(tree: Mapping[str, object]) -> bytes:
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="replace")


def encode(tree: Mapping[str, object]) -> tuple[str, bytes]:
    """Return content type and payload of *tree*; compressed when that pays."""
    payload = _dump(tree)
    if len(payload) <= COMPRESS_ABOVE_BYTES:
        return PLAIN, payload
    return COMPRESSED, zlib.compress(payload)


def encode_document(document: WireDocument) -> tuple[str, bytes]:
    """Return content type and payload of *document*; what is None is left out."""
    return encode(document.model_dump(mode="json", by_alias=True, exclude_none=True))


def decode(document: type[DocumentT], payload: bytes, content_type: str) -> DocumentT:
    """Read *payload* as *document*.

    Raises:
        MessageRejected: It cannot be read; every fault has its place.
    """
    try:
        return document.model_validate_json(dumps(decode_tree(payload, content_type)))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None


def decode_tree(
    payload: bytes,
    content_type: str = PLAIN,
    *,
    unpacked_bytes: int = UNPACKED_BYTES,
    values: int = VALUES,
) -> dict[str, object]:
    """Return the JSON object in *payload*: *unpacked_bytes* and *values* are the most it may hold.

    Raises:
        MessageRejected: It is too large, not UTF-8, not strict JSON, or not an object.
    """
    try:
        parsed = strict_json.parse(
            _decompress(payload, content_type, unpacked_bytes),
            max_bytes=unpacked_bytes,
            max_values=values,
            control_characters=True,
        )
    except StrictJsonError as error:
        refuse(_CODES[error.flaw.problem], error.flaw.message)
    for flaw in parsed.flaws:
        at = f"/{pointer_step(flaw.at[-1])}" if flaw.problem is Problem.DUPLICATE_KEY else ""
        refuse(_CODES[flaw.problem], flaw.message, at)
    if not isinstance(parsed.tree, dict):
        refuse("json.type", "the payload is not an object")
    return parsed.tree


def _decompress(payload: bytes, content_type: str, most_bytes: int) -> bytes:
    if len(payload) > (most := min(PAYLOAD_BYTES, most_bytes)):
        refuse("size", f"{len(payload)} bytes; at most {most}")
    if content_type in ("", PLAIN):
        return payload
    if content_type != COMPRESSED:
        refuse("content_type", f"neither {PLAIN} nor {COMPRESSED}")
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(payload, most_bytes)
    except zlib.error:
        refuse("zlib", "cannot be unpacked")
    if not unpacker.eof:
        refuse("zlib.size", f"cut short, or more than {most_bytes} bytes unpacked")
    return unpacked


def pointer_step(name: object) -> str:
    """Return *name* as one step of a JSON Pointer, shortened and printable."""
    step = str(name)[:64].replace("~", "~0").replace("/", "~1")
    return step.encode("ascii", "backslashreplace").decode()


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Return the first 16 faults of *error*, without the values given: they may be secrets."""
    return tuple(
        Fault(
            "".join(f"/{pointer_step(step)}" for step in each["loc"]),
            each["type"],
            each["msg"],
        )
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    )[:16]
