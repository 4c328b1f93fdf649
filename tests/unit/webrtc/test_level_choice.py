"""The order of choice, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.media import Codec
from gateway.model.quality import StreamQuality
from gateway.webrtc.level_choice import Choice, StreamFacts, choose

MAIN, SUB, TRANSCODED, REDUCED = StreamQuality

BROWSER: tuple[Codec, ...] = ("h264",)
MODERN: tuple[Codec, ...] = ("h264", "h265")


def main(codec: Codec | None, obstacle: str = "") -> StreamFacts:
    return StreamFacts(MAIN, codec, obstacle, 4e6)


def sub(codec: Codec | None, obstacle: str = "") -> StreamFacts:
    return StreamFacts(SUB, codec, obstacle, 1e6)


LARGE = replace(main("h265"), decodable=False)


def names(chosen: tuple[Choice, ...]) -> str:
    """``sub`` untouched, ``sub>`` transcoded, ``sub>>`` reduced."""
    marks = {TRANSCODED: ">", REDUCED: ">>"}
    return " ".join(each.source.value + marks.get(each.quality, "") for each in chosen)


@pytest.mark.parametrize(
    ("streams", "viewer", "transcoder", "line_bps", "levels"),
    [
        # untouched
        ((main("h264"), sub("h264")), BROWSER, True, None, "main sub sub> main>>"),
        ((main("h264"), sub("h264")), BROWSER, False, None, "main sub"),
        ((main("h264"), sub(None)), BROWSER, False, None, "main sub"),
        ((main("h264"),), BROWSER, True, None, "main main> main>>"),
        ((main("h265"), sub("h265")), MODERN, False, None, "main sub"),
        ((sub("h264"),), BROWSER, False, None, "sub"),
        # a codec that the viewer has not
        ((main("h265"), sub("h264")), BROWSER, True, None, "sub sub> sub>>"),
        ((main("h265"), sub("h264")), BROWSER, False, None, "sub"),
        ((main("h265"), sub("h265")), BROWSER, True, None, "sub> sub>>"),
        ((main("h265"),), BROWSER, True, None, "main> main>>"),
        ((main("h265"), sub("h265")), BROWSER, False, None, ""),
        # several codecs, each with its payload type
        ((main("h265"), sub("h264")), MODERN, True, None, "main sub sub> main>>"),
        ((main("h265"), sub("h265")), MODERN, True, None, "main sub sub> main>>"),
        # what no browser shows as it is
        ((main("h264", "B-frames"), sub("h264")), BROWSER, True, None, "sub sub> sub>>"),
        ((main("h264", "B-frames"),), BROWSER, True, None, "main> main>>"),
        ((main("h264", "interlace"), sub("h264", "interlace")), BROWSER, True, None, "sub> sub>>"),
        ((main("h264", "pixels that are not square"),), BROWSER, True, None, "main> main>>"),
        ((main("h264", "B-frames"), sub("h265")), BROWSER, False, None, "main"),
        # pictures too large to be decoded
        ((LARGE, sub("h264")), BROWSER, True, None, "sub sub> sub>>"),
        ((LARGE, sub("h265")), BROWSER, True, None, "sub> sub>>"),
        ((LARGE,), BROWSER, True, None, ""),
        ((LARGE, sub("h264")), MODERN, True, None, "main sub sub> sub>>"),
        ((LARGE,), MODERN, True, None, "main"),
        # a line that is known to be narrow
        ((main("h264"), sub("h264")), BROWSER, True, 2.5e6, "sub sub> main>>"),
        ((main("h264"),), BROWSER, True, 2.5e6, "main> main>>"),
        ((main("h264"),), BROWSER, False, 2.5e6, "main"),
        ((main("h264"), sub("h264")), BROWSER, False, 0.3e6, "main sub"),
    ],
)
def test_the_order(
    streams: tuple[StreamFacts, ...],
    viewer: tuple[Codec, ...],
    transcoder: bool,
    line_bps: float | None,
    levels: str,
) -> None:
    """Main, sub, transcoded; what cannot be shown is left out."""
    chosen = choose(streams, takes=viewer.__contains__, transcoder=transcoder, line_bps=line_bps)

    assert names(chosen) == levels


@pytest.mark.parametrize(
    ("streams", "asked", "levels"),
    [
        ((main("h264"), sub("h264")), MAIN, "main sub main> main>>"),
        ((main("h264"), sub("h264")), SUB, "sub sub> sub>>"),
        ((main("h265"), sub("h264")), MAIN, "main> main>>"),
        ((main("h264"), sub("h265")), SUB, "sub> sub>>"),
    ],
)
def test_a_viewer_that_asks_for_one_gets_that(
    streams: tuple[StreamFacts, ...], asked: StreamQuality, levels: str
) -> None:
    """As it is or transcoded; a lesser one only where the line is narrow."""
    chosen = choose(streams, takes=BROWSER.__contains__, transcoder=True, asked=asked)

    assert names(chosen) == levels


def test_a_viewer_that_takes_nothing_gets_nothing() -> None:
    """A transcode is H.264 as well."""
    assert choose((main("h264"),), takes=lambda _: False, transcoder=True) == ()


def test_the_reduced_picture_is_made_of_the_cheapest_that_is_open() -> None:
    """The viewer waits for it; to open the sub-stream costs a second and its keyframe two more."""
    streams = (main("h264"), replace(sub("h264"), playing=True))

    chosen = choose(streams, takes=BROWSER.__contains__, transcoder=True)

    assert names(chosen) == "main sub sub> sub>>"
