"""How good a viewer's picture is: which stream it comes from, and how much of that is sent."""

from __future__ import annotations

from enum import StrEnum


class StreamQuality(StrEnum):
    """Which stream of a camera, best first. The value is what is sent.

    ``MAIN`` and ``SUB`` are the camera's own, untouched; ``TRANSCODED`` is made here of one of
    them, and so is ``REDUCED``: a small picture, a few times a second, for a very narrow line.
    """

    MAIN = "main"
    SUB = "sub"
    TRANSCODED = "transcoded"
    REDUCED = "reduced"


class ViewLevel(StrEnum):
    """What one viewer is sent, best first. The value is what is sent.

    All pictures of one stream (`StreamQuality`), or of the cheapest stream the keyframes only.
    """

    MAIN = "main"
    SUB = "sub"
    TRANSCODED = "transcoded"
    REDUCED = "reduced"
    KEYFRAMES = "keyframes"

    @property
    def stream(self) -> StreamQuality | None:
        """The stream of which all pictures are sent; None: only keyframes are."""
        return None if self is ViewLevel.KEYFRAMES else StreamQuality(self.value)
