"""What comes out of a container, and when."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import pytest

from gateway.demuxing.demuxer import (
    WHOLE_PICTURES,
    Changed,
    DemuxedPicture,
    Demuxer,
    NoCodec,
    NoContainer,
    NoVideo,
    ReplayedInput,
)
from gateway.demuxing.messages import FORMATS, ContainerFormat
from gateway.model.media import Codec
from tests.fixtures.containers import (
    STEP_90K,
    TsWriter,
    container,
    flv,
    flv_tags,
    muxed,
    sound,
    tag,
)

CHUNK = 188


class SlowPipe:
    """A pipe that gives *data* in small pieces, and tells how much of it was taken."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.taken = 0

    def read(self, count: int) -> bytes:
        """Return the next piece."""
        piece = self._data[self.taken : self.taken + min(count, CHUNK)]
        self.taken += len(piece)
        return piece


def pictures_of(data: bytes, container_format: ContainerFormat) -> list[DemuxedPicture]:
    return list(Demuxer(container_format, SlowPipe(data).read).pictures())


COMBINATIONS: list[tuple[ContainerFormat, Codec]] = [
    ("flv", "h264"),
    ("flv", "h265"),
    ("mpegts", "h264"),
    ("mpegts", "h265"),
    ("mpegts", "mpeg4"),
    ("mp4", "h264"),
    ("mp4", "h265"),
    ("mp4", "mpeg4"),
    ("mp4", "mjpeg"),
]


@pytest.mark.parametrize(("container_format", "codec"), COMBINATIONS)
def test_each_picture_comes_out_once(container_format: ContainerFormat, codec: Codec) -> None:
    """With its codec, 40 ms apart, the first with all that a decoder needs."""
    pictures = pictures_of(container(container_format, codec), container_format)

    assert {each.codec for each in pictures} == {codec}
    times = [each.time_90k for each in pictures]
    steps = [after - before for before, after in pairwise(times)]
    assert steps == [STEP_90K] * 29
    kinds = {nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 for nal in pictures[0].pieces}
    assert kinds >= {"h264": {7, 8, 5}, "h265": {32, 33, 34}}.get(codec, set())
    if codec == "mpeg4":
        assert b"\0\0\1\x20" in pictures[0].pieces[0]
    assert pictures[-1].skipped == 0


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_flv_holds_no_picture_back(codec: Codec) -> None:
    """A picture comes out when its last byte is in, long before the next is."""
    assert max(_held_back("flv", codec)) == 0


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_mp4_holds_no_picture_back(codec: Codec) -> None:
    """Where the camera makes a fragment of each; its muxer here writes one when the next comes."""
    assert set(_held_back("mp4", codec)[:-1]) == {1}


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_mpegts_waits_for_the_next_picture_to_begin(codec: Codec) -> None:
    """It does not say where one ends; for its end until the sender has shown how it sends."""
    held = _held_back("mpegts", codec)

    assert set(held[:WHOLE_PICTURES]) == {1}
    assert set(held[WHOLE_PICTURES:]) == {0}


def _held_back(container_format: ContainerFormat, codec: Codec) -> list[int]:
    """Return for each picture how many newer ones were wholly there when it came out."""
    made = muxed(container_format, codec)
    feed = SlowPipe(made.data)
    return [
        sum(end <= feed.taken for end in made.ends) - number
        for number, _ in enumerate(Demuxer(container_format, feed.read).pictures(), 1)
    ]


def test_pictures_sent_in_pieces_are_put_together() -> None:
    """A sender that cuts a picture into several PES, the later ones without time."""
    whole = pictures_of(container("mpegts"), "mpegts")
    cut = pictures_of(_cut_into_pes(whole), "mpegts")

    assert [each.pieces for each in cut] == [each.pieces for each in whole]
    assert [each.time_90k for each in cut] == [each.time_90k for each in whole]


def _cut_into_pes(pictures: list[DemuxedPicture]) -> bytes:
    """Return MPEG-TS with a PES of its own for each half of each picture."""
    out = TsWriter()
    for picture in pictures:
        data = b"".join(b"\0\0\0\1" + nal for nal in picture.pieces)
        half = len(data) // 2
        out.pes(data[:half], picture.time_90k)
        out.pes(data[half:], None)
    return out.data


def test_video_that_comes_late_is_found() -> None:
    """Behind sound, in a container that does not announce it."""
    data = flv(*(sound(time) for time in range(0, 800, 20)), *flv_tags(container("flv")))

    assert len(pictures_of(data, "flv")) == 30


def test_h265_by_the_number_that_recorders_use_is_found() -> None:
    """Codec 12 of FLV, which Adobe's text has not; the enhanced form says hvc1."""
    tags = [_numbered(each) for each in flv_tags(container("flv", "h265")) if each[0] == 9]
    pictures = pictures_of(flv(*tags), "flv")

    assert [each.codec for each in pictures] == ["h265"] * 30


