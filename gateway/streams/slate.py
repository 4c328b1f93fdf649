"""What stands in for a stream that does not come."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.reasons import Reason
from gateway.streams.stream import Stream


@dataclass(frozen=True, slots=True)
class Slate:
    """A picture a second that says why there is no other.

    Attributes:
        reason: What it says.
        stream: Who reads it is sent it.
    """

    reason: Reason
    stream: Stream
