"""The child: reads a task, decodes one picture, answers, forgets. ``python -I -m`` runs it.

It keeps nothing from task to task, knows no camera and no password, and when the first picture
comes it can open no file, no socket and no process.
It ends when its standard input does.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from gateway.codec.confine import confine, grant_time
from gateway.codec.pipe import (
    REQUEST_BYTES,
    Garbled,
    Head,
    Status,
    pack_reply,
    read_head,
)
from gateway.codec.seccomp import only_compute


def main() -> int:
    """Serve until the parent has closed the pipe; return the exit code."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints must not stand between the replies
    missing = confine(int(sys.argv[1]))
    grant_time()

    from gateway.codec.task import perform, rehearse  # FFmpeg and OpenCV: behind the limits

    rehearse()
    if not only_compute():
        missing.append("calls")
    _write(replies, pack_reply(Status.READY, " ".join(missing).encode()))
    tasks = sys.stdin.buffer
    while len(raw := tasks.read(REQUEST_BYTES)) == REQUEST_BYTES:
        try:
            head = read_head(raw)
        except Garbled:
            return 1
        reference, coded = _body(tasks, head)
        if len(coded) < head.coded:
            break
        grant_time()
        _write(replies, pack_reply(*perform(head, reference, coded)))
    return 0


def _body(tasks: BinaryIO, head: Head) -> tuple[bytes, bytes]:
    return tasks.read(head.reference), tasks.read(head.coded)


def _write(pipe: BinaryIO, reply: bytes) -> None:
    left = memoryview(reply)
    while left:
        left = left[pipe.write(left) :]


if __name__ == "__main__":
    sys.exit(main())
