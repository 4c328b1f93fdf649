"""Scenario `floor`: what reading, cipher and sending cost alone, with no relay around them.

Pictures of one size come over TCP, whole; each is encrypted packet by packet where it lies, with
the same library, and sent with segmentation offload in one call. There is no header, no
reassembly, no timeline: no relay that uses the kernel's sockets and this cipher takes less. Three
children do the first part, the first two and all three; the differences are the parts.
"""

from __future__ import annotations

import json
import select
import socket
import statistics
import subprocess
import sys
import time
from typing import Any

import pylibsrtp

from gateway.demo.papers import free_port
from gateway.relay.path import SOL_UDP, UDP_SEGMENT
from gateway.relay.private import InPlaceSrtp
from tests.bench.ground import Ground, Load, NotStarted, python
from tests.bench.measure import machine

PICTURES_PER_S = 25
PACKET_BYTES = 1_192
"""Header and payload, as the gateway sends them."""

TAG_BYTES = 16
SETTLE_S = 0.5
PARTS = ("read", "protect", "send")
KEY = bytes(range(28))


def packets_of(load: Load) -> int:
    """Return how many packets of `PACKET_BYTES` the mean picture of *load* is."""
    return max(1, round(load.kbps * 125 / PICTURES_PER_S / PACKET_BYTES))


def camera(port: int, streams: int, packets: int) -> None:
    """Write one picture a period to each of *streams* connections, one after the other."""
    picture = bytes(packets * PACKET_BYTES)
    listener = socket.create_server(("127.0.0.1", port), backlog=streams)
    print("ready", flush=True)
    taken = [listener.accept()[0] for _ in range(streams)]
    step_s = 1 / PICTURES_PER_S / streams
    due_s = time.monotonic()
    while True:
        for each in taken:
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s += step_s
            try:
                each.sendall(picture)
            except ConnectionError:  # the relay is done
                return


def viewers(port: int, streams: int) -> None:
    """Drain *streams* ports from *port* on."""
    poll = select.epoll()
    sockets = {}
    for number in range(streams):
        each = socket.socket(type=socket.SOCK_DGRAM)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        each.setblocking(False)
        each.bind(("127.0.0.1", port + number))
        sockets[each.fileno()] = each
        poll.register(each, select.EPOLLIN)
    print("ready", flush=True)
    room = bytearray(65_536)
    while True:
        for descriptor, _ in poll.poll():
            try:
                while True:
                    sockets[descriptor].recv_into(room)
            except BlockingIOError:
                continue


class _Stream:
    """One picture at a time, from its socket to its viewer."""

    def __init__(self, source: int, viewer: int, packets: int, parts: int) -> None:
        self.source = socket.create_connection(("127.0.0.1", source))
        self._out = socket.socket(type=socket.SOCK_DGRAM)
        self._address = ("127.0.0.1", viewer)
        self._size_bytes = packets * PACKET_BYTES
        self._parts = parts
        policy = pylibsrtp.Policy(
            key=KEY,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
        policy.allow_repeat_tx = True  # nobody writes sequence numbers here
        self._srtp = InPlaceSrtp(pylibsrtp.Session(policy))
        self._view = memoryview(self._srtp.buffer)
        self._have = 0
        self._segment = (PACKET_BYTES + TAG_BYTES).to_bytes(2, sys.byteorder)
        self._starts = [number * (PACKET_BYTES + TAG_BYTES) for number in range(packets)]

    def go_on(self) -> int:
        """Read what is there; return the packets that went out."""
        self._have += self.source.recv_into(self._view[: self._size_bytes - self._have])
        if self._have < self._size_bytes:
            return 0
        self._have = 0
        if self._parts > 1:
            self._protect()
        if self._parts > 2:
            size = len(self._starts) * (PACKET_BYTES + TAG_BYTES)
            offload = ((SOL_UDP, UDP_SEGMENT, self._segment),)
            self._out.sendmsg((self._view[:size],), offload, 0, self._address)
        return len(self._starts)

    def _protect(self) -> None:
        srtp = self._srtp
        protect, handle, base, length = srtp.protect, srtp.handle, srtp.base, srtp.length
        buffer = srtp.buffer
        for start in self._starts:
            buffer[start] = 0x80
            length[0] = PACKET_BYTES
            if protect(handle, base + start, length):
                raise AssertionError("libsrtp refuses to protect a packet")


def relay(source: int, viewer: int, streams: int, packets: int, parts: int, seconds: float) -> None:
    """Do the first *parts* of the work for *seconds*; print processor time and packets."""
    poll = select.epoll()
    all_streams = {}
    for number in range(streams):
        each = _Stream(source, viewer + number, packets, parts)
        all_streams[each.source.fileno()] = each
        poll.register(each.source, select.EPOLLIN)

    def work(seconds: float) -> int:
        done, end_s = 0, time.monotonic() + seconds
        while time.monotonic() < end_s:
            for descriptor, _ in poll.poll():
                done += all_streams[descriptor].go_on()
        return done

    work(SETTLE_S)
    began_s = time.process_time()
    packets_out = work(seconds)
    cpu_s = time.process_time() - began_s
    print(json.dumps({"cpu_s": cpu_s, "packets": packets_out}), flush=True)


def _measured(load: Load, parts: int, seconds: float) -> float:
    """Return µs per packet of the first *parts*."""
    source, viewer, packets = free_port(), free_port(), packets_of(load)
    with Ground() as ground:
        module = "tests.bench.floor"
        ground.start(python(module, "viewers", viewer, load.streams), says="ready")
        ground.start(python(module, "camera", source, load.streams, packets), says="ready")
        asked = python(module, "relay", source, viewer, load.streams, packets, parts, seconds)
        done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise NotStarted(f"the floor with {load.streams} streams ended by itself")
    told = json.loads(done.stdout)
    return float(told["cpu_s"]) / int(told["packets"]) * 1e6


def floor(load: Load, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the least that *load* costs, in all and in parts; medians of *rounds*."""
    seen = [[_measured(load, parts, seconds) for parts in (1, 2, 3)] for _ in range(rounds)]
    middle = [statistics.median(column) for column in zip(*seen, strict=True)]
    shares = [middle[0], middle[1] - middle[0], middle[2] - middle[1]]
    return {
        "scenario": "floor",
        "streams": load.streams,
        "mbps": load.kbps / 1000,
        "rounds": rounds,
        "machine": machine(),
        "us_per_packet": round(middle[2], 2),
        "parts_us": {part: round(share, 2) for part, share in zip(PARTS, shares, strict=True)},
    }


ROLES = {"camera": camera, "viewers": viewers}

if __name__ == "__main__":
    role, *numbers = sys.argv[1:]
    if role == "relay":
        relay(*map(int, numbers[:-1]), seconds=float(numbers[-1]))
    else:
        ROLES[role](*map(int, numbers))
