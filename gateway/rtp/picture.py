"""A coded picture that is no NAL units, and what makes it out of RTP payloads.

Such pictures never go to a viewer as they are; they are transcoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MAX_PICTURE_BYTES = 8 << 20
"""As much as one access unit may have."""
MAX_HEAD_BYTES = 1024
"""As much as is kept with a stream to tell its size (`gateway.streams.stream`)."""


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One picture.

    Attributes:
        head: What a decoder needs in front of it: JPEG segments, MPEG-4 headers. May be empty.
        body: The picture itself.
        keyframe: Whether a decoder that knows nothing can start here.
    """

    head: bytes
    body: bytes
    keyframe: bool

    @property
    def payloads(self) -> tuple[bytes, ...]:
        """As an access unit holds it: joined they are what a decoder takes."""
        return (self.head, self.body) if self.head else (self.body,)


class PictureAssembler(Protocol):
    """Makes one picture after the other out of RTP payloads."""

    @property
    def begun(self) -> bool:
        """Whether a picture has."""
        ...

    @property
    def keyframe(self) -> bool:
        """Whether the picture that has begun is a keyframe, as far as that is known."""
        ...

    def continues(self, payload: bytes) -> bool:
        """Return whether *payload* is the rest of a picture, not the beginning of one."""
        ...

    def push(self, payload: bytes, extension: tuple[int, bytes] | None = None) -> None:
        """Add the next payload; *extension*: profile and body of the RTP header extension.

        Raises:
            Malformed: It does not follow the one before, or is none.
        """
        ...

    def build(self) -> tuple[CodedPicture, ...]:
        """Return the picture, whose last payload has come; several that have come as one.

        Raises:
            Malformed: It is none.
        """
        ...

    def clear(self) -> None:
        """Forget the picture that has begun."""
        ...
