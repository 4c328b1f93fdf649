"""Where another video begins within a container."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demuxing.announced_video import announced_video
from gateway.demuxing.messages import FORMATS, ContainerFormat
from tests.fixtures.calls import calls_of
from tests.fixtures.containers import TsWriter, container, flv, sound, tag


def same(container_format: ContainerFormat, data: bytes, cut: int | None = None) -> int:
    """Return how many bytes of *data*, read *cut* at a time, come before another video."""
    looking = announced_video(container_format)
    taken = 0
    for at in range(0, len(data), cut or len(data) or 1):
        piece = data[at : at + (cut or len(data))]
        count = looking.same(piece)
        taken += count
        if count < len(piece):
            break
    return taken


CHANGES: dict[str, tuple[ContainerFormat, bytes, bytes]] = {
    "codec in FLV": ("flv", container("flv"), tag(9, 0, b"\x90hvc1" + bytes(9))),
    "number in FLV": ("flv", container("flv"), tag(9, 0, b"\x1c\x01\0\0\0" + bytes(9))),
    "codec in MPEG-TS": ("mpegts", TsWriter().data, TsWriter(0x24).data[188:]),
}


@pytest.mark.parametrize("cut", [None, 1, 187, 188, 1_000])
@pytest.mark.parametrize("name", CHANGES)
def test_the_place_is_told_however_the_bytes_are_cut(name: str, cut: int | None) -> None:
    """Not before it, and at most a packet or the head of a tag behind it."""
    container_format, before, behind = CHANGES[name]

    taken = same(container_format, before + behind, cut)

    assert len(before) <= taken < len(before) + 188


@pytest.mark.parametrize("container_format", FORMATS)
@pytest.mark.parametrize("cut", [None, 7, 188])
def test_one_video_is_the_same_to_its_end(
    container_format: ContainerFormat, cut: int | None
) -> None:
    """With sound beside it."""
    data = container(container_format, audio=True)

    assert same(container_format, data, cut) == len(data)


@pytest.mark.parametrize(
    ("container_format", "data"),
    [
        ("flv", container("flv") + tag(9, 0, b"") + tag(18, 0, b"\x02") + sound(0)),
        ("flv", container("flv") + tag(9, 0, b"\x57\x00") + tag(9, 0, b"\x96\x00avc1\0\0")),
        ("flv", container("flv") + tag(9, 0, b"\x17\x02\0\0\0")),
        ("mpegts", container("mpegts")[100:] + b"noise" + container("mpegts")),
        ("mpegts", TsWriter().data + TsWriter().data.replace(b"\x1b\xe1", b"\x24\xe1")),
        ("mpegts", TsWriter().data + TsWriter(0x0F).data),
    ],
    ids=["empty tags", "commands", "the end of a sequence", "noise", "damaged", "no video"],
)
def test_what_announces_nothing_new_is_the_same(
    container_format: ContainerFormat, data: bytes
) -> None:
    """Tags without a picture, tables that are damaged or name no video."""
    assert same(container_format, data) == len(data)


@given(st.binary(max_size=3_000), st.sampled_from(FORMATS), st.integers(1, 400))
def test_no_bytes_do_any_harm(raw: bytes, container_format: ContainerFormat, cut: int) -> None:
    """Behind what is whole, in any cut."""
    data = (flv() if container_format == "flv" else TsWriter().data) + raw

    assert 0 <= same(container_format, data, cut) <= len(data)


@pytest.mark.parametrize("container_format", FORMATS)
def test_nothing_is_dearer_than_its_length(container_format: ContainerFormat) -> None:
    """Sync bytes, of which each could begin a packet."""
    once, twice = (b"G" * length for length in (200_000, 400_000))

    assert calls_of(lambda: same(container_format, twice, 4_096)) < 2.2 * calls_of(
        lambda: same(container_format, once, 4_096)
    )
