"""A connected socket for paho: buffered, and it stores the error that ended it.

paho reads a packet's head byte by byte, does not see what TLS has already decrypted, and turns
errors into a bare "connection lost". Here one system call fills a buffer, and a turn of the event
loop ends after a megabyte.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

CHUNK_BYTES = 65_536
CHUNKS_PER_TURN = 16
"""How many chunks are read before the event loop gets its turn."""


class BufferedSocket:
    """What paho takes for a socket.

    Attributes:
        drained: Whether the last read found nothing; then the turn is over.
        error: What ended the connection, if anything did.
        received_s: When something was last read, by *now*.
    """

    def __init__(self, sock: socket.socket, now: Callable[[], float]) -> None:
        self._sock = sock
        self._now = now
        self._buffer = b""
        self._at = 0
        self._chunks = 0
        self.drained = False
        self.error: OSError | None = None
        self.received_s = now()

    def start_turn(self) -> None:
        """A new turn of the loop begins."""
        self.drained = False
        self._chunks = 0

    def recv(self, size: int) -> bytes:
        """Return up to *size* bytes; nothing at the end. Raises BlockingIOError when dry."""
        if self._at == len(self._buffer):
            self._fill()
        taken = self._buffer[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """Return how much of *data* was accepted. Raises BlockingIOError when nothing was."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except OSError as error:
            self.error = error
            raise

    def pending(self) -> int:
        """Return how much can be read without asking the kernel."""
        unpacked = self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0
        return len(self._buffer) - self._at + unpacked

    def setblocking(self, flag: bool) -> None:
        self._sock.setblocking(flag)

    def settimeout(self, timeout_s: float) -> None:
        self._sock.settimeout(timeout_s)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        """Close; a thread that still reads is woken."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _fill(self) -> None:
        self._chunks += 1
        if self._chunks > CHUNKS_PER_TURN:
            self.drained = True
            raise BlockingIOError
        try:
            self._buffer, self._at = self._sock.recv(CHUNK_BYTES), 0
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self.drained = True
            raise BlockingIOError from None
        except OSError as error:
            self.error = error
            raise
        if self._buffer:
            self.received_s = self._now()
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Tell the peer's kernel at once that its bytes are here.

        A broker that leaves Nagle's algorithm on (Mosquitto's default) keeps a message back until
        what it sent before is acknowledged, which ours would delay by 40 ms. The kernel soon
        forgets what is asked here.
        """
        with suppress(OSError):  # not TCP, in tests; or gone, which the next read tells
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
