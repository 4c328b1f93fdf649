"""The RTSP client against cameras that answer as scripted, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model.errors import (
    CodecUnsupported,
    GatewayError,
    PermanentError,
    SourceRefused,
    SourceStalled,
    SourceUnavailable,
    TransientError,
)
from gateway.model.reasons import Reason
from gateway.rtsp.client import LEAVE_S, RtspClient
from gateway.rtsp.connection import ignore, tls_context
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import RETRY_S, LoginLimiter
from tests.fixtures.clock import HANG_S
from tests.unit.rtsp.scripted import (
    CLOCK,
    LOGIN,
    SDP,
    Camera,
    Raw,
    Request,
    Script,
    camera,
    opened,
    packet,
    self_signed,
    willing,
)


def answering(method: str, answer: Callable[[Request], bytes | None]) -> Script:
    """Return a willing camera but for *method*."""
    return lambda request: answer(request) if request.method == method else willing(request)


async def failure(script: Script, answer_s: float = HANG_S) -> GatewayError:
    """Return what a session with *script* fails with."""

    async def session(made: Camera) -> None:
        async with made.client(LOGIN, answer_s) as client:
            await opened(client)
            await client.play(ignore)
            await client.monitor(stall_s=0.05)

    async with asyncio.timeout(HANG_S), camera(script) as made:
        with pytest.raises(GatewayError) as caught:
            await session(made)
        return caught.value


async def test_the_steps_follow_each_other_and_the_session_is_left() -> None:
    """Each request once, on the right URL, and TEARDOWN at the end."""
    async with asyncio.timeout(HANG_S), camera() as made:
        async with made.client() as client:
            await opened(client)
            await client.play(ignore)

        assert made.methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]
        assert made.requests[2].url == f"{made.url}/trackID=1"
        assert made.requests[3].url == made.url
        assert made.requests[4].headers["Session"] == "abc"
        assert all(request.headers["User-Agent"] for request in made.requests)


async def test_packets_arrive_and_the_session_is_left_when_cancelled() -> None:
    """A cancelled reader still says TEARDOWN before it is gone."""
    arrived = asyncio.Event()
    packets: list[bytes] = []

    def take(batch: list[bytes]) -> None:
        packets.extend(batch)
        arrived.set()

    async def watch() -> None:
        async with made.client() as client:
            await opened(client)
            await client.play(take)
            await client.monitor(stall_s=HANG_S)

    async with asyncio.timeout(HANG_S), camera() as made:
        watching = asyncio.create_task(watch())
        await made.played.wait()
        made.send(packet(1))
        await arrived.wait()
        watching.cancel()
        await asyncio.wait([watching])

        assert watching.cancelled()
        assert packets == [packet(1)]
        assert made.methods[-1] == "TEARDOWN"


async def test_a_camera_that_never_answers_teardown_is_left_all_the_same() -> None:
    """The bound on leaving holds, and nothing is raised for it."""
    async with asyncio.timeout(HANG_S), camera(answering("TEARDOWN", lambda _: None)) as made:
        async with made.client() as client:
            await opened(client)

        assert made.methods[-1] == "TEARDOWN"
        assert LEAVE_S <= 1


@pytest.mark.parametrize(
    ("method", "status", "kind", "reason"),
    [
        ("DESCRIBE", 400, PermanentError, Reason.NOT_FOUND),
        ("DESCRIBE", 403, PermanentError, Reason.LOGIN_FORBIDDEN),
        ("DESCRIBE", 404, PermanentError, Reason.NOT_FOUND),
        ("DESCRIBE", 500, TransientError, Reason.REFUSED),
        ("DESCRIBE", 503, TransientError, Reason.BUSY_SESSIONS),
        ("SETUP", 453, TransientError, Reason.BUSY_SESSIONS),
        ("PLAY", 453, TransientError, Reason.BUSY_SESSIONS),
        ("OPTIONS", 301, PermanentError, Reason.REDIRECT_REFUSED),
        ("PLAY", 302, PermanentError, Reason.REDIRECT_REFUSED),
    ],
)
async def test_a_status_is_a_cause(
    method: str, status: int, kind: type[Exception], reason: Reason
) -> None:
    """Each refusal has its code, and is retried or not."""
    error = await failure(answering(method, lambda request: request.answer(status)))

    assert isinstance(error, kind)
    assert error.reason is reason


async def test_a_recorder_without_sessions_is_not_pressed() -> None:
    """The pause is at least half a minute (A3)."""
    error = await failure(answering("SETUP", lambda request: request.answer(453)))

    assert isinstance(error, SourceUnavailable)
    assert error.pause_s == 30


@pytest.mark.parametrize("status", [451, 461])
async def test_udp_is_tried_where_interleaved_is_refused(status: int) -> None:
    """Two SETUPs; when both are refused, the transport is the cause."""
    transports: list[str] = []

    def refuse(request: Request) -> bytes:
        transports.append(request.headers["Transport"].partition(";")[0])
        return request.answer(status)

    error = await failure(answering("SETUP", refuse))

    assert error.reason is Reason.UNSUPPORTED_TRANSPORT
    assert transports == ["RTP/AVP/TCP", "RTP/AVP"]


@pytest.mark.parametrize("status", [406, 500, 501])
async def test_udp_is_tried_where_it_is_not_clear_what_is_refused(status: int) -> None:
    """406 "TCP TRANSPORT IS NOT SUPPORTED" of some, 500 of others."""

    def setup(request: Request) -> bytes:
        tcp = request.headers["Transport"].startswith("RTP/AVP/TCP")
        ports = "RTP/AVP;unicast;server_port=9998-9999"
        return request.answer(status) if tcp else request.answer(Session="abc", Transport=ports)

    async with (
        asyncio.timeout(HANG_S),
        camera(answering("SETUP", setup)) as made,
        made.client() as client,
    ):
        await opened(client)
        assert client.udp is not None


async def test_what_both_transports_are_refused_with_is_the_cause() -> None:
    """A camera in trouble is not told as one without a transport."""
    error = await failure(answering("SETUP", lambda request: request.answer(500)))

    assert isinstance(error, SourceUnavailable)
    assert error.detail == "SETUP answered 500 Said"


@pytest.mark.parametrize("ports", ["server_port=9000-9001", "client_port=0-1", "server_port=0-1"])
async def test_udp_is_tried_where_the_answer_is_of_udp(ports: str) -> None:
    """Whether it tells the camera's ports or not: nothing would come within the connection."""
    transports: list[str] = []

    def setup(request: Request) -> bytes:
        transports.append(request.headers["Transport"].partition(";")[0])
        return request.answer(Session="abc", Transport=f"RTP/AVP;unicast;{ports}")

    async with (
        asyncio.timeout(HANG_S),
        camera(answering("SETUP", setup)) as made,
        made.client() as client,
    ):
        await opened(client)

    assert transports == ["RTP/AVP/TCP", "RTP/AVP"]


