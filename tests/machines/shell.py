"""Commands to a shell at the other end of a serial line, and their output back, whole.

A line that is typed has at most 4096 bytes (termios(3), canonical mode) and the terminal may add
bytes of its own, so commands go over in pieces of base64 and their output comes back as base64
between two marks that are new each time. The marks are typed with quotes inside, so that an echo of
what was typed is not taken for them.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PIECE = 3000
"""Characters of base64 in one line."""

MOST_OUTPUT_BYTES = 4 << 20

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_STATUS = re.compile(rb"(\d{1,3})\.")


class ShellLost(Exception):
    """The shell did not answer in time, or not in its words."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has left.

    Attributes:
        status: Its exit status; 124 if it was ended because its time was up.
        output: Standard output and standard error, as they came, without space around.
    """

    status: int
    output: str


class Line:
    """One shell at the end of a line.

    Args:
        send: Writes bytes to the line.
        receive: Returns the next bytes, empty when none came within the seconds it is given.
        folder: Where the other end may write three files.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        receive: Callable[[float], bytes],
        folder: str = "/run",
    ) -> None:
        self._send = send
        self._receive = receive
        self._at = f"{folder}/machine-test"
        self._buffer = b""

    def greet(self, within_s: float) -> bool:
        """Return whether the shell answers within *within_s* seconds."""
        mark = secrets.token_hex(6)
        self._send(f"\necho {_quoted(mark)}\n".encode())
        return self._until(mark.encode(), within_s) is not None

    def run(self, command: str, within_s: float) -> Done:
        """Run *command*, which may have several lines, for at most *within_s* seconds.

        Raises:
            ShellLost: No answer, or none that can be read.
        """
        begin, end = secrets.token_hex(6), secrets.token_hex(6)
        for line in typed(command, within_s, begin, end, self._at):
            self._send(line)
        patience_s = within_s + 60
        if self._until(begin.encode(), patience_s) is None:
            raise ShellLost(f"no answer to {command[:120]!r} within {patience_s:g} s")
        body = self._until(end.encode(), patience_s)
        status = None if body is None else self._status()
        if body is None or status is None:
            raise ShellLost(f"no end of the answer to {command[:120]!r}")
        return Done(status, decoded(body))

    def _status(self) -> int | None:
        """Return the exit status, which comes after the second mark."""
        while not (found := _STATUS.search(self._buffer)):
            got = self._receive(20)
            if not got:
                return None
            self._buffer += got
        self._buffer = self._buffer[found.end() :]
        return int(found[1])

    def _until(self, mark: bytes, within_s: float) -> bytes | None:
        """Return what comes before *mark*; None if it does not come in time."""
        while (at := self._buffer.find(mark)) == -1:
            if len(self._buffer) > 2 * MOST_OUTPUT_BYTES:
                raise ShellLost("an answer without an end")
            got = self._receive(within_s)
            if not got:
                return None
            self._buffer += got
        before = self._buffer[:at]
        self._buffer = self._buffer[at + len(mark) :]
        return before


def typed(command: str, within_s: float, begin: str, end: str, at: str) -> Iterator[bytes]:
    """Yield the lines that make a shell run *command* and frame its output; *at* begins files."""
    raw = base64.b64encode(command.encode()).decode()
    yield f": > {at}.64\n".encode()
    for start in range(0, len(raw), PIECE):
        yield f"printf %s {raw[start : start + PIECE]} >> {at}.64\n".encode()
    yield (
        f"base64 -d {at}.64 > {at}.sh;"
        f" timeout -k 5 {within_s:g} bash {at}.sh </dev/null >{at}.out 2>&1;"
        f" rc=$?; echo {_quoted(begin)};"
        f" head -c {MOST_OUTPUT_BYTES} {at}.out | base64 -w0; echo;"
        f" echo {_quoted(end)} $rc.\n"
    ).encode()


def decoded(body: bytes) -> str:
    """Return the text whose base64 is in *body*, among whatever a terminal has added.

    Raises:
        ShellLost: It is no base64.
    """
    try:
        raw = base64.b64decode(_NOT_BASE64.sub(b"", body), validate=True)
    except binascii.Error as error:
        raise ShellLost(f"an answer that is no base64: {body[:80]!r}") from error
    return raw.decode(errors="replace").strip()


def _quoted(mark: str) -> str:
    half = len(mark) // 2
    return f"{mark[:half]}''{mark[half:]}"
