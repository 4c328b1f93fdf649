"""What is wrong with a virtual camera, as its viewer gets it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo import faults
from gateway.demo.faults import KINDS, parse_fault
from gateway.demo.rtsp_server import Recorder
from gateway.demo.virtual_camera import Behaviour
from tests.fixtures.camera import virtual_camera
from tests.unit.demo.player import TCP, player


@pytest.mark.parametrize("code", [401, 403, 404, 503])
async def test_a_status_is_told(camera: Recorder, code: int) -> None:
    """DESCRIBE is answered by the status, whatever the password."""
    camera.cameras[0].fault = faults.Status(code)
    async with player(camera) as viewer:
        assert (await viewer.login()).status == code


async def test_461_for_tcp_only(camera: Recorder) -> None:
    """A camera may refuse one transport and take the other."""
    camera.cameras[0].fault = faults.Status(461, "SETUP", "tcp")
    udp = "RTP/AVP;unicast;client_port=40000-40001"
    async with player(camera) as viewer:
        await viewer.login()
        track = f"{viewer.url}/trackID=1"

        assert (await viewer.ask("SETUP", track, transport=TCP)).status == 461
        assert (await viewer.ask("SETUP", track, transport=udp)).status == 200


async def test_a_redirect_names_its_target(camera: Recorder) -> None:
    """DESCRIBE leads elsewhere."""
    camera.cameras[0].fault = faults.Redirect("rtsp://192.0.2.1/x")
    async with player(camera) as viewer:
        reply = await viewer.ask("DESCRIBE")

    assert (reply.status, reply.headers["location"]) == (302, "rtsp://192.0.2.1/x")


async def test_a_stalled_camera_answers_but_sends_nothing(camera: Recorder) -> None:
    """After the fault is set GET_PARAMETER is answered, and no packet follows."""
    async with player(camera) as viewer:
        await viewer.play()
        await viewer.packets(2)
        camera.cameras[0].fault = faults.Stall()
        sent = camera.cameras[0].counts.packets

        assert (await viewer.ask("GET_PARAMETER")).status == 200
        assert camera.cameras[0].counts.packets == sent


async def test_a_half_open_camera_says_nothing_at_all(camera: Recorder) -> None:
    """Neither a reply nor the end of the connection comes."""
    camera.cameras[0].fault = faults.HalfOpen()
    async with player(camera) as viewer:
        await viewer.send("OPTIONS")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await viewer.rest(1)


async def test_a_hanging_up_camera_closes_at_once(camera: Recorder) -> None:
    """The connection is accepted and closed."""
    camera.cameras[0].fault = faults.HangUp()
    async with player(camera) as viewer:
        assert await viewer.rest(1) == b""


async def test_one_picture_jumps_and_the_rest_do_not(camera: Recorder) -> None:
    """A single displaced stamp, as some recorders send."""
    async with player(camera) as viewer:
        await viewer.play()
        camera.cameras[0].fault = faults.Jump(by_s=-9800, pictures=1)
        times = [picture[0].time for picture in await viewer.pictures(4)]

    start = Behaviour().first_time_90k
    assert sum(abs(time - start) > 2**31 for time in times) == 1


async def test_sequence_and_time_wrap() -> None:
    """A camera may begin just before both counters overflow."""
    behaviour = Behaviour(first_sequence=65_535, first_time_90k=2**32 - 3600)
    async with virtual_camera(behaviour=behaviour) as recorder, player(recorder) as viewer:
        await viewer.play()
        pictures = await viewer.pictures(3)

    assert pictures[0][0].seq == 65_535
    assert pictures[-1][-1].seq < 2**15
    assert pictures[0][0].time == 2**32 - 3600
    assert pictures[-1][0].time < 2**31


async def test_lost_packets_are_numbered(camera: Recorder) -> None:
    """A gap in the sequence numbers where a packet is missing."""
    camera.cameras[0].fault = faults.Loss(every=3)
    async with player(camera) as viewer:
        await viewer.play()
        packets = await viewer.packets(6)

    assert all(packet.seq % 3 for packet in packets)


async def test_no_marker_at_all(camera: Recorder) -> None:
    """Pictures end without being said to."""
    camera.cameras[0].fault = faults.NoMarker()
    async with player(camera) as viewer:
        await viewer.play()
        assert not any(packet.marker for packet in await viewer.packets(8))


async def test_markers_on_the_parameter_sets(camera: Recorder) -> None:
    """SPS and PPS come alone, each marked as if it were a picture."""
    camera.cameras[0].fault = faults.MarkerOnSets()
    async with player(camera) as viewer:
        await viewer.play()
        sps, pps = await viewer.packets(2)

    assert [(each.payload[0] & 0x1F, each.marker) for each in (sps, pps)] == [(7, True), (8, True)]


async def test_parameter_sets_only_in_the_description(camera: Recorder) -> None:
    """The stream begins without SPS and PPS."""
    camera.cameras[0].fault = faults.SetsOnlyInSdp()
    async with player(camera) as viewer:
        assert b"sprop-parameter-sets=" in (await viewer.login()).body
        await viewer.play()
        (first,) = await viewer.packets(1)

    assert first.payload[0] & 0x1F not in (7, 8, 24)


async def test_garbage_stands_between_the_packets(camera: Recorder) -> None:
    """The interleaved framing breaks before every picture."""
    camera.cameras[0].fault = faults.InterleavedGarbage(size_bytes=50, every=1)
    async with player(camera) as viewer:
        await viewer.play()
        head = await viewer.rest(50)

    assert head[:1] != b"$"


@pytest.mark.parametrize(
    ("fault", "sign"),
    [
        (faults.OversizedHeader(100_000), b"x" * 50_000),
        (faults.EndlessHeaders(), b"X-More: and more\r\n" * 2000),
        (faults.HugeBody(), b"Content-Length: 1500000000"),
    ],
)
async def test_a_reply_may_be_far_too_long(
    camera: Recorder, fault: faults.Fault, sign: bytes
) -> None:
    """What a hostile camera sends, and for as long as somebody reads it."""
    camera.cameras[0].fault = fault
    async with player(camera) as viewer:
        await viewer.send("OPTIONS")
        if isinstance(fault, faults.HugeBody):
            camera.cameras[0].authenticator = None
            await viewer.rest(65_536)
            await viewer.send("DESCRIBE")
        came = b""
        while sign not in came:
            came += await viewer.rest(65_536)


async def test_replies_drip(camera: Recorder) -> None:
    """A byte at a time."""
    camera.cameras[0].fault = faults.Drip(bytes_per_s=1)
    async with player(camera) as viewer:
        await viewer.send("OPTIONS")
        assert await viewer.rest(100) == b"R"


async def test_a_thousand_sections(camera: Recorder) -> None:
    """The SDP has as many video sections as wanted."""
    camera.cameras[0].fault = faults.ManySections(4000)
    async with player(camera) as viewer:
        assert (await viewer.login()).body.count(b"m=video") == 4000


def test_every_fault_has_a_name() -> None:
    """What the control endpoint takes, with and without figures."""
    assert parse_fault({"fault": "stall"}) == faults.Stall()
    assert parse_fault({"fault": "jump", "by_s": 37_600, "pictures": 3}) == faults.Jump(37_600, 3)
    assert len(KINDS) == 20


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        {"fault": "nonsense"},
        {"fault": "jump"},
        {"fault": "jump", "by_s": "far"},
        {"fault": "stall", "for_s": 3},
        {"fault": "status", "code": True},
    ],
)
def test_a_wrong_fault_is_refused(wrong: object) -> None:
    """With what there is to choose from, never with a crash."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_fault(wrong)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.dictionaries(st.sampled_from(["fault", "code", "by_s"]), inner),
        max_leaves=6,
    )
)
def test_no_document_crashes_the_parser(document: object) -> None:
    """A fault or ValueError; nothing else."""
    with contextlib.suppress(ValueError):
        assert type(parse_fault(document)) in KINDS.values()
