"""Documents from files and from the centre: bytes in, frozen values out, or every fault at once.

The one place where pydantic's, json's and tomllib's errors become `Fault`s: where, which kind,
what was given and what is allowed. What was given is never said where a secret may stand.

References: RFC 8259 (JSON) with RFC 7493 (I-JSON: no duplicate names, no surrogates), RFC 6901.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.faults import fault_of, pointer
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import SiteConfig, repeats

LARGEST_BYTES = 1_048_576
"""512 cameras with two streams each take about 300 kB."""

DEEPEST = 16
"""Levels of nesting; the site document has six."""

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_TOML_PLACE = re.compile(r"^(?P<what>.*) \(at (?:line (\d+), column (\d+)|end of document)\)$")
_LONGEST_DIGITS = 18


def parse_site(raw: bytes) -> SiteConfig:
    """Return the site document in *raw* (JSON).

    Raises:
        ConfigRejected: With all its faults.
    """
    tree = parse_json(raw)
    faults = {(fault.at, fault.code): fault for fault in _oddities(tree, ())}
    site: SiteConfig | None = None
    try:
        site = SiteConfig.model_validate_json(raw, strict=True)
    except ValidationError as error:
        for fault in [*faults_of(error, SiteConfig), *_repeats(tree)]:
            faults.setdefault((fault.at, fault.code), fault)
    if faults or site is None:
        raise ConfigRejected(tuple(faults.values()))
    return site


def parse_toml(raw: bytes) -> dict[str, object]:
    """Return the table in *raw* (TOML), not yet looked into.

    Raises:
        ConfigRejected: If it is not TOML.
    """
    try:
        return tomllib.loads(_text(raw))
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.match(str(error))
        what, line, column = found.groups() if found else (str(error), None, None)
        raise _broken(what, int(line or raw.count(b"\n") + 1), int(column or 1)) from None


def parse_json(raw: bytes) -> object:
    """Return what stands in *raw* (JSON); objects remember names that came twice.

    Raises:
        ConfigRejected: If it is not JSON, too large, or nested too deeply.
    """
    text = _text(raw)
    if _depth(raw) > DEEPEST:
        message = f"it is nested more than {DEEPEST} levels deep"
        raise ConfigRejected((Fault("", "depth", message, {"max": DEEPEST}),))
    try:
        return json.loads(text, object_pairs_hook=_Object, parse_int=_whole, parse_constant=float)
    except json.JSONDecodeError as error:
        raise _broken(error.msg, error.lineno, error.colno) from None


def parse_plain_json(raw: bytes) -> object:
    """Return what stands in *raw*, in which nothing is that JSON readers understand differently.

    Raises:
        ConfigRejected: As `parse_json`, or a key stands twice, a number is none, a text is broken.
    """
    tree = parse_json(raw)
    # Control characters are no fault here: a certificate has many lines.
    faults = [fault for fault in _oddities(tree, ()) if fault.code != "text"]
    try:
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        faults.append(Fault("", "text", "it holds half of a surrogate pair"))
    if faults:
        raise ConfigRejected(tuple(faults))
    return tree


def faults_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Fault]:
    """Yield every fault that *error*, raised by *model*, stands for."""
    lines = error.errors(include_url=False)
    for line in lines:
        if line["type"] == "json_invalid":
            continue  # said already, and better, by `_oddities`
        if line["type"] == "too_short" and _is_within(line, lines):
            continue  # only because its members are wrong, which is said
        yield fault_of(line, model)


def _is_within(outer: ErrorDetails, lines: list[ErrorDetails]) -> bool:
    at = outer["loc"]
    return any(len(line["loc"]) > len(at) and line["loc"][: len(at)] == at for line in lines)


class _Object(dict[str, object]):
    """A JSON object that has not forgotten the names that came twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.twice = tuple(pairs[index][0] for index, _ in repeats([key for key, _ in pairs]))


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _LONGEST_DIGITS else math.inf


def _text(raw: bytes) -> str:
    if len(raw) > LARGEST_BYTES:
        message = f"it has {len(raw)} bytes; at most {LARGEST_BYTES} are allowed"
        raise ConfigRejected((Fault("", "size", message, {"max": LARGEST_BYTES}),))
    if not raw.strip():
        raise ConfigRejected((Fault("", "empty", "it is empty"),))
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        message = "it begins with a byte order mark; save it as UTF-8 without BOM"
        raise ConfigRejected((Fault("", "encoding", message),))
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = f"line {line}, byte {column}: not UTF-8; save the file as UTF-8"
        raise ConfigRejected((Fault("", "encoding", message, {"line": line}),)) from None


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for token in _BRACKETS.finditer(raw):
        if token[0] in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in (b"]", b"}"):
            depth -= 1
    return deepest


def _broken(what: str, line: int, column: int) -> ConfigRejected:
    what = what[:1].lower() + what[1:]
    message = f"line {line}, column {column}: {what}"
    return ConfigRejected((Fault("", "syntax", message, {"line": line, "column": column}),))


def _oddities(node: object, at: tuple[str | int, ...]) -> Iterator[Fault]:
    """Yield what JSON readers silently disagree about: it must not decide which camera is open."""
    if isinstance(node, _Object):
        for key in node.twice:
            yield Fault(pointer((*at, key)), "duplicate_key", "this key stands here twice")
        for key, value in node.items():
            yield from _oddities(key, at)
            yield from _oddities(value, (*at, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _oddities(value, (*at, index))
    elif isinstance(node, str) and not _is_plain(node):
        yield Fault(pointer(at), "text", "it holds control characters or broken Unicode")
    elif isinstance(node, float) and not math.isfinite(node):
        yield Fault(pointer(at), "number", "this is no number that can be used")


def _is_plain(text: str) -> bool:
    return not any(
        char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff" for char in text
    )


def _repeats(tree: object) -> Iterator[Fault]:
    """Yield cameras named twice, which pydantic looks for only where all else is right."""
    cameras = tree.get("cameras") if isinstance(tree, Mapping) else None
    listed = cameras if isinstance(cameras, list) else []
    named = [each.get("id") if isinstance(each, Mapping) else None for each in listed]
    for index, before in repeats([str(name) for name in named]):
        if isinstance(named[index], str):
            message = f"{named[index]} is already used by cameras/{before}"
            yield Fault(pointer(("cameras", index, "id")), "duplicate", message, {"before": before})
