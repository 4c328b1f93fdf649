"""JSON of the wire: strict and bounded reading, compact writing.

What a payload *means* stands in the rooms wire_site and wire_rtc; they and this one are the only
places where its keys are spelled. Reading refuses what two parsers might read differently:
duplicate keys, NaN, numbers beyond a double, lone surrogates, byte order marks. Every refusal
says where and why.

Sources: RFC 8259, RFC 7493 (I-JSON), RFC 6901 (pointers).
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.model.document import repeats
from gateway.model.errors import Fault, MessageRejected
from gateway.mqtt.topic_tree import COMPRESSED, PLAIN

PAYLOAD_BYTES = 65_536
"""Largest payload on the wire, both ways."""

UNPACKED_BYTES = 1_048_576
"""Most that a compressed payload may unpack to: the birth of 512 cameras is 0.1 MB."""

COMPRESS_ABOVE_BYTES = 1024
"""From here compression saves more than it costs."""

DEPTH = 16
"""Levels of nesting; ours has 4."""

VALUES = 262_144
"""Most values in one payload; packed, a kilobyte may hold a million, each of which takes time."""

_DIGITS = 19  # of a 64-bit integer
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


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


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every payload of one sender carries.

    Attributes:
        time_ms: Wall clock, UTC; for people only, nothing is decided by it.
        epoch: Number of the sender's connection; grows with each.
        number: Counts the sender's messages within the epoch.
    """

    time_ms: int
    epoch: int
    number: int


def packed(tree: Mapping[str, object]) -> bytes:
    """Return *tree*, of which little is known, as JSON. Raises MessageRejected: it is none."""
    try:
        return _written(tree)
    except (TypeError, ValueError, RecursionError) as error:
        refuse("json.type", f"cannot be written as JSON: {type(error).__name__}")


def _written(tree: Mapping[str, object]) -> bytes:
    text = json.dumps(tree, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="replace")


def encode(tree: Mapping[str, object]) -> tuple[str, bytes]:
    """Return content type and payload of *tree*; compressed when that pays."""
    payload = _written(tree)
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
        return document.model_validate_json(dumps(read(payload, content_type)))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None


def dumps(tree: object) -> str:
    """Return *tree*, read before, as JSON: pydantic is stricter with text than with objects."""
    return json.dumps(tree, ensure_ascii=False)


def read(
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
    text = _text(_unpacked(payload, content_type, unpacked_bytes))
    if sum(map(text.count, ",[{")) > values:
        refuse("json.values", f"more than {values} values")
    if _is_deep(text):
        refuse("json.depth", f"nested deeper than {DEPTH}")
    try:
        tree = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        refuse("json", f"{error.msg} at character {error.pos}")
    if not isinstance(tree, dict):
        refuse("json.type", "the payload is not an object")
    if _SURROGATE.search(text):
        _without_lone_surrogates(tree)
    return tree


def refuse(code: str, message: str, at: str = "") -> NoReturn:
    """Raise the rejection for the one fault at *at*."""
    raise MessageRejected((Fault(at, code, message),))


def _unpacked(payload: bytes, content_type: str, most_bytes: int) -> bytes:
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


def _text(payload: bytes) -> str:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        refuse("utf8", f"not UTF-8 at byte {error.start}")
    if text.startswith("\ufeff"):
        refuse("json.bom", "begins with a byte order mark")
    return text


def _is_deep(text: str) -> bool:
    """Return whether *text* nests deeper than `DEPTH`; looks no further, and does not recurse."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth > DEPTH:
                return True
        elif token[0] in ("]", "}"):
            depth -= 1
    return False


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        index, _ = next(repeats([name for name, _ in pairs]))
        twice = pairs[index][0]
        refuse("json.duplicate", "the key stands there twice", f"/{pointer(twice)}")
    return tree


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _DIGITS:
        refuse("json.number", f"an integer of more than {_DIGITS} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        refuse("json.number", "a number beyond the range of a double")
    return value


def _constant(name: str) -> NoReturn:
    refuse("json.number", f"{name} is not JSON")


def _without_lone_surrogates(tree: object) -> None:
    try:
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        refuse("json.surrogate", "half of a surrogate pair")


def pointer(name: object) -> str:
    """Return *name* as one step of a JSON Pointer, shortened and printable."""
    step = str(name)[:64].replace("~", "~0").replace("/", "~1")
    return step.encode("ascii", "backslashreplace").decode()


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Return the first 16 faults of *error*, without the values given: they may be secrets."""
    return tuple(
        Fault(
            "".join(f"/{pointer(step)}" for step in each["loc"]),
            each["type"],
            each["msg"],
        )
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    )[:16]
