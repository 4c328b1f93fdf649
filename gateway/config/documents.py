"""Documents from files and from the centre: bytes in, frozen values out, or every fault at once.

The one place where the errors of pydantic, tomllib and the JSON reader become `Fault`s: where,
which kind, what was given and what is allowed. A value is never repeated where a secret may stand.

Source: RFC 6901 (JSON Pointer).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.faults import fault_of, pointer
from gateway.config.syntax_mistakes import ENGLISH as SYNTAX_MISTAKES
from gateway.config.syntax_mistakes import kind_in_json, kind_in_toml
from gateway.model.document import repeats
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.site_document import URL_SCHEMES, SiteConfig
from gateway.runtime import strict_json
from gateway.runtime.strict_json import Flaw, ParsedJson, Problem, StrictJsonError
from gateway.sources.registry import SCHEME_NAMES

LARGEST_BYTES = 1_048_576
"""512 cameras with two streams each take about 300 kB."""

_TOML_PLACE = re.compile(r"^(?P<what>.*) \(at (?:line (\d+), column (\d+)|end of document)\)$")
_CODES = {
    Problem.TOO_LARGE: "size",
    Problem.EMPTY: "empty",
    Problem.NOT_UTF8: "encoding",
    Problem.BYTE_ORDER_MARK: "encoding",
    Problem.TOO_DEEP: "depth",
    Problem.SYNTAX: "syntax",
    Problem.DUPLICATE_KEY: "duplicate_key",
    Problem.NUMBER: "number",
    Problem.SURROGATE: "text",
    Problem.CONTROL_CHARACTER: "text",
}


def parse_site(raw: bytes) -> SiteConfig:
    """Return the site document in *raw* (JSON).

    Raises:
        ConfigRejected: With all its faults.
    """
    _refuse_wide(raw)
    parsed = _parse(raw)
    faults = {(fault.at, fault.code): fault for fault in map(_fault_of, parsed.flaws)}
    site: SiteConfig | None = None
    try:
        site = SiteConfig.model_validate_json(raw, strict=True, context={URL_SCHEMES: SCHEME_NAMES})
    except ValidationError as error:
        for fault in [*faults_of(error, SiteConfig), *_repeats(parsed.tree)]:
            faults.setdefault((fault.at, fault.code), fault)
    if faults or site is None:
        raise ConfigRejected(tuple(faults.values()))
    return site


def parse_toml(raw: bytes) -> dict[str, object]:
    """Return the table in *raw* (TOML), not yet looked into.

    Raises:
        ConfigRejected: If it is not TOML.
    """
    _refuse_wide(raw)
    try:
        return tomllib.loads(strict_json.decode(raw, max_bytes=LARGEST_BYTES))
    except StrictJsonError as error:
        raise ConfigRejected((_fault_of(error.flaw),)) from None
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.match(str(error))
        what, line, column = found.groups() if found else (str(error), None, None)
        kind = kind_in_toml(raw.decode(), int(line or 0), int(column or 1), what)
        place = int(line or raw.count(b"\n") + 1), int(column or 1)
        args: dict[str, str | int | float] = {"line": place[0], "column": place[1]}
        said = f"line {place[0]}, column {place[1]}: {what[:1].lower()}{what[1:]}"
        flaw = Flaw(Problem.SYNTAX, said, args=args)
        raise ConfigRejected((_syntax_fault(flaw, kind),)) from None


def parse_json(raw: bytes) -> object:
    """Return what stands in *raw* (JSON), also where JSON readers would disagree about it.

    Raises:
        ConfigRejected: If it is not JSON, too large, or nested too deeply.
    """
    return _parse(raw).tree


def parse_plain_json(raw: bytes) -> object:
    """Return what stands in *raw*, about which all JSON readers agree.

    Control characters are no fault here: a certificate has many lines.

    Raises:
        ConfigRejected: As `parse_json`, or a key stands twice, a number is none, a text is broken.
    """
    _refuse_wide(raw)
    parsed = _parse(raw, control_characters=True)
    if parsed.flaws:
        raise ConfigRejected(tuple(map(_fault_of, parsed.flaws)))
    return parsed.tree


def faults_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Fault]:
    """Yield every fault that *error*, raised by *model*, stands for."""
    lines = error.errors(include_url=False)
    for line in lines:
        if line["type"] == "json_invalid":
            continue  # reported already, with its place, by the JSON reader
        if line["type"] == "too_short" and _is_within(line, lines):
            continue  # only because its members are wrong, which is said
        yield fault_of(line, model)


def _is_within(outer: ErrorDetails, lines: list[ErrorDetails]) -> bool:
    at = outer["loc"]
    return any(len(line["loc"]) > len(at) and line["loc"][: len(at)] == at for line in lines)


def _parse(raw: bytes, *, control_characters: bool = False) -> ParsedJson:
    try:
        return strict_json.parse(
            raw, max_bytes=LARGEST_BYTES, control_characters=control_characters
        )
    except StrictJsonError as error:
        if error.flaw.problem is not Problem.SYNTAX:
            raise ConfigRejected((_fault_of(error.flaw),)) from None
        kind = kind_in_json(raw.decode(), error.at, error.said)
        raise ConfigRejected((_syntax_fault(error.flaw, kind),)) from None


def _refuse_wide(raw: bytes) -> None:
    """Raise ConfigRejected if *raw* is UTF-16, as Notepad of Windows calls Unicode."""
    begin = raw[:4]
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff") or begin[1:4:2] == b"\0\0" or begin[:3:2] == b"\0\0":
        message = "it is UTF-16; save the file as UTF-8 without byte order mark"
        raise ConfigRejected((Fault("", "encoding", message, {"kind": "utf16"}),))
    if b"\r" in raw and b"\n" not in raw:
        message = "its lines end with a carriage return alone; have them end with a line feed"
        raise ConfigRejected((Fault("", "encoding", message, {"kind": "cr"}),))


def _syntax_fault(flaw: Flaw, kind: str) -> Fault:
    """Return the fault of a text that cannot be read, with the mistake that was probably made."""
    if kind not in SYNTAX_MISTAKES:
        return Fault("", "syntax", flaw.message, flaw.args)
    place = f"line {flaw.args['line']}, column {flaw.args['column']}"
    args = {**flaw.args, "kind": kind}
    return Fault("", "syntax", f"{place}: {SYNTAX_MISTAKES[kind]}", args)


def _fault_of(flaw: Flaw) -> Fault:
    message = flaw.message
    if _CODES[flaw.problem] == "encoding":
        message += "; save the file as UTF-8 without byte order mark"
    args = dict(flaw.args)
    if flaw.problem is Problem.BYTE_ORDER_MARK:
        args["kind"] = "bom"
    return Fault(pointer(flaw.at), _CODES[flaw.problem], message, args)


def _repeats(tree: object) -> Iterator[Fault]:
    """Yield cameras named twice, which pydantic looks for only where all else is right."""
    cameras = tree.get("cameras") if isinstance(tree, Mapping) else None
    listed = cameras if isinstance(cameras, list) else []
    named = [each.get("id") if isinstance(each, Mapping) else None for each in listed]
    for index, before in repeats([str(name) for name in named]):
        if isinstance(named[index], str):
            message = f"{named[index]} is already used by cameras/{before}"
            yield Fault(pointer(("cameras", index, "id")), "duplicate", message, {"before": before})