def _numbered(given: bytes) -> bytes:
    """Return an FLV tag of H.265 in the enhanced form as one with codec 12."""
    body = given[11:-4]
    frame, kind = body[0] >> 4 & 7, body[0] & 0xF
    times = {0: b"\0\0\0\0", 1: b"\1" + body[5:8], 3: b"\1\0\0\0"}.get(kind, b"\2\0\0\0")
    rest = body[8:] if kind == 1 else body[5:]
    return tag(9, int.from_bytes(given[4:7]), bytes((frame << 4 | 12,)) + times + rest)


def test_times_of_b_frames_are_those_of_display() -> None:
    """In the order of decoding, as RTP has them."""
    times = [each.time_90k // STEP_90K for each in pictures_of(container("flv", b_frames=2), "flv")]

    assert times[:4] == [times[0], times[0] + 3, times[0] + 1, times[0] + 2]


@pytest.mark.parametrize("container_format", FORMATS)
def test_bytes_of_no_container_are_told(container_format: ContainerFormat) -> None:
    """Zeros for a while."""
    with pytest.raises((NoContainer, NoVideo)):
        pictures_of(bytes(3_000_000), container_format)


def test_sound_alone_is_told() -> None:
    """Behind a megabyte."""
    data = flv(*(sound(time, 2_000) for time in range(0, 20_000, 20)))

    with pytest.raises(NoVideo):
        pictures_of(data, "flv")


def test_a_codec_that_is_none_of_ours_is_named() -> None:
    """As FFmpeg calls it."""
    with pytest.raises(NoCodec, match="flv"):
        pictures_of(container("flv", "flv1"), "flv")


def test_a_stream_that_changes_its_headers_is_told() -> None:
    """What follows is of another encoder."""
    tags = flv_tags(container("flv"))
    other = flv_tags(container("flv", size=(320, 96)))

    with pytest.raises(Changed):
        pictures_of(flv(*tags, *other), "flv")


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_headers_that_come_once_more_change_nothing(codec: Codec) -> None:
    """Recorders send them before each keyframe, and behind the end of a sequence."""
    headers, *tags = [each for each in flv_tags(container("flv", codec)) if each[0] == 9]
    repeated = [each for picture in tags for each in (headers, picture)]

    assert len(pictures_of(flv(headers, *repeated), "flv")) == 30


@pytest.mark.parametrize(
    "data",
    [
        container("flv") + b"".join(flv_tags(container("flv", "h265"))),
        container("flv") + container("flv"),
        container("mpegts") + container("mpegts", "h265"),
        container("mpegts") + container("mpegts", options=(("mpegts_start_pid", "700"),)),
        container("mpegts") + container("mpegts", options=(("mpegts_service_id", "7"),)),
    ],
    ids=["codec in FLV", "file in FLV", "codec", "PID", "programme"],
)
def test_another_video_is_told_behind_the_one_before(data: bytes) -> None:
    """Not given out as if it were that, nor left out without a word."""
    demuxer = Demuxer("flv" if data.startswith(b"FLV") else "mpegts", SlowPipe(data).read)
    pictures: list[DemuxedPicture] = []

    with pytest.raises(Changed):
        pictures.extend(demuxer.pictures())

    assert [each.codec for each in pictures] == ["h264"] * 30


def test_sound_that_comes_later_changes_nothing() -> None:
    """Somebody has switched the microphone on."""
    data = container("mpegts") + container("mpegts", audio=True)

    assert len(pictures_of(data, "mpegts")) >= 59


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_picture_with_a_gap_is_left_out(codec: Codec) -> None:
    """And after a keyframe that was, all until the next."""
    made = muxed("mpegts", codec)
    lost = made.ends[9] // 188 * 188 + 188 * 5  # within the second keyframe
    pictures = pictures_of(made.data[:lost] + made.data[lost + 188 :], "mpegts")

    whole = pictures_of(made.data, "mpegts")
    missing = {each.time_90k for each in whole} - {each.time_90k for each in pictures}
    assert missing == {each.time_90k for each in whole[10:20]}
    assert pictures[-1].skipped == 10


def test_what_has_been_read_is_kept_until_the_streams_are_known() -> None:
    """And nothing of what comes behind: a camera may send sound for hours before a picture."""
    source = BytesIO(bytes(range(100)))
    replayed = ReplayedInput(source.read)
    first = replayed.read(10)
    replayed.rewind()

    replayed.forget()
    again = replayed.read(4) + replayed.read(50)
    replayed.read(50)

    assert again == first
    assert replayed.kept_bytes == 0
