"""What waits to be sent, and what has been sent and not acknowledged. No I/O.

At most ten publications are on their way at once; paho would flood its whole backlog at a
reconnect. A conflated topic has one on its way and one waiting at most, the newest.
"""

from __future__ import annotations

from collections import deque

from gateway.ports import Publication

IN_FLIGHT = 10
"""Publications on their way at once, whatever the broker allows."""

DIRECT_WAITING = 256
"""Direct publications that wait for room; more of them are dropped."""

CONFLATED_WAITING = 2048
"""Topics that wait for room; a site has 512 cameras at most."""


class Window:
    """Decides what goes next. Direct before conflated; the order within a topic is kept."""

    def __init__(self) -> None:
        self._direct: deque[Publication] = deque()
        self._conflated: dict[str, Publication] = {}
        self._sent: dict[int, Publication] = {}

    @property
    def waiting(self) -> int:
        """How many are not yet acknowledged or not yet sent."""
        return len(self._direct) + len(self._conflated) + len(self._sent)

    def offer(self, publication: Publication) -> bool:
        """Take *publication*; False if there is no room and it is dropped."""
        if publication.path == "direct":
            if len(self._direct) >= DIRECT_WAITING:
                return False
            self._direct.append(publication)
            return True
        if publication.topic not in self._conflated and len(self._conflated) >= CONFLATED_WAITING:
            return False
        self._conflated[publication.topic] = publication
        return True

    def next(self, limit: int) -> Publication | None:
        """Return what to send now, or None: nothing waits, or *limit* are on their way."""
        if len(self._sent) >= min(limit, IN_FLIGHT):
            return None
        if self._direct:
            return self._direct.popleft()
        busy = {each.topic for each in self._sent.values()}
        for topic in self._conflated:
            if topic not in busy:
                return self._conflated.pop(topic)
        return None

    def sent(self, number: int, publication: Publication) -> None:
        """Note that *publication* is on its way as packet *number*."""
        self._sent[number] = publication

    def settled(self, number: int) -> Publication | None:
        """Forget packet *number*, acknowledged or refused; return what it was."""
        return self._sent.pop(number, None)

    def broken(self) -> int:
        """The connection is gone; return how many direct publications went with it.

        What was conflated and not acknowledged waits again, unless a newer one does.
        """
        for publication in self._sent.values():
            if publication.path == "conflated":
                self._conflated.setdefault(publication.topic, publication)
        dropped = len(self._direct)
        dropped += sum(each.path == "direct" for each in self._sent.values())
        self._direct.clear()
        self._sent.clear()
        return dropped
