"""What servers of real devices say, over real sockets: each plays, or its true cause is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.model.errors import (
    GatewayError,
    PermanentError,
    SourceRefused,
    SourceStalled,
    SourceUnavailable,
)
from gateway.model.reasons import Reason
from gateway.rtsp.auth import LOCKED_S
from gateway.rtsp.client import RtspClient
from gateway.rtsp.connection import ignore
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LAST_RETRY_S, RETRY_S, LoginLimiter
from gateway.rtsp.session_monitor import GOODBYE_S, KeepAlive
from tests.fixtures.clock import HANG_S
from tests.unit.rtsp.scripted import (
    CLOCK,
    LOGIN,
    SDP,
    Camera,
    Request,
    Script,
    camera,
    opened,
    packet,
    self_signed,
    willing,
)


async def plays(script: Script, tls: ssl.SSLContext | None = None) -> Camera:
    """Play what *script* offers until a packet has come; return the camera."""
    came = asyncio.Event()
    async with asyncio.timeout(HANG_S), camera(script, tls=tls) as made:
        async with made.client(LOGIN) as client:
            await opened(client)
            await client.play(lambda _: came.set())
            made.send(packet(1))
            await came.wait()
        return made


async def refusal(script: Script) -> GatewayError:
    """Return what keeps *script* from playing."""
    async with asyncio.timeout(HANG_S), camera(script) as made, made.client(LOGIN) as client:
        with pytest.raises(GatewayError) as caught:
            await opened(client)
        return caught.value


def answering(method: str, answer: Callable[[Request], bytes | None]) -> Script:
    """Return a willing camera but for *method*."""
    return lambda request: answer(request) if request.method == method else willing(request)


# Messages.


@pytest.mark.parametrize(
    "end", [b"\n", b"\r", b"\r\n", b"\r\r\n"], ids=["LF", "CR", "CRLF", "CRCRLF"]
)
async def test_a_server_may_end_its_lines_as_it_likes(end: bytes) -> None:
    """The body as well."""

    def script(request: Request) -> bytes:
        answer = willing(request) or b""
        if request.method == "DESCRIBE":
            answer = request.answer(body=SDP.replace("\r\n", end.decode()))
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.replace(b"\r\n", end) + 2 * end + body

    made = await plays(script)

    assert made.methods[-2:] == ["PLAY", "TEARDOWN"]


async def test_lines_may_end_in_both_ways_within_one_answer() -> None:
    """A head of CRLF, and an empty line of LF alone."""
    await plays(lambda request: (willing(request) or b"").replace(b"\r\n\r\n", b"\r\n\n", 1))


@pytest.mark.parametrize("number", [0, 1, 99_999])
async def test_the_only_outstanding_request_is_the_one_that_is_answered(number: int) -> None:
    """Whatever number the server gives it."""

    def script(request: Request) -> bytes:
        lines = (willing(request) or b"").split(b"\r\n")
        return b"\r\n".join(b"CSeq: %d" % number if b"CSeq" in x else x for x in lines)

    made = await plays(script)

    assert made.methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]


async def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    """Its number is that of a request that was given up."""
    late: list[bytes] = []

    def script(request: Request) -> bytes | None:
        if request.method == "OPTIONS":
            late.append(request.answer(404))
            return None
        return late.pop() + willing(request) if late else willing(request)

    async with (
        asyncio.timeout(HANG_S),
        camera(script) as made,
        made.client(answer_s=0.05) as client,
    ):
        await client.connect()
        with pytest.raises(SourceUnavailable):
            await client.options()
        client._requests._answer_s = HANG_S  # type: ignore[union-attr]

        assert (await client.describe()).encoding == "H264"


async def test_an_interim_answer_is_waited_behind() -> None:
    """100 Continue is not the answer (RFC 2326 §11)."""
    await plays(lambda request: b"RTSP/1.0 100 Continue\r\n\r\n" + (willing(request) or b""))


# The session.


async def test_the_session_may_be_named_in_the_answer_to_play() -> None:
    """PLAY goes without one, all that follows with it."""

    def script(request: Request) -> bytes:
        if request.method == "SETUP":
            return request.answer(Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        return willing(request)

    made = await plays(script)

    headers = {request.method: request.headers for request in made.requests}
    assert "Session" not in headers["PLAY"]
    assert headers["TEARDOWN"]["Session"] == "abc"


def refusing_get_parameter(_: Request) -> bytes:
    return b"RTSP/1.0 400 Bad Request\r\nCSeq: 7777\r\n\r\n"


@pytest.mark.parametrize("answer", [lambda _: None, refusing_get_parameter], ids=["none", "400"])
async def test_a_session_is_kept_by_options_where_get_parameter_does_not(
    answer: Callable[[Request], bytes | None],
) -> None:
    """At once, and from then on: the session would end before another pause was over."""
    kept = asyncio.Event()
    options = 0

    def script(request: Request) -> bytes | None:
        nonlocal options
        if request.method == "SETUP":
            return request.answer(Session="abc;timeout=1")
        if request.method == "GET_PARAMETER":
            return answer(request)
        if request.method == "OPTIONS" and "Session" in request.headers:
            options += 1
            if options == 3:
                kept.set()
        return willing(request)

    async with asyncio.timeout(HANG_S), camera(script) as made:
        async with made.client() as client:
            await opened(client)
            await client.play(ignore)
            watching = asyncio.create_task(client.monitor(stall_s=HANG_S))
            await kept.wait()
            watching.cancel()
            await asyncio.wait([watching])

        assert made.methods[4:8] == ["GET_PARAMETER", "OPTIONS", "OPTIONS", "OPTIONS"]


async def test_a_session_that_ends_at_its_timeout_is_kept_by_both_the_next_time() -> None:
    """The server answers GET_PARAMETER, and counts OPTIONS alone."""
    kept = asyncio.Event()
    keep_alive = KeepAlive()

    def script(request: Request) -> bytes:
        if request.method == "SETUP":
            return request.answer(Session="abc;timeout=1")
        if request.method == "OPTIONS" and "Session" in request.headers:
            kept.set()
        return willing(request)

    async def watch(made: Camera) -> None:
        async with made.client() as client:
            await opened(client)
            await client.play(ignore)
            await client.monitor(stall_s=HANG_S, keep_alive=keep_alive)

    async with asyncio.timeout(HANG_S), camera(script) as made:
        lost = asyncio.create_task(watch(made))
        await made.played.wait()
        await asyncio.sleep(1)
        made.writers[-1].close()
        await asyncio.wait([lost])
        first = kept.is_set()
        kept_alive = asyncio.create_task(watch(made))
        await kept.wait()
        kept_alive.cancel()
        await asyncio.wait([kept_alive])

    assert isinstance(lost.exception(), SourceStalled)
    assert not first


async def test_get_parameter_may_count_where_it_is_not_offered() -> None:
    """A session has ended at its timeout though OPTIONS was answered: the next is kept by both."""
    kept = asyncio.Event()
    keep_alive = KeepAlive()
    keep_alive.on_lost(60.0, 60.0, 5.0)

    def script(request: Request) -> bytes:
        if request.method == "OPTIONS":
            return request.answer(Public="OPTIONS, DESCRIBE, SETUP, PLAY")
        if request.method == "SETUP":
            return request.answer(Session="abc;timeout=1")
        if request.method == "GET_PARAMETER":
            kept.set()
        return willing(request)

    async with asyncio.timeout(HANG_S), camera(script) as made, made.client() as client:
        await opened(client)
        await client.play(ignore)
        watching = asyncio.create_task(client.monitor(stall_s=HANG_S, keep_alive=keep_alive))
        await kept.wait()
        watching.cancel()
        await asyncio.wait([watching])


def test_get_parameter_is_not_sent_again_where_it_has_ended_a_session() -> None:
    """Some servers hang up at what they do not know."""
    keep_alive = KeepAlive()
    offered = frozenset({"OPTIONS"})
    tried = [keep_alive.methods(offered)]
    for lasted_s in (60.0, 30.0, 60.0):
        keep_alive.on_lost(lasted_s, 60.0, 5.0)
        tried.append(keep_alive.methods(offered))

    both, alone = ("OPTIONS", "GET_PARAMETER"), ("OPTIONS",)
    assert tried == [alone, both, alone, alone]


# Logins.


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.time_s = 1_000.0

    def now(self) -> float:
        return self.time_s

    async def sleep(self, delay_s: float) -> None:
        await CLOCK.sleep(delay_s)


def asking(request: Request, challenge: str = 'Digest realm="r", nonce="n"') -> bytes:
    return request.answer(401, WWW_Authenticate=challenge)


class FullRecorder:
    """A recorder that refuses logins while its sessions are used up."""

    def __init__(self) -> None:
        self.full = False
        self.logins = 0

    def __call__(self, request: Request) -> bytes:
        if request.method != "DESCRIBE":
            return willing(request)
        if "Authorization" in request.headers:
            self.logins += 1
            if not self.full:
                return willing(request)
        return asking(request)


class Caller:
    """Logs in at a recorder, by a clock that is set."""

    def __init__(self, made: Camera) -> None:
        self._made = made
        self.clock = SetClock()
        self.limiter = LoginLimiter(self.clock)

    async def log_in(self) -> GatewayError | None:
        """Return what a login fails with."""
        account = Account("nvr", LOGIN, self.limiter)
        try:
            async with RtspClient(self._made.target, account=account, clock=CLOCK) as client:
                await opened(client)
        except GatewayError as error:
            return error
        return None


async def test_a_login_that_has_worked_is_not_called_wrong_at_once() -> None:
    """The recorder is full, is asked three times at most, and has room again after 70 s."""
    recorder = FullRecorder()
    async with asyncio.timeout(HANG_S), camera(recorder) as made:
        caller = Caller(made)
        assert await caller.log_in() is None
        recorder.full, recorder.logins = True, 0
        errors = []
        for pause_s in (0, RETRY_S - 1, 1):
            caller.clock.time_s += pause_s
            errors.append(await caller.log_in())
        recorder.full = False
        caller.clock.time_s += LAST_RETRY_S
        last = await caller.log_in()

    assert [error and error.reason for error in errors] == [Reason.BUSY_SESSIONS] * 3
    assert all(isinstance(error, SourceUnavailable) for error in errors)
    assert last is None
    assert recorder.logins == 3  # the second call was not sent
    assert LAST_RETRY_S > 70


async def test_a_login_that_works_no_more_is_called_wrong_in_the_end() -> None:
    """After the third refusal it is left alone, as any other."""
    recorder = FullRecorder()
    async with asyncio.timeout(HANG_S), camera(recorder) as made:
        caller = Caller(made)
        await caller.log_in()
        recorder.full, recorder.logins = True, 0
        for pause_s in (0, RETRY_S, LAST_RETRY_S):
            caller.clock.time_s += pause_s
            error = await caller.log_in()
        caller.clock.time_s += LOCKED_S - 1
        await caller.log_in()

    assert isinstance(error, SourceRefused)
    assert (error.reason, error.park_s) == (Reason.AUTH_FAILED, LOCKED_S)
    assert recorder.logins == 3


async def test_all_channels_of_a_full_recorder_ask_three_times_together() -> None:
    """Each finds out from the first that were refused."""
    recorder = FullRecorder()
    async with asyncio.timeout(HANG_S), camera(recorder) as made:
        caller = Caller(made)
        await caller.log_in()
        recorder.full, recorder.logins = True, 0
        errors = await asyncio.gather(*(caller.log_in() for _ in range(16)))
        caller.clock.time_s += LAST_RETRY_S
        recorder.full = False
        last = await caller.log_in()

    assert {error and error.reason for error in errors} == {Reason.BUSY_SESSIONS}
    assert last is None
    assert recorder.logins <= 3


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="r" nonce="n" algorithm=MD5',
        'Digest realm="r"; nonce="n"; algorithm=MD5',
        'Digest realm="r"nonce="n"',
        "Digest realm=r nonce=n",
        'digest   realm = "r" ,  nonce = "n"',
        'Basic realm="x" Digest realm="r" nonce="n"',
    ],
)
async def test_a_challenge_is_understood_whatever_stands_between_its_parameters(
    challenge: str,
) -> None:
    """Nothing, spaces or semicolons instead of commas."""

    def script(request: Request) -> bytes:
        sent = request.headers.get("Authorization", "")
        if request.method == "DESCRIBE" and not ('realm="r"' in sent and 'nonce="n"' in sent):
            return asking(request, challenge)
        return willing(request)

    made = await plays(script)

    assert made.methods.count("DESCRIBE") == 2


@pytest.mark.parametrize("challenge", ["Digest", 'Digest realm="r"', "NTLM", "nonsense", ""])
async def test_a_challenge_that_is_not_understood_is_no_wrong_password(challenge: str) -> None:
    """Nothing is sent, and nothing counts towards the lock."""
    sent = 0

    def script(request: Request) -> bytes:
        nonlocal sent
        sent += "Authorization" in request.headers
        return asking(request, challenge) if request.method == "DESCRIBE" else willing(request)

    async with asyncio.timeout(HANG_S), camera(script) as made:
        caller = Caller(made)
        errors = [await caller.log_in() for _ in range(4)]

    assert {error and error.reason for error in errors} == {Reason.UNSUPPORTED_LOGIN}
    assert sent == 0


# What is offered.


def described(body: str) -> Script:
    return answering(
        "DESCRIBE", lambda request: request.answer(body=body, Content_Type="application/sdp")
    )


SAVP = SDP.replace("RTP/AVP", "RTP/SAVP").replace(
    "a=rtpmap", "a=key-mgmt:mikey AQAFAAAAAAAB\r\na=rtpmap"
)


@pytest.fixture
def serving(tmp_path: Path) -> ssl.SSLContext:
    """Return how a camera speaks TLS."""
    self_signed("camera.lan", tmp_path / "cam.pem", tmp_path / "cam.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cam.pem", tmp_path / "cam.key")
    return context


async def test_srtp_that_is_offered_within_tls_is_not_needed(serving: ssl.SSLContext) -> None:
    """RTP/AVP/TCP is asked for, and comes."""
    made = await plays(described(SAVP), serving)

    assert made.requests[2].headers["Transport"].startswith("RTP/AVP/TCP;")


@pytest.mark.parametrize(
    "setup",
    [
        lambda request: request.answer(461),
        lambda request: request.answer(
            Session="abc", Transport="RTP/SAVP/TCP;unicast;interleaved=0-1"
        ),
    ],
    ids=["refused", "encrypted"],
)
async def test_srtp_that_is_insisted_on_within_tls_is_told(
    setup: Callable[[Request], bytes], serving: ssl.SSLContext
) -> None:
    """No other transport would help."""

    def script(request: Request) -> bytes | None:
        return setup(request) if request.method == "SETUP" else described(SAVP)(request)

    async with (
        asyncio.timeout(HANG_S),
        camera(script, tls=serving) as made,
        made.client() as client,
    ):
        with pytest.raises(PermanentError) as caught:
            await opened(client)

    assert caught.value.reason is Reason.SRTP_REQUIRED


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (SAVP, Reason.SRTP_REQUIRED),
        (SDP.replace("mode=1", "mode=2"), Reason.INTERLEAVED_MODE),
        (
            SDP.replace("H264", "H265").replace("packetization-mode=1", "sprop-max-don-diff=2"),
            Reason.DECODING_ORDER,
        ),
        (SDP.replace("H264/90000", "H264/8000"), Reason.CLOCK_RATE),
        (SDP.replace("RTP/AVP", "RAW/RAW/UDP"), Reason.UNSUPPORTED_TRANSPORT),
        (SDP.replace("H264", "H263-1998"), Reason.UNSUPPORTED_CODEC),
    ],
)
async def test_each_obstacle_has_its_own_reason(body: str, reason: Reason) -> None:
    """Only a codec is told as a codec."""
    error = await refusal(described(body))

    assert isinstance(error, PermanentError)
    assert error.reason is reason


# The end.

BYE = struct.pack("!BBHI", 0x81, 203, 1, 7)
OTHER_BYE = struct.pack("!BBHI", 0x81, 203, 1, 8)


async def ending(end: Callable[[Camera], None]) -> GatewayError:
    """Return how a session ends in which the camera sends one packet and then does *end*."""
    came = asyncio.Event()
    async with asyncio.timeout(HANG_S), camera() as made, made.client() as client:
        await opened(client)
        await client.play(lambda _: came.set())
        made.send(packet(1))
        await came.wait()
        end(made)
        with pytest.raises(GatewayError) as caught:
            await client.monitor(stall_s=3 * GOODBYE_S)
        return caught.value


async def test_a_goodbye_is_believed() -> None:
    """The source has ended; nobody waits for a stall."""
    error = await ending(lambda made: made.send(BYE, 1))

    assert isinstance(error, SourceStalled)
    assert error.reason is Reason.SOURCE_ENDED


async def test_who_hangs_up_after_a_goodbye_has_ended() -> None:
    """It is one event, not two."""

    def end(made: Camera) -> None:
        made.send(BYE, 1)
        made.writers[-1].close()

    assert (await ending(end)).reason is Reason.SOURCE_ENDED


async def test_a_goodbye_of_another_source_is_not_the_videos() -> None:
    """An audio track may end by itself."""
    assert (await ending(lambda made: made.send(OTHER_BYE, 1))).reason is Reason.STALLED


async def test_a_camera_that_sends_on_behind_its_goodbye_has_not_ended() -> None:
    """It may go on under another SSRC (RFC 3550 §8.2)."""
    loop = asyncio.get_running_loop()

    def end(made: Camera) -> None:
        made.send(BYE, 1)
        loop.call_later(GOODBYE_S / 2, made.send, packet(2))

    assert (await ending(end)).reason is Reason.STALLED


async def test_a_stream_that_stops_within_a_picture_has_stalled() -> None:
    """It is damaged only while RTP still comes."""
    came = asyncio.Event()
    async with asyncio.timeout(HANG_S), camera() as made, made.client() as client:
        await opened(client)
        await client.play(lambda _: came.set())
        made.send(packet(1, marker=False))
        await came.wait()
        last_unit_s = client.receiver_stats.last_rtp_s - 0.05
        with pytest.raises(SourceStalled) as caught:
            await client.monitor(stall_s=0.4, last_unit_s=lambda: last_unit_s)

    assert caught.value.reason is Reason.STALLED


async def test_who_sends_in_place_of_the_camera_is_told() -> None:
    """A recorder with two addresses sends by the other one."""

    def script(request: Request) -> bytes:
        if request.method == "SETUP":
            return request.answer(Session="abc", Transport="RTP/AVP;unicast;server_port=9998-9999")
        return willing(request)

    async with asyncio.timeout(HANG_S), camera(script) as made, made.client() as client:
        await client.connect()
        await client.options()
        await client.setup(await client.describe(), "udp")
        await client.play(ignore)
        assert client.udp is not None
        with socket.socket(type=socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.2", 0))
            other.sendto(packet(1), ("127.0.0.1", client.udp.port))
        with pytest.raises(SourceStalled) as caught:
            await client.monitor(stall_s=0.4)

    assert caught.value.detail == "no RTP for 0.4 s; 127.0.0.2 sends to our port instead"


async def test_a_refused_connection_is_told_in_plain_words() -> None:
    """The address once, and nothing of Python's."""
    async with camera() as made:
        pass
    async with made.client() as client:
        with pytest.raises(SourceUnavailable) as caught:
            await client.connect()

    place = f"127.0.0.1:{made.port}"
    assert caught.value.detail == f"{place} refuses the connection: nothing listens at this port"
