"""The levels of a viewer's picture."""

from gateway.model.quality import StreamQuality, ViewLevel


def test_every_stream_is_a_level_and_below_them_are_the_keyframes() -> None:
    """The order is the order in which a viewer goes down."""
    assert [level.stream for level in ViewLevel] == [*StreamQuality, None]
