"""RTSP server of virtual cameras (RFC 2326): one port with one or several cameras behind it.

A port with several cameras is a recorder, as most centres have. `Connection` serves one client,
`Recorder` the port. Every reply is subject to the faults that its camera has at the moment.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from gateway.demo import faults
from gateway.demo.reply_faults import Headers, write_reply
from gateway.demo.rtp_output import InterleavedOutput, RtpOutput, UdpOutput
from gateway.demo.rtsp_messages import InterleavedPacket, Request, format_sdp, pop_message
from gateway.demo.rtsp_session import Session
from gateway.demo.video_loop import VideoLoop
from gateway.demo.virtual_camera import VirtualCamera
from gateway.runtime.tcp_server import close_next_turn

Answer = tuple[int, Headers, bytes]

_PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_PORTS = re.compile(r"(interleaved|client_port)=(\d{1,5})(?:-(\d{1,5}))?")


class Connection(asyncio.Protocol):
    """Serves one client of *recorder*."""

    def __init__(self, recorder: Recorder) -> None:
        self.camera: VirtualCamera | None = None
        self._recorder = recorder
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._sessions: list[Session] = []
        self._mute = False

    def abort(self) -> None:
        """Abort the connection, without FIN."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection after the buffer is sent."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a stream")
        self._transport = transport
        if not self._recorder.alive:  # killed while it accepted this one
            transport.abort()
            return
        self._recorder.connections.add(self)
        self._recorder.connections_ever += 1
        if all(camera.active_fault(faults.HangUp) for camera in self._recorder.cameras):
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._recorder.connections.discard(self)
        for session in self._sessions:
            if session.open and isinstance(session.output, InterleavedOutput):
                session.close_after(session.camera.behaviour.held_s)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while not self._mute and (taken := pop_message(self._buffer)):
                if isinstance(taken, InterleavedPacket):
                    for session in self._sessions:
                        session.touch()
                else:
                    self._serve(taken)
        except ValueError:
            self.close()

    def _serve(self, request: Request) -> None:
        path = request.path
        for camera in self._recorder.cameras:
            if path == camera.path or path.startswith(camera.path + "/"):
                self.camera = camera
                break
        else:
            if path not in ("/", "*"):
                self._send(request, (404, [], b""), self._recorder.cameras[0])
                return
        camera = self.camera or self._recorder.cameras[0]
        if camera.active_fault(faults.HangUp):
            self.close()
        elif camera.active_fault(faults.HalfOpen):
            self._go_silent()
        else:
            self._send(request, self._answer(request, camera), camera)

    def _go_silent(self) -> None:
        self._mute = True
        if self._transport is not None:
            self._transport.pause_reading()

    def _answer(self, request: Request, camera: VirtualCamera) -> Answer:
        if "authorization" in request.headers:
            camera.counts.authorizations += 1
        if refusal := self._fault_answer(request, camera) or self._auth_answer(request, camera):
            return refusal
        session = self._recorder.sessions.get(request.headers.get("session", "").split(";")[0])
        if session:
            session.touch()
        match request.method:
            case "OPTIONS":
                return 200, [("Public", _PUBLIC)], b""
            case "DESCRIBE":
                return self._describe(request, camera)
            case "SETUP":
                return self._setup(request, camera, session)
            case "GET_PARAMETER" | "SET_PARAMETER":
                return 200 if camera.behaviour.get_parameter else 551, [], b""
        return self._answer_within(request, session)

    def _answer_within(self, request: Request, session: Session | None) -> Answer:
        """Return the answer to a request that needs a session."""
        if request.method not in ("PLAY", "TEARDOWN"):
            return 455, [("Allow", _PUBLIC)], b""
        if session is None:
            return 454, [], b""
        if request.method == "PLAY":
            return self._play(request, session)
        self._recorder.sessions.pop(session.id, None)
        session.close()
        return 200, [], b""

    def _fault_answer(self, request: Request, camera: VirtualCamera) -> Answer | None:
        """Return the answer that a fault of *camera* causes, None if there is none."""
        redirect = camera.active_fault(faults.Redirect)
        if redirect and request.method == "DESCRIBE":
            return redirect.code, [("Location", redirect.target)], b""
        status = camera.active_fault(faults.Status)
        if status is None or request.method != status.method:
            return None
        asked = "tcp" if "/TCP" in request.headers.get("transport", "").upper() else "udp"
        if status.transport not in ("", asked):
            return None
        challenges = (
            camera.authenticator.challenges() if camera.authenticator else ['Basic realm="x"']
        )
        headers = [("WWW-Authenticate", each) for each in challenges if status.code == 401]
        return status.code, headers, b""

    def _auth_answer(self, request: Request, camera: VirtualCamera) -> Answer | None:
        """Return a 401 unless *request* has the right credentials."""
        if camera.authenticator is None or request.method == "OPTIONS":
            return None
        verdict = camera.authenticator.check(
            request.method, request.headers.get("authorization", "")
        )
        if verdict == "ok":
            return None
        camera.counts.refused_logins += verdict == "wrong"
        challenges = camera.authenticator.challenges(stale=verdict == "stale")
        return 401, [("WWW-Authenticate", each) for each in challenges], b""

    def _describe(self, request: Request, camera: VirtualCamera) -> Answer:
        many = camera.active_fault(faults.ManySections)
        sets = () if camera.active_fault(faults.NoSetsInSdp) else camera.footage.parameter_sets
        codec = camera.footage.settings.codec
        sections = many.count if many else 1
        body = format_sdp(camera.name, codec, sets, sections=sections, sound=camera.behaviour.sound)
        headers = [("Content-Type", "application/sdp")]
        if camera.behaviour.content_base:
            headers.append(("Content-Base", camera.behaviour.content_base.format(url=request.url)))
        return 200, headers, body

    def _setup(self, request: Request, camera: VirtualCamera, session: Session | None) -> Answer:
        limit = camera.behaviour.session_limit
        if session is None and 0 < limit <= camera.counts.sessions:
            return 453, [], b""
        new = session or Session(camera, self._recorder.video_loops[camera.path], self._expired)
        output = self._open_output(request.headers.get("transport", ""), new)
        if output is None:
            if session is None:
                new.close()
            return 461, [], b""
        if request.path.endswith("trackID=1"):
            new.output = output
        if session is None:
            self._recorder.sessions[new.id] = new
            self._sessions.append(new)
        timeout = f"{new.id};timeout={camera.behaviour.session_timeout_s:g}"
        described = f"{output.description};ssrc={new.ssrc:08X}"
        return 200, [("Session", timeout), ("Transport", described)], b""

    def _open_output(self, wanted: str, session: Session) -> RtpOutput | None:
        """Return an output for the first transport in *wanted* that the camera supports."""
        sockets = session.camera.behaviour.sockets
        for offered in wanted.split(","):
            ports = _PORTS.search(offered)
            if self._transport is None:
                return None
            if "/TCP" in offered.upper() and "tcp" in sockets:
                channel = int(ports[2]) if ports else 2 * len(self._sessions)
                return InterleavedOutput(self._transport, channel)
            if "/TCP" not in offered.upper() and "udp" in sockets and ports:
                pair = int(ports[2]), int(ports[3] or int(ports[2]) + 1)
                host = self._transport.get_extra_info("peername")[0]
                return UdpOutput(self._recorder.host, host, pair, session.touch)
        return None

    def _play(self, request: Request, session: Session) -> Answer:
        if session.output is None:
            return 455, [], b""
        # The reply must be sent before the first packet.
        asyncio.get_running_loop().call_soon(session.play)
        where = f"url={request.url};seq={session.seq};rtptime={session.time_90k & 0xFFFF_FFFF}"
        headers = [("Session", session.id), ("Range", "npt=now-"), ("RTP-Info", where)]
        return 200, headers, b""

    def _expired(self, session: Session) -> None:
        self._recorder.sessions.pop(session.id, None)
        self.close()

    def _send(self, request: Request, answer: Answer, camera: VirtualCamera) -> None:
        code, headers, body = answer
        camera.record_request(request.method, code)
        headers = [("CSeq", request.headers.get("cseq", "0")), *headers]
        if self._transport is not None:
            write_reply(self._transport, camera, request.method, code, headers, body)


