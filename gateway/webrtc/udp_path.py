"""Sends packets to one viewer: many per system call where the kernel can (UDP GSO), else singly."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any

from gateway.webrtc.aiortc_compat import Address

SOL_UDP = 17
UDP_SEGMENT = 103
"""``linux/udp.h``: the kernel splits one buffer into datagrams of this size (since Linux 4.18)."""

SEGMENTS = 64
BATCH_BYTES = 65_000
"""The kernel's limits for one batch: 64 segments, and less than 64 KiB with headers."""

SO_MEMINFO = 55
"""``asm-generic/socket.h``: nine counters of a socket (since Linux 4.12)."""

_MEMINFO = struct.Struct("=9I")
_DROPS = 8
"""``linux/sock_diag.h``, SK_MEMINFO_DROPS."""

_NO_OFFLOAD = frozenset({errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EPERM})

_segment = struct.Struct("=H").pack


class UdpPath:
    """Sends protected packets to the nominated address of a viewer.

    Args:
        transport: aioice's datagram transport (with a socket of its own) or TURN transport.
        address: The viewer's.

    Attributes:
        offload: Whether batches are sent with segmentation offload. Falls to False for good
            when the kernel or the device refuses it.
        blocked: Sends for which the kernel's buffer was full.
        failed: Sends that failed otherwise (no route, port unreachable).
    """

    def __init__(self, transport: Any, address: Address) -> None:
        self.address = address
        self.transport = transport
        self.blocked = 0
        self.failed = 0
        own = transport.get_extra_info("socket")
        # A descriptor of our own: asyncio wraps its socket and offers no `sendmsg`.
        self._socket = None if own is None else socket.socket(fileno=os.dup(own.fileno()))
        self.offload = self._socket is not None
        if self._socket is not None:
            self._socket.setblocking(False)

    @property
    def over_turn(self) -> bool:
        """Whether packets go through a TURN server, without a socket of our own."""
        return self._socket is None

    @property
    def descriptor(self) -> int:
        """File descriptor of the socket; -1 without one."""
        return -1 if self._socket is None else self._socket.fileno()

    def inbound_overflows(self) -> int:
        """Return how many datagrams the kernel has dropped at our port because it was full.

        0 where that is not known: over TURN, and once the path is closed.
        """
        if self._socket is None:
            return 0
        try:
            raw = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
        except OSError:  # before Linux 4.12
            return 0
        return int(_MEMINFO.unpack(raw)[_DROPS]) if len(raw) == _MEMINFO.size else 0

    def close(self) -> None:
        """Close the descriptor."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self.offload = False

    def send(self, packet: bytes | bytearray | memoryview) -> bool:
        """Send one packet; False if the kernel's buffer is full. Other failures are counted."""
        if self._socket is None:
            # TURN sends it later, so it needs bytes of its own.
            self.transport.sendto(bytes(packet), self.address)
            return True
        try:
            self._socket.sendto(packet, self.address)
        except BlockingIOError:
            self.blocked += 1
            return False
        except OSError:
            self.failed += 1
        return True

    def send_batch(self, batch: memoryview, segment_bytes: int) -> bool:
        """Send *batch*, packets of *segment_bytes* each but the last, which may be shorter.

        Returns:
            False if the kernel's buffer was too full for all of it.
        """
        if not self.offload or len(batch) <= segment_bytes:
            return self._send_singly(batch, segment_bytes)
        assert self._socket is not None
        try:
            self._socket.sendmsg(
                (batch,), ((SOL_UDP, UDP_SEGMENT, _segment(segment_bytes)),), 0, self.address
            )
        except BlockingIOError:
            self.blocked += 1
            return False
        except OSError as error:
            if error.errno in _NO_OFFLOAD or error.errno == errno.EMSGSIZE:
                self.offload = False
                return self._send_singly(batch, segment_bytes)
            self.failed += 1
        return True

    def _send_singly(self, batch: memoryview, segment_bytes: int) -> bool:
        for at in range(0, len(batch), segment_bytes):
            if not self.send(batch[at : at + segment_bytes]):
                return False
        return True
