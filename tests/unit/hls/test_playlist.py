"""Playlists: what servers write, and what only a hostile one would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.hls.playlist import (
    MOST_BYTES,
    MOST_KEYS,
    MOST_LINE_CHARS,
    MOST_SEGMENTS,
    MOST_VARIANTS,
    MediaPlaylist,
    Segment,
    Variant,
    parse_playlist,
)
from gateway.rtp.packet import Malformed
from tests.fixtures.clock import cpu_time_ratio

BASE = "http://10.0.0.5/hls/cam/index.m3u8?token=t"
LIVE = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:41
#EXTINF:2.000000,
cam41.ts
#EXT-X-PROGRAM-DATE-TIME:2026-11-28T00:00:00Z
#EXTINF:1.960000,
/other/cam42.ts?x=1
"""
WORDS = [
    *LIVE.splitlines(),
    '#EXT-X-MAP:URI="init.mp4",BYTERANGE="10@0"',
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-DISCONTINUITY-SEQUENCE:7",
    '#EXT-X-KEY:METHOD=AES-128,URI="k"',
    "#EXT-X-KEY:METHOD",
    "#EXT-X-BYTERANGE:5@0",
    "#EXT-X-ENDLIST",
    '#EXT-X-STREAM-INF:BANDWIDTH=1e9,CODECS="avc1"',
    "#EXT-X-STREAM-INF:BANDWIDTH=inf",
    "#EXT-X-GAP",
    "#EXTINF:nan,",
    "#EXTINF:",
    "#EXTINF",
    '"',
    "\x00\ud7ff",
]


def media(text: str) -> MediaPlaylist:
    playlist = parse_playlist(text.encode(), BASE)
    assert isinstance(playlist, MediaPlaylist)
    return playlist


def test_a_live_playlist_is_read() -> None:
    """Numbers count from the media sequence; addresses are made absolute."""
    assert media(LIVE) == MediaPlaylist(
        (
            Segment(41, "http://10.0.0.5/hls/cam/cam41.ts", 2.0),
            Segment(42, "http://10.0.0.5/other/cam42.ts?x=1", 1.96),
        ),
        2.0,
        ended=False,
    )


def test_fragmented_mp4_names_what_stands_before_it() -> None:
    """And whatever ends, is left out, is encrypted, or part of a file."""
    text = LIVE.replace("#EXTINF:2.0", '#EXT-X-MAP:URI="init.mp4"\n#EXTINF:2.0')
    text += '#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n'
    text += "#EXT-X-BYTERANGE:5@0\n#EXTINF:2,\nlast\n#EXT-X-ENDLIST\n"

    first, _, last = media(text).segments

    assert first.init_url == "http://10.0.0.5/hls/cam/init.mp4"
    assert not any((first.discontinuity, first.encrypted, first.part, first.gap))
    assert last.discontinuity
    assert last.gap
    assert last.part == range(5)
    assert last.encrypted == "AES-128"
    assert media(text).ended


def test_parts_of_one_file_follow_each_other() -> None:
    """Without an offset a part begins where the one before has ended (RFC 8216 §4.3.2.2)."""
    text = LIVE + '#EXT-X-MAP:URI="all.mp4",BYTERANGE="900"\n'
    text += "#EXTINF:2,\n#EXT-X-BYTERANGE:100@900\nall.mp4\n"
    text += "#EXTINF:2,\n#EXT-X-BYTERANGE:50\nall.mp4\n"

    whole, *_, before, last = media(text).segments

    assert whole.part is None
    assert (before.init_part, before.part) == (range(900), range(900, 1_000))
    assert last.part == range(1_000, 1_050)


@pytest.mark.parametrize(
    "part", ["50", "0@5", "-5@0", "5@-1", "x", "5@0@0", "9" * 16, "5@" + "9" * 16]
)
def test_a_part_that_is_nowhere_is_malformed(part: str) -> None:
    """No beginning, nothing in it, or no number."""
    with pytest.raises(Malformed):
        media(f"{LIVE}#EXTINF:2,\n#EXT-X-BYTERANGE:{part}\nall.ts\n")