class Recorder:
    """Serves *cameras* on one port until cancelled.

    Attributes:
        cameras: Found by their paths; the first one's faults apply to unknown paths.
        host: Address it listens on.
        port: 0 takes a free one, which is set here once it is open and kept.
        connections: Open now.
        connections_ever: Accepted since the start.
    """

    def __init__(
        self, cameras: Sequence[VirtualCamera], *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.cameras = tuple(cameras)
        self.host = host
        self.port = port
        self.video_loops = {camera.path: VideoLoop(camera) for camera in self.cameras}
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.connections_ever = 0
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._stack = AsyncExitStack()

    def url(self, camera: VirtualCamera | None = None) -> str:
        """Return the URL of *camera*, or of the first; without user and password."""
        return f"rtsp://{self.host}:{self.port}{(camera or self.cameras[0]).path}"

    async def run(self) -> None:
        """Serve until cancelled; all connections are closed when this returns."""
        try:
            async with asyncio.TaskGroup() as group:
                for camera in self.cameras:
                    group.create_task(
                        self.video_loops[camera.path].run(), name=f"video {camera.name}"
                    )
                await self.open_port()
        finally:
            self.kill()

    async def open_port(self) -> None:
        """Open the port, the same as before, like a camera that has started."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Connection(self), self.host, self.port, reuse_address=True
            )
            self.port = self._server.sockets[0].getsockname()[1]
            self._open.set()

    def kill(self) -> None:
        """Close the port and abort every connection, like a camera that has lost power."""
        if self._server is not None:
            close_next_turn(self._server)
            self._server = None
        for connection in tuple(self.connections):
            connection.abort()
        for session in tuple(self.sessions.values()):
            session.close()
        self.sessions.clear()

    @property
    def alive(self) -> bool:
        """Whether the port is open."""
        return self._server is not None

    def drop(self, camera: VirtualCamera) -> None:
        """Close the connections to *camera*, like a camera that restarts its RTSP server."""
        for connection in tuple(self.connections):
            if connection.camera is camera:
                connection.close()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._running())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run(), name="recorder")
            await self._open.wait()
            yield
            task.cancel()
