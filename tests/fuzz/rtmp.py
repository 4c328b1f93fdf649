"""Random bytes of an RTMP camera, whole and mutated, into the session, until the time is up.

    python -m tests.fuzz.rtmp SECONDS SEED

Each stream is made of captured sessions and words of RTMP, damaged at random, and fed in reads of
random length. Only errors of our tree may end it; a read costs a bounded number of calls; and
however the same bytes are cut, the same tags come out. Prints what was tried, and the seed of a
failure.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from random import Random

from gateway.model.errors import GatewayError
from gateway.model.reasons import Reason
from gateway.rtmp.chunks import MOST_VIDEO_BYTES, MessageType
from gateway.rtmp.session import HANDSHAKE_BYTES, PlaySession
from gateway.rtsp.budget import CameraBudget
from gateway.runtime.url_policy import Target
from tests.fixtures.calls import calls_of
from tests.fixtures.clock import FakeClock
from tests.fixtures.rtmp_camera import (
    CAPTURES,
    CONNECTED,
    CREATED,
    HANDSHAKE,
    PICTURES,
    STARTED,
    chunks,
    command,
    status,
)
from tests.fuzz.rtsp import damaged, reads

MAX_CALLS = 150_000
"""Calls of Python's that one read may cost: messages of one byte. Two such reads are `ABUSIVE`."""

TARGET = Target("rtmp", "h", "10.0.0.1", 1935, "/a/b", "rtmp://h/a/b", 1935)
CAPTURED = tuple(path.read_bytes() for path in sorted(CAPTURES.glob("*.bin")))
WORDS = (
    CONNECTED,
    CREATED,
    STARTED,
    PICTURES,
    status("NetStream.Play.Reset"),
    command("onBWDone", 0, None),
    command("x", 0, *[{"a": {"b": [None, True, 1.0]}}] * 20),
    chunks(MessageType.SET_CHUNK_SIZE, (4_096).to_bytes(4), number=2),
    chunks(MessageType.SET_CHUNK_SIZE, (64).to_bytes(4), number=2),
    chunks(MessageType.ABORT, (6).to_bytes(4), number=2),
    chunks(MessageType.WINDOW_SIZE, (1).to_bytes(4), number=2),
    chunks(MessageType.USER_CONTROL, b"\x00\x06abcd", number=2),
    chunks(MessageType.AUDIO, bytes(300), stream=1, number=4),
    chunks(
        MessageType.AGGREGATE, b"\x09\x00\x00\x02" + bytes(7) + b"\x17\x01" + bytes(4), stream=1
    ),
    chunks(MessageType.VIDEO, b"\x27\x01" + bytes(500), stream=1, time_ms=0x0100_0000, number=6),
    b"\x06" + bytes(3) + (MOST_VIDEO_BYTES).to_bytes(3) + b"\x09" + bytes(4),
    b"\xc6" * 200,
    b"\x06" + bytes(6) + b"\x09" + bytes(4),
)


def stream(random: Random) -> bytes:
    """Return what a camera might send."""
    if random.random() < 0.4:
        data = random.choice(CAPTURED)
        at = random.randrange(4_000, len(data))
        return data[: len(HANDSHAKE)] + damaged(data[len(HANDSHAKE) : at], random)
    greeting = HANDSHAKE + CONNECTED + CREATED + STARTED
    words = [random.choice(WORDS) * random.choice((1, 1, 1, 3, 60)) for _ in range(12)]
    words.append(random.randbytes(random.randint(1, 300)))
    head = damaged(greeting, random) if random.random() < 0.2 else greeting
    return head + damaged(b"".join(words), random)


def try_stream(seed: int) -> int:
    """Feed one stream, twice; return how many tags came out.

    Raises:
        AssertionError: A read costs too much, or the cuts change what comes out.
    """
    random = Random(seed)
    data = stream(random)
    outcomes: list[tuple[str, bytes]] = []
    for _ in range(2):
        session = PlaySession(
            TARGET, noise=bytes(HANDSHAKE_BYTES - 8), budget=CameraBudget(FakeClock())
        )
        tags: list[bytes] = []
        error = ""
        for piece in reads(data, random):
            try:
                count = calls_of(partial(_feed, session, piece, tags))
            except GatewayError as raised:
                error = raised.reason
                break
            assert count <= MAX_CALLS, f"{count} calls for {len(piece)} bytes"
        outcomes.append((error, b"" if error else b"".join(tags)))
    if Reason.ABUSIVE not in (
        outcomes[0][0],
        outcomes[1][0],
    ):  # which comes first, is a matter of cuts
        assert outcomes[0] == outcomes[1]
    return len(tags)


def _feed(session: PlaySession, piece: bytes, tags: list[bytes]) -> None:
    tags += session.feed(piece)


def fuzz(seconds: float, seed: int) -> int:
    """Return 1 if something fails, else 0 after *seconds*."""
    end_s = time.monotonic() + seconds
    streams = tags = 0
    while time.monotonic() < end_s:
        try:
            tags += try_stream(seed)
        except BaseException:
            print(f"seed {seed}", flush=True)
            raise
        streams, seed = streams + 1, seed + 1
    print(f"{streams} streams, {tags} tags")
    return 0


if __name__ == "__main__":
    given, first_seed = [*sys.argv[1:], *("60", "0")[len(sys.argv) - 1 :]]
    sys.exit(fuzz(float(given), int(first_seed)))
