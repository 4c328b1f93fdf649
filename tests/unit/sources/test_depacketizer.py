"""RTP packets into access units, by what cameras really send and by what they do wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import SourceUnavailable
from gateway.model.media import AccessUnit, Codec, SourceCounters, VideoFormat
from gateway.rtp.codecs import CODEC_SYNTAX, packetise
from gateway.rtp.packet import build_header
from gateway.rtp.payload import annex_b, nal_units
from gateway.sources import access_unit_builder
from gateway.sources.access_unit_builder import BARE_S
from gateway.sources.depacketizer import Depacketizer
from gateway.sources.marker_trust import MarkerTrust
from gateway.sources.timeline import Timeline
from tests.fixtures.captures import NAMES, codec_of, decode, packets_of, pictures_of, sets_of

# An SPS and a PPS of x264 (320x180), and slices with a body.
SPS, PPS = sets_of("h264-plain")
IDR, P = b"\x65\x88" + b"i" * 50, b"\x41\x9a" + b"p" * 50
IDR_REST, P_REST = b"\x65\x48" + b"r" * 20, b"\x41\x48" + b"r" * 20
BIG = b"\x65\x88" + bytes(range(1, 251)) * 20


class Camera:
    """Makes packets as a camera does, and gives them to a depacketizer.

    Args:
        known: Whether its markers have been found to be true before.
    """

    def __init__(
        self,
        codec: Codec = "h264",
        sets: tuple[bytes, ...] = (),
        limit: int = 1180,
        *,
        known: bool = True,
    ):
        self.counters = SourceCounters()
        markers = MarkerTrust()
        if known:
            markers.confirm()
        self.depacketizer = Depacketizer(
            VideoFormat(codec, sets),
            payload_type=96,
            timeline=Timeline(self.counters),
            counters=self.counters,
            payload_bytes=limit,
            markers=markers,
        )
        self.seq = 65_534
        self.time = 2**32 - 3_000

    def packet(self, payload: bytes, *, marker: bool = False, payload_type: int = 96) -> bytes:
        """Return the next packet."""
        self.seq += 1
        return build_header(payload_type, marker, self.seq, self.time, 7) + payload

    def picture(self, *payloads: bytes, marker: bool = True, ticks: int = 3_600) -> list[bytes]:
        """Return the packets of the next picture."""
        self.time += ticks
        last = len(payloads) - 1
        return [self.packet(one, marker=marker and n == last) for n, one in enumerate(payloads)]

    def take(self, *packets: bytes) -> list[AccessUnit]:
        return self.depacketizer.push_packets(list(packets), 1.0)


def nals(unit: AccessUnit, codec: Codec = "h264") -> list[bytes]:
    return list(nal_units(CODEC_SYNTAX[codec].payload_format, unit.payloads))


@pytest.mark.parametrize("limit", [500, 1180, 1400])
@pytest.mark.parametrize("name", NAMES)
def test_a_capture_decodes_to_the_same_pictures(name: str, limit: int) -> None:
    """Whatever GStreamer made of x264 and x265: the same pictures, every payload within limit."""
    codec = codec_of(name)
    camera = Camera(codec, sets_of(name), limit)

    units = camera.take(*packets_of(name))

    assert decode([annex_b(nals(unit, codec)) for unit in units], codec) == pictures_of(name)
    assert max(len(payload) for unit in units for payload in unit.payloads) <= limit
    assert camera.counters.lost == camera.counters.discarded == 0
    assert all(unit.size_bytes == sum(map(len, unit.payloads)) for unit in units)


@pytest.mark.parametrize("name", [name for name in NAMES if "refresh" not in name])
def test_a_decoder_can_start_at_every_keyframe(name: str) -> None:
    """Cut off before a keyframe, the stream still decodes from its first picture on."""
    codec = codec_of(name)

    units = Camera(codec, sets_of(name)).take(*packets_of(name))

    starts = [index for index, unit in enumerate(units) if unit.keyframe]
    for start in starts:
        rest = [annex_b(nals(unit, codec)) for unit in units[start:]]
        shown = decode(rest, codec)
        assert shown == pictures_of(name)[-len(shown) :]
        assert len(shown) >= len(rest) - (3 if name == "h265-bframes" else 0)  # its GOPs are open
    assert len(starts) == -(-len(units) // 10)


def test_one_packet_at_a_time_is_the_same_as_all_at_once() -> None:
    """Reads may end anywhere; the units do not depend on it."""
    packets = packets_of("h264-plain")

    one_by_one = Camera()
    units = [unit for packet in packets for unit in one_by_one.take(packet)]

    assert units == Camera().take(*packets)


def test_the_usual_pictures() -> None:
    """Sets and IDR make a keyframe, slices one picture, the marker ends it."""
    camera = Camera()

    units = camera.take(*camera.picture(SPS, PPS, IDR, IDR_REST), *camera.picture(P, P_REST))

    assert [nals(unit) for unit in units] == [[SPS, PPS, IDR, IDR_REST], [P, P_REST]]
    assert [unit.keyframe for unit in units] == [True, False]
    assert [unit.time_90k for unit in units] == [0, 3_600]
    assert camera.counters == SourceCounters(
        packets=6,
        received_bytes=6 * 12 + len(SPS + PPS + IDR + IDR_REST + P + P_REST),
        units=2,
        keyframes=1,
    )


def test_without_markers_the_next_time_ends_a_picture() -> None:
    """Some recorders never set the marker."""
    camera = Camera()

    units = camera.take(
        *camera.picture(SPS, PPS, IDR, marker=False),
        *camera.picture(P, P_REST, marker=False),
        *camera.picture(P, marker=False),
    )

    assert [nals(unit) for unit in units] == [[SPS, PPS, IDR], [P, P_REST]]


def test_without_markers_and_times_the_next_first_slice_ends_a_picture() -> None:
    """Pictures of equal times are told apart by their first slices, one tick between them."""
    camera = Camera()

    units = camera.take(
        *camera.picture(SPS, PPS, IDR, marker=False, ticks=0),
        *camera.picture(P, P_REST, marker=False, ticks=0),
        *camera.picture(P, marker=False, ticks=0),
    )

    assert [nals(unit) for unit in units] == [[SPS, PPS, IDR], [P, P_REST]]
    assert [unit.time_90k for unit in units] == [0, 1]


def test_a_marker_on_parameter_sets_makes_no_picture() -> None:
    """What has no slice is put before the next picture, whatever time it came with."""
    camera = Camera()

    units = camera.take(
        *camera.picture(SPS), *camera.picture(PPS), *camera.picture(IDR), *camera.picture(P)
    )

    assert [nals(unit) for unit in units] == [[SPS, PPS, IDR], [P]]
    assert units[0].keyframe


def test_markers_on_every_slice_are_seen_through() -> None:
    """After one picture with a slice behind its marker, markers are not believed any more."""
    camera = Camera(sets=(SPS, PPS))
    for _ in range(3):
        units = camera.take(*camera.picture(P), camera.packet(P_REST, marker=True))

    units += camera.take(*camera.picture(P))

    assert [nals(unit) for unit in units] == [[P, P_REST], [P, P_REST]]


def test_a_keyframe_gets_the_parameter_sets_of_the_sdp() -> None:
    """A camera that never repeats them in band still gives places to join."""
    camera = Camera(sets=(SPS, PPS))

    (unit,) = camera.take(*camera.picture(IDR))

    assert nals(unit) == [SPS, PPS, IDR]
    assert len(unit.payloads) == 2
    assert unit.keyframe
    assert unit.size_bytes == sum(map(len, unit.payloads))


def test_a_keyframe_gets_the_parameter_sets_last_seen() -> None:
    """Newer sets of the band replace those of the SDP."""
    newer = PPS[:-1] + b"\x2e"
    camera = Camera(sets=(SPS, PPS))

    camera.take(*camera.picture(SPS, newer, IDR))
    (unit,) = camera.take(*camera.picture(IDR))

    assert nals(unit) == [SPS, newer, IDR]


def test_an_idr_without_parameter_sets_is_no_keyframe() -> None:
    """Nobody can start there, so nobody is told to."""
    camera = Camera()

    (unit,) = camera.take(*camera.picture(IDR))

    assert not unit.keyframe


def test_a_camera_that_never_sends_parameter_sets_is_told() -> None:
    """After half a minute in which keyframes come: no decoder will ever begin."""
    camera = Camera(sets=(SPS,))
    take = camera.depacketizer.push_packets
    take(camera.picture(IDR) + camera.picture(P), 1.0)
    take(camera.picture(P), 1.0 + BARE_S)

    with pytest.raises(SourceUnavailable, match="parameter sets"):
        take(camera.picture(IDR) + camera.picture(P), 1.0 + BARE_S)


def test_a_lost_packet_drops_its_picture_only() -> None:
    """A P picture with a gap goes, with all its packets; the next goes out."""
    camera = Camera()
    camera.take(*camera.picture(SPS, PPS, IDR))
    broken = camera.picture(*packetise([P + bytes(3_000)], "h264", 1_000))

    units = camera.take(broken[0], *broken[2:], *camera.picture(P))

    assert [nals(unit) for unit in units] == [[P]]
    assert camera.counters.lost == 1
    assert camera.counters.discarded == len(broken) - 1


@pytest.mark.parametrize("missing", range(6))
def test_after_a_broken_keyframe_all_wait_for_the_next(missing: int) -> None:
    """Whichever of its fragments is lost, no keyframe is announced and no P picture follows."""
    camera = Camera(sets=(SPS, PPS))
    camera.take(*camera.picture(IDR))
    packets = camera.picture(*packetise([BIG], "h264", 1_000))
    del packets[missing]

    lost = camera.take(*packets, *camera.picture(P), *camera.picture(P))
    found = camera.take(*camera.picture(IDR), *camera.picture(P))

    assert lost == []
    assert [unit.keyframe for unit in found] == [True, False]


def test_a_loss_across_two_pictures_drops_both() -> None:
    """The end of one and the beginning of the next are gone: neither is whole."""
    camera = Camera()
    one, two = camera.picture(P, P_REST), camera.picture(P, P_REST)

    units = camera.take(one[0], two[1], *camera.picture(P))

    assert [nals(unit) for unit in units] == [[P]]
    assert camera.counters.lost == 2


def test_joining_in_the_middle_of_a_picture_delivers_none_of_it() -> None:
    """The first packets of a session may be the rest of a picture."""
    camera = Camera()
    packets = camera.picture(*packetise([BIG], "h264", 1_000))

    units = camera.take(*packets[2:], *camera.picture(SPS, PPS, IDR))

    assert [nals(unit) for unit in units] == [[SPS, PPS, IDR]]
    assert camera.counters.lost == 0


def test_a_late_or_repeated_packet_is_discarded() -> None:
    """What has been counted or taken already does no harm to the picture."""
    camera = Camera()
    first, second = camera.picture(P, P_REST)

    units = camera.take(first, first, second, first)

    assert [nals(unit) for unit in units] == [[P, P_REST]]
    assert camera.counters.discarded == 2


def test_a_camera_that_counts_anew_is_followed() -> None:
    """A jump of the sequence numbers is no loss of thousands, and no wait either."""
    camera = Camera()
    camera.take(*camera.picture(P))
    camera.seq += 30_000

    units = camera.take(*camera.picture(P), *camera.picture(P))

    assert len(units) == 2
    assert camera.counters.lost == 0


def test_other_payload_types_are_not_video() -> None:
    """Metadata between the packets of a picture neither enters nor breaks it."""
    camera = Camera()
    first = camera.picture(P, marker=False)
    other = camera.packet(b"<xml>", payload_type=112)

    units = camera.take(*first, other, camera.packet(P_REST, marker=True))

    assert [nals(unit) for unit in units] == [[P, P_REST]]
    assert camera.counters.discarded == 1
    assert camera.counters.lost == 0


def test_extension_csrc_and_padding_are_taken_off() -> None:
    """ONVIF cameras add an extension; what goes on is the payload alone, fragments included."""
    plain, dressed = Camera(), Camera()
    packets = plain.picture(*packetise([SPS, PPS, BIG], "h264", 1_000))
    extra = bytes(4) + b"\xab\xac\x00\x01" + bytes(4)

    units = dressed.take(*(b"\xb1" + p[1:12] + extra + p[12:] + b"\x00\x00\x03" for p in packets))

    assert units == plain.take(*packets)


def test_a_forgotten_end_bit_is_set() -> None:
    """A new picture behind the last fragment shows that it was the last."""
    camera = Camera(sets=(SPS, PPS))
    payloads = packetise([BIG], "h264", 1_000)
    payloads[-1] = payloads[-1][:1] + b"\x05" + payloads[-1][2:]

    units = camera.take(*camera.picture(*payloads), *camera.picture(P)[:1])

    assert nals(units[0]) == [SPS, PPS, BIG]


def test_fragments_of_a_picture_are_of_equal_size() -> None:
    """All but the last, so that one batch can leave with segmentation offload."""
    camera = Camera(sets=(SPS, PPS), limit=1_180)

    (unit,) = camera.take(*camera.picture(*packetise([BIG], "h264", 1_400)))

    sizes = [len(payload) for payload in unit.payloads[1:]]
    assert len(set(sizes[:-1])) == 1
    assert sizes[-1] <= sizes[0] <= 1_180


def test_fields_of_one_frame_stay_together() -> None:
    """Both field pictures of an interlaced frame carry one time and go as one unit."""
    camera = Camera()
    camera.take(*packets_of("h264-interlaced"))
    camera.depacketizer._expected = -1

    units = camera.take(*camera.picture(IDR, P, marker=True))

    assert [nals(unit)[-2:] for unit in units] == [[IDR, P]]


@pytest.mark.parametrize("limit", ["MAX_UNIT_BYTES", "MAX_UNIT_PACKETS"])
def test_a_picture_that_never_ends_is_dropped(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by bytes and by packets; the next picture goes out."""
    monkeypatch.setattr(access_unit_builder, limit, 20_000 if "BYTES" in limit else 20)
    camera = Camera(sets=(SPS, PPS))
    endless = camera.picture(*packetise([P + bytes(60_000)], "h264", 500), marker=False)

    held = []
    for packet in endless[:-1]:
        camera.take(packet)
        held.append(len(camera.depacketizer._run))
    units = camera.take(*camera.picture(P))

    assert max(held) <= 130
    assert [nals(unit) for unit in units] == [[P]]
    assert camera.counters.discarded == len(endless) - 1


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(("h264-slices", "h264-stap", "h265-bframes")),
    edits=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(0, 255))),
    dropped=st.sets(st.integers(0, 60), max_size=10),
)
def test_damaged_captures_are_survived(
    name: str, edits: list[tuple[int, int, int]], dropped: set[int]
) -> None:
    """Flipped bytes and lost packets never raise, and what comes out can be taken apart."""
    codec = codec_of(name)
    packets = packets_of(name)[:61]
    for index, at, value in edits:
        packet = bytearray(packets[index % len(packets)])
        packet[at % len(packet)] = value
        packets[index % len(packets)] = bytes(packet)
    camera = Camera(codec)

    units = camera.take(*(p for n, p in enumerate(packets) if n not in dropped))

    times = [unit.time_90k for unit in units]
    assert times == sorted(set(times))
    for unit in units:
        assert nals(unit, codec)
        assert max(map(len, unit.payloads)) <= 1180


