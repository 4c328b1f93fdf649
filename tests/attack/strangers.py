"""Strangers at a gateway's UDP ports: they know where it is, and nothing else.

    python -m tests.attack.strangers PID BYTES_PER_S

sends, from the first line on standard input to its end, one kind after the other to every UDP port
of that process, and then prints how many datagrams and bytes of each kind it has sent.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

import psutil

from tests.attack.pace import Pace, attack_until_told
from tests.fuzz.viewer import mended, mutated

SOURCES = 16
"""Ports that it sends from: to a gateway each is somebody else."""

LOOK_S = 0.5
"""Between two looks at which ports there are."""

COOKIE = 0x2112A442


def _stun(kind: int, attributes: bytes, random: Random) -> bytes:
    head = struct.pack("!HHI", kind, len(attributes), COOKIE)
    return head + random.randbytes(12) + attributes


def malformed_stun(random: Random) -> bytes:
    """A message with attributes that are cut, too long, or none."""
    whole = _stun(0x0101, b"\x00\x20\x00\x08\x00\x01" + bytes(6), random)
    return mended(mutated(mutated(whole, random), random), random)


def foreign_checks(random: Random) -> bytes:
    """A well-formed check for a session that there is not (RFC 8445 §7.3)."""
    name = random.randbytes(8).hex().encode()
    return mended(_stun(0x0001, b"\x00\x06\x00\x10" + name, random) + bytes(40), random)


def turn_data(random: Random) -> bytes:
    """A Data indication as from a TURN server (RFC 8656 §11.6)."""
    body = b"\x00\x13\x00\x40" + random.randbytes(64)
    return _stun(0x0017, body, random)


def client_hellos(random: Random) -> bytes:
    """The beginning of DTLS 1.2 (RFC 6347 §4.2.1), each with another random."""
    body = b"\xfe\xfd" + random.randbytes(32) + b"\x00\x00\x00\x02\xc0\x2b\x01\x00"
    size = len(body).to_bytes(3, "big")
    handshake = b"\x01" + size + b"\x00\x00" + b"\x00\x00\x00" + size + body
    head = b"\x16\xfe\xff" + bytes(8) + len(handshake).to_bytes(2, "big")
    return head + handshake


def srtcp(random: Random) -> bytes:
    """What has the shape of a viewer's report (RFC 3711 §3.4)."""
    return b"\x81\xc9\x00\x07" + random.randbytes(52)


def noise(random: Random) -> bytes:
    """Anything, up to what an Ethernet frame carries."""
    return random.randbytes(random.randrange(1, 1400))


DATAGRAMS: dict[str, Callable[[Random], bytes]] = {
    "malformed STUN": malformed_stun,
    "foreign checks": foreign_checks,
    "TURN data": turn_data,
    "ClientHello": client_hellos,
    "SRTCP": srtcp,
    "noise": noise,
}


def udp_ports(pid: int) -> list[tuple[str, int]]:
    """Return the IPv4 addresses at which process *pid* has UDP sockets of viewers."""
    found = psutil.Process(pid).net_connections("udp4")
    return sorted({(each.laddr.ip, each.laddr.port) for each in found if each.laddr})


async def flood(pid: int, bytes_per_s: float, counts: Counter[str]) -> None:
    """Send every kind in turn to the ports of process *pid*, until cancelled."""
    random, pace, looked_s = Random(1), Pace(bytes_per_s), 0.0
    ports: list[tuple[str, int]] = []
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOURCES)]
    try:
        for number, (name, make) in enumerate(itertools.cycle(DATAGRAMS.items())):
            if time.monotonic() - looked_s > LOOK_S:
                looked_s, ports = time.monotonic(), udp_ports(pid)
            if not ports:
                await asyncio.sleep(LOOK_S)
                continue
            datagram = make(random)
            with suppress(OSError):  # a port that has been closed meanwhile
                sockets[number % SOURCES].sendto(datagram, ports[number // 7 % len(ports)])
            counts[name] += 1
            counts["bytes"] += len(datagram)
            await pace.passed(len(datagram))
    finally:
        for each in sockets:
            each.close()


if __name__ == "__main__":
    attack_until_told(lambda counts: flood(int(sys.argv[1]), float(sys.argv[2]), counts))