async def test_a_redirect_is_named_and_never_followed() -> None:
    """The other host sees no connection at all; the message names it and no user."""
    async with asyncio.timeout(HANG_S), camera() as canary:
        location = f"rtsp://u:p@127.0.0.1:{canary.port}/x"
        error = await failure(
            answering("DESCRIBE", lambda request: request.answer(302, Location=location))
        )

        assert isinstance(error, SourceRefused)
        assert "127.0.0.1" in error.detail
        assert "u:p" not in error.detail
        assert canary.connections == 0


async def test_a_redirect_request_of_the_server_is_refused_too() -> None:
    """REDIRECT in the middle of the stream ends it with the same cause."""

    def redirecting(request: Request) -> bytes:
        return request.answer() + b"REDIRECT * RTSP/1.0\r\nCSeq: 1\r\nLocation: rtsp://e/\r\n\r\n"

    error = await failure(answering("PLAY", redirecting))

    assert error.reason is Reason.REDIRECT_REFUSED


def digest(request: Request, **more: str) -> bytes:
    extra = "".join(f", {name}={value}" for name, value in more.items())
    return request.answer(401, WWW_Authenticate=f'Digest realm="r", nonce="n"{extra}')


async def test_a_refused_login_is_tried_once_per_session() -> None:
    """One attempt with credentials, then the ledger decides when the next may be."""
    with_login = 0

    def refuse(request: Request) -> bytes:
        nonlocal with_login
        with_login += "Authorization" in request.headers
        return digest(request)

    error = await failure(answering("DESCRIBE", refuse))

    assert with_login == 1
    assert isinstance(error, SourceRefused)
    assert (error.reason, error.park_s) == (Reason.AUTH_FAILED, RETRY_S)
    assert "canary" not in str(error)


async def test_a_stale_nonce_is_answered_once_more() -> None:
    """stale=true is no refusal of the password."""
    tries = 0

    def stale_once(request: Request) -> bytes:
        nonlocal tries
        tries += 1
        if tries == 1:
            return digest(request)
        return digest(request, stale="TRUE") if tries == 2 else willing(request)

    async with asyncio.timeout(HANG_S), camera(answering("DESCRIBE", stale_once)) as made:
        async with made.client(LOGIN) as client:
            await opened(client)

        assert tries == 3
        assert "Authorization" in made.requests[-1].headers


