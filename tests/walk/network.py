"""The networks of the walk: a site's LAN, in which the centre is too.

All of it is gone with the network namespace that the walk runs in.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

LAN = "192.168.50"
BRIDGE = "br0"
BOX, RECORDER, CAMERA = f"{LAN}.20", f"{LAN}.10", f"{LAN}.11"


def make_lan(centre: str) -> None:
    """Make the bridge that all hang on, in a namespace of its own; *centre* is an address of it."""
    names = Path("/run/netns")
    names.mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "tmpfs", str(names))
    _ip("link", "set", "lo", "up")
    _ip("link", "add", BRIDGE, "type", "bridge")
    for address in (f"{LAN}.1/24", f"{centre}/32"):
        _ip("address", "add", address, "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def plug_in(name: str, address: str) -> tuple[str, ...]:
    """Make the network of a device at *address*; return how a command is run in it."""
    _ip("netns", "add", name)
    _ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", f"to-{name}", "master", BRIDGE, "up")
    _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "route", "add", "default", "via", f"{LAN}.1")
    return ("ip", "netns", "exec", name)


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)
