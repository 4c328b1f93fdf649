"""What somebody probably meant by a value that cannot be: a province by name, a host as URL.

Only said, never put in its place: what runs is what was written.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import ip_network

from pydantic_core import PydanticCustomError

from gateway.model.provinces import FORMER_PROVINCES, PROVINCES
from gateway.runtime.plain_text import without_marks

Args = dict[str, str | int | float]

_LONGEST = 100
_ADDRESS = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_RANGE = re.compile(rf"({_ADDRESS})\s*-\s*(?:{_ADDRESS}|[0-9]{{1,3}})")
_STAR = re.compile(r"([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})\.[*xX]")
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,20}://)?([^/\s@]{1,253}).*")
_SHORT = {"hcm": "ho chi minh", "sai gon": "ho chi minh", "hn": "ha noi"}


def near_pattern(pattern: str, value: object) -> Args:
    """Return what to say beside that *value* does not fit *pattern*; nothing if nothing is near.

    Nothing is taken from a value with an @: a password may stand before it.
    """
    if not isinstance(value, str) or len(value) > _LONGEST or "@" in value:
        return {}
    if pattern == r"^[0-9]{2}$":
        return _province(value)
    if pattern.startswith("^secret:"):
        return {"kind": "secret"}
    if pattern == r"^[!-.0-?A-~]+$":
        return _host(value)
    most = {r"^[a-z0-9]{1,16}$": (16, ""), r"^[a-z0-9-]{4,40}$": (40, "-")}.get(pattern)
    return {} if most is None else _identifier(value, *most)


def near_network(value: object) -> Args:
    """Return the network that *value*, which is none, probably means."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return {}
    text = re.sub(r"^[a-z]{1,10}://", "", value.strip().replace(" ", "").replace("\\", "/"))
    if "," in text or ";" in text:
        return {"kind": "several"}
    if star := _STAR.fullmatch(text):
        text = f"{star[1]}.0/24"
    elif span := _RANGE.fullmatch(text):
        text = f"{span[1].rpartition('.')[0]}.0/24"
    try:
        return {"kind": "near", "near": str(ip_network(text, strict=False))}
    except ValueError:
        return {}


def host_and_port(host: str) -> tuple[str, str] | None:
    """Return host and port of *host*, if it is written so; IPv6 addresses have more colons."""
    name, _, port = host.partition(":")
    is_name = 0 < len(name) <= 253 and not any(map(str.isspace, name))
    is_port = 0 < len(port) <= 5 and port.isascii() and port.isdigit()
    return (name, port) if is_name and is_port else None


def port_behind(host: str) -> PydanticCustomError | None:
    """Return the error for a *host* that has a port behind it; None: it has none."""
    apart = host_and_port(host)
    if apart is None:
        return None
    values = {"near": apart[0], "port": apart[1]}
    return PydanticCustomError("host_port", "the port stands in port, not behind the host", values)


def _province(value: str) -> Args:
    digits = unicodedata.normalize("NFKC", value).strip()
    if re.fullmatch("[0-9]{1,2}", digits):
        return {"kind": "digits", "near": digits.zfill(2)}
    wanted = re.sub(r"^(?:(?:tinh|thanh pho) |tp[. ]*)", "", without_marks(value))
    wanted = _SHORT.get(wanted, wanted)
    for code, name in PROVINCES.items():
        if without_marks(name) == wanted:
            return {"kind": "province", "near": code, "name": name}
    for former in FORMER_PROVINCES.values():
        if without_marks(former.name) == wanted:
            name = f"{former.name}, nay thuộc {PROVINCES[former.today]}"
            return {"kind": "province", "near": former.today, "name": name}
    return {"kind": "no_province"}


def _identifier(value: str, most: int, also: str) -> Args:
    joined = re.sub(r"[^a-z0-9]+", also, without_marks(value)).strip("-")[:most]
    return {"kind": "identifier", "near": joined} if joined else {}


def _host(value: str) -> Args:
    found = _URL.fullmatch(value.strip())
    if found is None or " " in value.strip():
        return {}
    apart = host_and_port(found[1])
    if apart is None:
        return {"kind": "host", "near": found[1]}
    return {"kind": "host_port", "near": apart[0], "port": apart[1]}
