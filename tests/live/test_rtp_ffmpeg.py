"""Our depacketizers against FFmpeg's packetizers of JPEG and MPEG-4, by its own description."""

from __future__ import annotations

import socket
import subprocess
from itertools import pairwise
from pathlib import Path

import av
import pytest

from gateway.model.media import AccessUnit, Codec, SourceCounters
from gateway.rtp.codecs import coded_picture
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtsp.sdp import parse_description
from gateway.runtime.url_policy import Target
from gateway.sources.depacketizers import create_depacketizer
from gateway.sources.timeline import Timeline
from gateway.vision.ffmpeg_input import PADDING

pytestmark = pytest.mark.live

PICTURES = 30
URL = "rtsp://127.0.0.1/"
TARGET = Target("rtsp", "127.0.0.1", "127.0.0.1", 554, "/", URL, 554)
ENCODERS = {
    "jpeg": ("mjpeg", "-c:v", "mjpeg", "-huffman", "default", "-pix_fmt", "yuvj420p"),
    "mpeg4": ("mpeg4", "-c:v", "mpeg4", "-g", "10", "-qscale:v", "3"),
    "mpeg4_sdp": ("mpeg4", "-c:v", "mpeg4", "-g", "10", "-flags", "+global_header"),
}


def received(folder: Path, *arguments: str) -> tuple[bytes, list[bytes]]:
    """Return FFmpeg's session description and its RTP packets of `PICTURES` pictures and one."""
    described = folder / "ffmpeg.sdp"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        port.bind(("127.0.0.1", 0))
        port.settimeout(60)
        to = f"rtp://127.0.0.1:{port.getsockname()[1]}?pkt_size=1200"
        command = ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i"]
        command += ["testsrc=size=320x240:rate=25", "-frames:v", "500", "-threads", "1"]
        command += [*arguments, "-f", "rtp", "-sdp_file", str(described), to]
        with subprocess.Popen(command) as ffmpeg:
            packets: list[bytes] = []
            times: set[bytes] = set()
            while len(times) <= PICTURES:
                packets.append(port.recv(65_536))
                times.add(packets[-1][4:8])
            ffmpeg.kill()
        return described.read_bytes(), packets


@pytest.mark.parametrize("name", ENCODERS)
def test_each_picture_comes_whole(name: str, tmp_path: Path) -> None:
    """As FFmpeg decodes it again, at its time, with nothing left over."""
    codec_name, *encoder = ENCODERS[name]
    codec: Codec = "mjpeg" if codec_name == "mjpeg" else "mpeg4"
    text, packets = received(tmp_path, *encoder)
    description = parse_description(text, base=URL, target=TARGET)
    counters = SourceCounters()
    depacketizer = create_depacketizer(
        description,
        timeline=Timeline(counters),
        counters=counters,
        payload_bytes=1180,
        budget=None,
    )

    units: list[AccessUnit] = depacketizer.push_packets(packets, 0.0)

    assert description.video.codec == codec
    assert len(units) == PICTURES
    assert (counters.lost, counters.discarded) == (0, 0)
    assert {after.time_90k - before.time_90k for before, after in pairwise(units)} == {3600}
    head = parse_picture(codec, units[0].payloads)
    assert head is not None
    assert (head.width, head.height) == (320, 240)
    keyframes = 3 if codec == "mpeg4" else PICTURES
    assert sum(unit.keyframe for unit in units) == keyframes
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    frames = [
        frame
        for unit in units
        for frame in decoder.decode(av.Packet(coded_picture(codec, unit.payloads) + PADDING))
    ]
    assert len(frames) == PICTURES
    assert not any(frame.is_corrupt for frame in frames)