def test_a_key_that_says_none_encrypts_nothing() -> None:
    """RFC 8216 §4.3.2.4."""
    text = LIVE.replace("#EXTINF:2.0", "#EXT-X-KEY:METHOD=NONE\n#EXTINF:2.0")

    assert not any(each.encrypted for each in media(text).segments)


def test_a_master_playlist_is_read() -> None:
    """Also as go2rtc and MediaMTX write it."""
    text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=192000,CODECS="avc1.640029,mp4a.40.2"\n'
    text += "low.m3u8?id=1\n"
    text += "#EXT-X-STREAM-INF:BANDWIDTH=4000000\n\nhigh.m3u8\n"

    assert parse_playlist(text.encode(), BASE) == (
        Variant("http://10.0.0.5/hls/cam/low.m3u8?id=1", 192_000, "avc1.640029,mp4a.40.2"),
        Variant("http://10.0.0.5/hls/cam/high.m3u8", 4_000_000, ""),
    )


@pytest.mark.parametrize(
    "text",
    [
        LIVE.replace("\n", "\r\n"),
        "\ufeff" + LIVE,
        LIVE.replace("#EXT-X-TARGETDURATION:2\n", ""),
        LIVE.replace("2.000000,", "2"),
        LIVE.replace("DURATION:2", "DURATION:1.6"),
    ],
    ids=["crlf", "bom", "no-target", "no-comma", "broken-target"],
)
def test_what_servers_get_wrong_is_tolerated(text: str) -> None:
    """The two segments come out all the same."""
    playlist = media(text)

    assert [each.number for each in playlist.segments] == [41, 42]
    assert playlist.target_s == 2.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "#EXTM3U\n" + "#" * 10 + "x" * MOST_BYTES,
        "#EXTM3U\n#EXTINF:2,\n" + "x" * (MOST_LINE_CHARS + 1),
        "#EXTM3U\n" + "#EXTINF:2,\na\n" * (MOST_SEGMENTS + 1),
        "#EXTM3U\n" + "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n" * (MOST_VARIANTS + 1),
        "#EXTM3U\n" + "#EXT-X-KEY:METHOD=AES-128\n" * (MOST_KEYS + 1),
        "#EXTM3U\n#EXTINF:nan,\na",
        "#EXTM3U\n#EXTINF:-1,\na",
        "#EXTM3U\n#EXTINF:1e99,\na",
        "#EXTM3U\n#EXT-X-TARGETDURATION:600\n#EXTINF:2,\na",
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:x\n#EXTINF:2,\na",
        "#EXTM3U\n#EXT-X-KEY:METHOD\n#EXTINF:2,\na",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=inf\na",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",
    ],
)
def test_what_is_no_playlist_is_refused(text: str) -> None:
    """Or longer than any of a camera."""
    with pytest.raises(Malformed):
        parse_playlist(text.encode(), BASE)


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=60), max_size=20))
def test_any_lines_are_read_or_refused(lines: list[str]) -> None:
    """With our error only."""
    data = "\n".join(["#EXTM3U", *lines]).encode(errors="surrogatepass")
    try:
        parse_playlist(data, BASE)
    except Malformed:
        return


@pytest.mark.parametrize("line", ['#EXT-X-MAP:{}"', "#EXT-X-MAP:A={}", "#EXTINF:2,{}\na"])
@pytest.mark.parametrize("filling", ["'\"", '"', ",", "a=,", "=", "a"])
def test_reading_costs_by_the_byte(line: str, filling: str) -> None:
    """No line is dearer than its length: one twice as long costs about twice as much."""

    def read(length: int) -> None:
        text = line.format(filling * ((length - 40) // len(filling))) + "\n"
        for _ in range(10):
            try:
                parse_playlist(("#EXTM3U\n" + text).encode(), BASE)
            except Malformed:
                continue

    assert cpu_time_ratio(read, MOST_LINE_CHARS // 2, MOST_LINE_CHARS) < 3


def test_a_playlist_of_no_duration_is_not_asked_for_all_the_time() -> None:
    """Its target says when it is loaded again."""
    text = b"#EXTM3U\n#EXT-X-TARGETDURATION:0\n#EXTINF:0,\na.ts\n"

    playlist = parse_playlist(text, "http://camera/live.m3u8")

    assert isinstance(playlist, MediaPlaylist)
    assert playlist.target_s >= 0.1
