"""The camera networks of this box: which one is missing, and how it comes into the settings.

Only the person at the machine can add one: no document of the centre widens the networks.
"""

from __future__ import annotations

import os
import stat
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

from gateway.config.settings_file import Appended, with_changes
from gateway.model.errors import ConfigRejected
from gateway.runtime import atomic_file
from gateway.runtime.plain_text import printable
from gateway.setup.addresses import Network, is_within
from gateway.setup.model import mistake


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
        SetupMistake: The file is written in a way that has to be changed by hand.
        TransientError: The disk is full or read-only.
    """
    added = {"cameras": {"networks": Appended(str(network))}}
    try:
        text, _ = with_changes(path.read_text("utf-8"), added, folder=path.parent)
    except (OSError, UnicodeDecodeError, ConfigRejected) as error:
        raise mistake(
            f"Không tự sửa được {path}: {printable(str(error))}",
            f"{path} cannot be changed by itself",
            "Thêm dải mạng vào networks trong bảng [cameras] bằng tay rồi chạy lại lệnh này.",
            "Add the network to networks in the table [cameras] by hand and run this again.",
        ) from None
    found = path.stat()

    def like_before(handle: int) -> None:
        os.fchown(handle, found.st_uid, found.st_gid)
        os.fchmod(handle, stat.S_IMODE(found.st_mode))

    previous = path.with_name(f"{path.name}.prev")
    atomic_file.replace(path, text.encode(), previous=previous, prepare=like_before)
