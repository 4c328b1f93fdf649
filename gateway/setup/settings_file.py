"""Adds a camera network to the settings file; all else in it, comments too, stays as it is.

Only the person at the machine can do this: no document of the centre widens the networks.
"""

from __future__ import annotations

import os
import re
import stat
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

from gateway.config.documents import parse_toml
from gateway.model.errors import unreadable
from gateway.runtime import atomic_file
from gateway.setup.addresses import Network, is_within
from gateway.setup.model import mistake

_TABLE = re.compile(r"^\[cameras\][ \t]*(?:#.*)?$", re.MULTILINE)
_NEXT_TABLE = re.compile(r"^\[", re.MULTILINE)
_NETWORKS = re.compile(r"^networks[ \t]*=[ \t]*\[[^\]#]*\]", re.MULTILINE)


def network_of(host: str) -> Network | None:
    """Return the network that would have to be added for *host*: its /24, or /64.

    None: it is no address of a local network, and its network is not for a set-up to open.
    """
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return None
    if not is_within(str(address)):
        return None
    length = 24 if isinstance(address, IPv4Address) else 64
    return ip_network(f"{address}/{length}", strict=False)


def add_network(path: Path, network: Network) -> None:
    """Add *network* to the camera networks of the settings in *path*; survives a power cut.

    Raises:
        SetupMistake: The file is not written as we know it: it has to be changed by hand.
        TransientError: The disk is full or read-only.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise mistake(f"Không đọc được {path}", unreadable(path, error)) from None
    text = raw.decode("utf-8", "strict")
    before = parse_toml(raw)
    changed = _with_network(text, str(network))
    expected = _networks_of(before)
    if changed is None or expected is None or str(network) in expected:
        raise _by_hand(path)
    after = parse_toml(changed.encode())
    if _networks_of(after) != [*expected, str(network)] or _rest(after) != _rest(before):
        raise _by_hand(path)
    found = path.stat()

    def like_before(handle: int) -> None:
        os.fchown(handle, found.st_uid, found.st_gid)
        os.fchmod(handle, stat.S_IMODE(found.st_mode))

    previous = path.with_name(f"{path.name}.prev")
    atomic_file.replace(path, changed.encode(), previous=previous, prepare=like_before)


def _with_network(text: str, network: str) -> str | None:
    """Return *text* with *network* at the end of the list; None: there is no plain list."""
    table = _TABLE.search(text)
    if table is None:
        return None
    end = _NEXT_TABLE.search(text, table.end())
    found = _NETWORKS.search(text, table.end(), end.start() if end else len(text))
    if found is None:
        return None
    inside = found[0][:-1].rstrip().removesuffix(",")
    comma = "" if inside.endswith("[") else ", "
    listed = f'{inside}{comma}"{network}"]'
    return text[: found.start()] + listed + text[found.end() :]


def _networks_of(table: dict[str, object]) -> list[object] | None:
    cameras = table.get("cameras")
    networks = cameras.get("networks") if isinstance(cameras, dict) else None
    return networks if isinstance(networks, list) else None


def _rest(table: dict[str, object]) -> dict[str, object]:
    """Return *table* without the camera networks."""
    cameras = table.get("cameras")
    rest = {} if not isinstance(cameras, dict) else cameras
    return {**table, "cameras": {name: rest[name] for name in rest if name != "networks"}}


def _by_hand(path: Path) -> Exception:
    return mistake(
        f"Không tự sửa được {path}",
        f"{path} cannot be changed by itself",
        "Thêm dải mạng vào networks trong bảng [cameras] bằng tay rồi chạy lại lệnh này.",
        "Add the network to networks in the table [cameras] by hand and run this again.",
    )