async def failing(client: RtspClient) -> None:
    with pytest.raises(SourceRefused, match="only Basic is offered"):
        await opened(client)


async def test_a_camera_that_knows_digest_is_never_given_the_password_in_clear() -> None:
    """Basic is allowed, but this camera has taken Digest; who offers Basic alone is another."""
    limiter = LoginLimiter(CLOCK)
    honest = True

    def ask(request: Request) -> bytes:
        if honest and "Authorization" not in request.headers:
            return digest(request)
        if not honest:
            return request.answer(401, WWW_Authenticate='Basic realm="r", stale=true')
        return willing(request)

    async with asyncio.timeout(HANG_S), camera(answering("DESCRIBE", ask)) as made:
        account = Account("dev", replace(LOGIN, allow_basic=True), limiter)
        async with RtspClient(made.target, account=account, clock=CLOCK) as client:
            await opened(client)
        honest = False
        async with RtspClient(made.target, account=account, clock=CLOCK) as client:
            await failing(client)

    sent = [request.headers.get("Authorization", "") for request in made.requests]
    assert [value for value in sent if value.startswith("Basic")] == []


async def test_basic_does_not_follow_a_digest_that_was_called_stale() -> None:
    """Within one exchange: first Digest, then "stale" with Basic alone."""

    def ask(request: Request) -> bytes:
        if "Authorization" not in request.headers:
            return digest(request)
        return request.answer(401, WWW_Authenticate='Basic realm="r", stale=true')

    async with (
        asyncio.timeout(HANG_S),
        camera(answering("DESCRIBE", ask)) as made,
        made.client(replace(LOGIN, allow_basic=True)) as client,
    ):
        await failing(client)

    sent = [request.headers.get("Authorization", "") for request in made.requests]
    assert [value for value in sent if value.startswith("Basic")] == []


async def test_an_unsupported_digest_is_told_apart_from_a_wrong_password() -> None:
    """Nothing is sent, and the operator learns which algorithm was asked for (A5)."""
    error = await failure(
        answering("DESCRIBE", lambda request: digest(request, algorithm="WHIRLPOOL"))
    )

    assert error.reason is Reason.UNSUPPORTED_LOGIN
    assert "algorithm not supported" in error.detail


async def test_a_camera_that_wants_a_login_when_there_is_none() -> None:
    """Said as it is."""
    asking = answering("DESCRIBE", digest)

    async with asyncio.timeout(HANG_S), camera(asking) as made, made.client() as client:
        await client.connect()
        with pytest.raises(SourceRefused, match="none is given"):
            await client.describe()


async def test_other_codecs_are_named() -> None:
    """The operator reads what the camera sends."""
    body = SDP.replace("H264/90000", "H263-1998/90000")

    error = await failure(answering("DESCRIBE", lambda request: request.answer(body=body)))

    assert isinstance(error, CodecUnsupported)
    assert "H263-1998" in error.detail


async def test_no_rtp_is_a_stall() -> None:
    """The camera answers everything and sends nothing (A9)."""
    error = await failure(willing)

    assert isinstance(error, SourceStalled)
    assert "no RTP" in error.detail


async def test_rtp_without_pictures_is_a_stall_of_its_own() -> None:
    """Packets come, but whoever assembles them gets no picture out."""
    async with asyncio.timeout(HANG_S), camera() as made, made.client() as client:
        await opened(client)
        await client.play(ignore)
        made.send(packet(1))
        with pytest.raises(SourceStalled) as caught:
            await client.monitor(stall_s=30, last_unit_s=lambda: CLOCK.now() - 31)

    assert caught.value.reason is Reason.CORRUPT


async def test_a_camera_that_hangs_up_while_playing_is_a_stall() -> None:
    """Noticed at once, not after the stall time."""
    async with asyncio.timeout(HANG_S), camera() as made, made.client() as client:
        await opened(client)
        await client.play(ignore)
        made.writers[-1].close()
        with pytest.raises(SourceStalled, match="closed"):
            await client.monitor(stall_s=30)


async def test_accepting_and_hanging_up_means_no_session_left() -> None:
    """What recorders do when they are full, some without a word (A3)."""
    error = await failure(lambda _: b"")

    assert error.reason is Reason.BUSY_SESSIONS


async def test_a_closed_port_is_refused() -> None:
    """Connection refused is its own cause."""
    async with camera() as made:
        pass
    async with made.client() as client:
        with pytest.raises(SourceUnavailable) as caught:
            await client.connect()

    assert caught.value.reason is Reason.REFUSED


