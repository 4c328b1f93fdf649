"""FFmpeg's own ``whip`` muxer behind its RTSP demuxer, through PyAV.

    python -m tests.bench.relays.ffmpeg PORT VIEWERS CERTIFICATE KEY URL...

As a process it pushes to ``/whip/NUMBER`` of PORT for every viewer, a thread for each camera.
"""

from __future__ import annotations

import datetime
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.demo.config_files import free_port
from tests.bench.relays import Running
from tests.bench.testbed import Testbed, await_port, python

OPTIONS = {"rtsp_transport": "tcp", "fflags": "nobuffer"}


class FfmpegWhip:
    """A C program of many, used through PyAV as a library."""

    name = "ffmpeg-whip"
    joins = False

    def absent(self) -> str | None:
        """Ask the FFmpeg inside PyAV."""
        return None if "whip" in av.formats_available else "PyAV's FFmpeg has no whip muxer"

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:
        """Start this module as a process; it waits for the viewers' port."""
        port = free_port()
        certificate, key = _write_certificate(testbed.folder)
        module = "tests.bench.relays.ffmpeg"
        process = testbed.start(
            python(module, port, viewers, certificate, key, *cameras), quiet=True
        )
        return Running(process.pid, f"whip:{port}")


def _write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a P-256 certificate: the muxer's own default is refused by some peers."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = folder / "whip.crt", folder / "whip.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return paths


def open_outputs(
    camera: str, numbers: Sequence[int], port: int, certificate_options: dict[str, str]
) -> list[Any]:
    """Return the outputs to the viewers of these numbers, connected, each with its stream."""
    outputs = []
    with av.open(camera, options=OPTIONS) as source:
        for number in numbers:
            url = f"http://127.0.0.1:{port}/whip/{number}"
            output = av.open(url, "w", format="whip", options=certificate_options)
            stream = output.add_stream_from_template(source.streams.video[0])
            output.start_encoding()
            outputs.append((output, stream))
    return outputs


def push(camera: str, outputs: Sequence[Any]) -> None:
    """Relay one camera until killed."""
    source = av.open(camera, options=OPTIONS)
    base: int | None = None
    for packet in source.demux(source.streams.video[0]):
        if packet.dts is None or packet.pts is None:
            continue
        if base is None:
            if not packet.is_keyframe:
                continue
            base = packet.dts
        pts, dts = packet.pts - base, packet.dts - base
        for output, stream in outputs:
            packet.pts, packet.dts, packet.stream = pts, dts, stream
            output.mux(packet)


def main() -> None:
    """Push until killed."""
    port, viewers = int(sys.argv[1]), int(sys.argv[2])
    certificate_options = {"cert_file": sys.argv[3], "key_file": sys.argv[4]}
    cameras = sys.argv[5:]
    await_port(port)
    # All agreements first: the muxer holds the interpreter's lock until its offer is answered,
    # and a camera that is not read meanwhile breaks the connection.
    agreed = [
        open_outputs(camera, range(number, viewers, len(cameras)), port, certificate_options)
        for number, camera in enumerate(cameras)
    ]
    threads = [
        threading.Thread(target=push, args=(camera, outputs))
        for camera, outputs in zip(cameras, agreed, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