@given(st.lists(st.binary(max_size=60), max_size=20), st.sampled_from(("h264", "h265")))
def test_any_bytes_are_survived(packets: list[bytes], codec: Codec) -> None:
    """Whatever comes on the channel, taking it never raises."""
    Camera(codec).take(*packets)


@given(
    st.lists(
        st.tuples(st.sampled_from((0x80, 0xE0)), st.binary(min_size=1, max_size=12)), max_size=30
    ),
    st.sampled_from(("h264", "h265")),
)
def test_any_payloads_are_survived(payloads: list[tuple[int, bytes]], codec: Codec) -> None:
    """Payloads of any shape, in order: units that come out can be taken apart."""
    camera = Camera(codec)

    units = camera.take(*(camera.packet(body, marker=mark > 0x80) for mark, body in payloads))

    for unit in units:
        assert nals(unit, codec)


def test_fragments_of_no_nal_unit_are_left_out() -> None:
    """An aggregate cannot be one: it would be read as such by viewers."""
    camera = Camera(sets=(SPS, PPS))
    fragments = [b"\x1c\x98\x00\x02", b"\x1c\x58\x05"]
    (unit,) = camera.take(*camera.picture(*fragments, IDR))
    assert nals(unit) == [SPS, PPS, IDR]


@pytest.mark.parametrize("padding", [b"\x09\xf0", b"\x0c\xff\xff\x80"])
def test_what_no_decoder_needs_is_not_passed_on(padding: bytes) -> None:
    """Access unit delimiters and filler data cost a packet per picture and viewer."""
    camera = Camera(sets=(SPS, PPS))
    (unit,) = camera.take(*camera.picture(padding, SPS, PPS, IDR, padding))
    assert nals(unit) == [SPS, PPS, IDR]


def test_a_dropped_delimiter_counts_as_a_packet_that_came() -> None:
    """It is neither lost nor discarded: the camera has done nothing wrong."""
    camera = Camera(sets=(SPS, PPS))
    camera.take(*camera.picture(b"\x09\xf0", IDR))
    counted = camera.counters
    assert (counted.packets, counted.lost, counted.discarded) == (2, 0, 0)
