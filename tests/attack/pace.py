"""How an attack holds its rate, is told to begin and to end, and says what it has sent."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable


class Pace:
    """Lets so many bytes pass in a second, after `begin`; what was missed is not caught up with.

    Args:
        bytes_per_s: The rate.
    """

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._next_s = time.monotonic()

    async def passed(self, sent_bytes: int) -> None:
        """Return when the next may follow on *sent_bytes*; others have their turn at each call."""
        now_s = time.monotonic()
        self._next_s = max(self._next_s, now_s - 0.1) + sent_bytes / self._bytes_per_s
        await asyncio.sleep(max(0.0, self._next_s - now_s))


def attack_until_told(attack: Callable[[Counter[str]], Awaitable[object]]) -> None:
    """Run *attack* from the first line on standard input to its end; print what it has counted.

    Before, ``ready`` is printed.
    """

    async def run() -> None:
        counts: Counter[str] = Counter()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        attacking = asyncio.ensure_future(attack(counts))
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read), name="stdin")
        await asyncio.wait((attacking, ended), return_when=asyncio.FIRST_COMPLETED)
        if attacking.done():
            await attacking  # it never ends by itself: raises
        attacking.cancel()
        await asyncio.wait((attacking,))
        print(json.dumps(counts), flush=True)

    asyncio.run(run())
