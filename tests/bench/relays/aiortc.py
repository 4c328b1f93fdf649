"""aiortc as it comes: `MediaPlayer(decode=False)` and a peer connection per viewer.

    python -m tests.bench.relays.aiortc PORT VIEWERS URL...

As a process it answers offers posted to ``/whep/CAMERA``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaPlayer, MediaRelay

from gateway.demo.config_files import free_port
from tests.bench.relays import Running
from tests.bench.testbed import Testbed, await_port, python

OPTIONS = {"rtsp_transport": "tcp", "fflags": "nobuffer"}


class Aiortc:
    """The library that ours is built on, used as its documentation shows."""

    name = "aiortc"
    joins = True

    def absent(self) -> str | None:
        """It is always here."""
        return None

    def start(self, testbed: Testbed, cameras: Sequence[str], viewers: int) -> Running:
        """Start this module as a process."""
        port = free_port()
        command = python("tests.bench.relays.aiortc", port, viewers, *cameras)
        process = testbed.start(command, quiet=True)
        await_port(port)
        return Running(process.pid, f"whep:http://127.0.0.1:{port}/whep/{{camera}}")


class Server:
    """Answers offers; opens each camera once, when first asked for."""

    def __init__(self, cameras: Sequence[str], *, shared: bool) -> None:
        self._cameras = cameras
        self._shared = shared
        self._relay = MediaRelay()
        self._players: dict[int, MediaPlayer] = {}
        self._peers: list[RTCPeerConnection] = []
        self._opening = asyncio.Lock()

    async def _track(self, camera: int) -> Any:
        async with self._opening:
            if camera not in self._players:
                self._players[camera] = await asyncio.to_thread(
                    MediaPlayer, self._cameras[camera], decode=False, options=OPTIONS
                )
        track = self._players[camera].video
        assert track is not None  # every camera of the benchmark has a picture
        # A relay between them costs a task for each packet: only where it is needed.
        return self._relay.subscribe(track) if self._shared else track

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one offer."""
        track = await self._track(int(request.match_info["camera"]))
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.append(peer)
        peer.addTrack(track)
        able = RTCRtpReceiver.getCapabilities("video")
        assert able is not None
        wanted = [
            codec for codec in able.codecs if codec.mimeType.lower() in ("video/h264", "video/rtx")
        ]
        # Before the offer is taken, as in its examples; later they change nothing.
        peer.getTransceivers()[0].setCodecPreferences(wanted)
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return web.Response(
            status=201, text=peer.localDescription.sdp, content_type="application/sdp"
        )


def main() -> None:
    """Serve until killed."""
    port, viewers, cameras = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    app = web.Application()

    async def prepare(app: web.Application) -> None:
        server = Server(cameras, shared=viewers > len(cameras))
        app.router.add_post("/whep/{camera}", server.answer)

    async def run() -> None:
        await prepare(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    main()