async def test_rtsps_speaks_tls_and_verifies_only_against_a_given_ca(tmp_path: Path) -> None:
    """Without a CA any certificate will do; with one, its name must be the one asked for."""
    certificate, key = tmp_path / "cam.pem", tmp_path / "cam.key"
    self_signed("camera.lan", certificate, key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)

    async with asyncio.timeout(HANG_S), camera(tls=serving) as made:
        async with made.client() as client:
            await client.connect()
            assert (await client.options()).methods
        async with made.client(tls=tls_context(str(certificate))) as client:
            with pytest.raises(SourceUnavailable) as caught:
                await client.connect()

    assert caught.value.reason is Reason.TLS_FAILED


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"R")
        await asyncio.sleep(0.01)


async def nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(-1)


def says(words: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await reader.read(-1)

    return say


_HEAD = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (nothing, Reason.TIMEOUT),
        (says(b"RTSP/1.0 200 OK\r\n"), Reason.TIMEOUT),
        (says(_HEAD + b"X: y\r\n" * 4000), Reason.CORRUPT),
        (says(_HEAD + b"Content-Length: 1500000000\r\n\r\n" + b"x" * 100_000), Reason.CORRUPT),
        (says(b"\0" * 1000), Reason.CORRUPT),
        (says(bytes(range(256)) * 8), Reason.CORRUPT),
        (drip, Reason.CORRUPT),
    ],
)
async def test_hostile_words_end_soon(raw: Raw, reason: Reason) -> None:
    """Silence, an endless header, a giant body, garbage, drops: each by its own bound (A21)."""
    answer_s = 0.05 if reason is Reason.TIMEOUT else HANG_S
    async with (
        asyncio.timeout(HANG_S),
        camera(raw=raw) as made,
        made.client(answer_s=answer_s) as client,
    ):
        await client.connect()
        with pytest.raises(SourceUnavailable) as caught:
            await client.options()

    assert caught.value.reason is reason


async def test_a_description_of_four_thousand_sections_is_refused() -> None:
    """Within the body's bound, beyond the description's."""
    body = "v=0\r\n" + "m=a 0 b 1\r\n" * 4000

    error = await failure(answering("DESCRIBE", lambda request: request.answer(body=body)))

    assert error.reason is Reason.CORRUPT


async def test_the_session_is_kept_alive_at_half_its_timeout() -> None:
    """GET_PARAMETER where it is offered, OPTIONS where that fails, and RTCP in between."""
    asked = asyncio.Event()

    def impatient(request: Request) -> bytes:
        if request.method == "SETUP":
            return request.answer(Session="abc;timeout=1")
        if request.method == "GET_PARAMETER":
            return request.answer(501)
        if request.method == "OPTIONS" and "Session" in request.headers:
            asked.set()
        return willing(request)

    async def watch() -> None:
        async with made.client() as client:
            await opened(client)
            await client.play(ignore)
            await client.monitor(stall_s=60)

    async with asyncio.timeout(HANG_S), camera(impatient) as made:
        watching = asyncio.create_task(watch())
        await asked.wait()
        watching.cancel()
        await asyncio.wait([watching])

        assert made.methods[4:6] == ["GET_PARAMETER", "OPTIONS"]
        assert made.methods[-1] == "TEARDOWN"


async def test_a_bug_of_the_taker_comes_out_as_it_is() -> None:
    """What the sink raises is not a camera's fault, and not hidden."""

    def broken(_: list[bytes]) -> None:
        raise ZeroDivisionError

    seen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    async with asyncio.timeout(HANG_S), camera() as made, made.client() as client:
        await opened(client)
        await client.play(broken)
        made.send(packet(1))
        with pytest.raises(BaseExceptionGroup) as caught:
            await client.monitor(stall_s=HANG_S)

    assert caught.group_contains(ZeroDivisionError)


async def test_requests_of_the_camera_are_answered() -> None:
    """OPTIONS and ANNOUNCE with 200, what we do not know with 501."""
    async with asyncio.timeout(HANG_S), camera() as made, made.client() as client:
        await opened(client)
        connection = client.connection
        assert connection is not None
        sent: list[bytes] = []
        connection.send = sent.append  # type: ignore[method-assign, assignment]
        for words in (
            b"ANNOUNCE * RTSP/1.0\r\nCSeq: 5\r\n\r\n",
            b"TEARDOWN * RTSP/1.0\r\n\r\n",
        ):
            connection.parser.get_buffer()[: len(words)] = words
            connection.buffer_updated(len(words))
        del connection.send

    assert sent == [b"RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n", b"RTSP/1.0 501 Not Implemented\r\n\r\n"]
