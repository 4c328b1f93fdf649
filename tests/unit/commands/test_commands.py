"""What single commands do: uploads, pictures, logs, reboots, and what the centre says to all."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.commands.broadcast import KNOWN, PENDING, BroadcastListener
from gateway.commands.camera_commands import JPEG_BYTES, SnapshotArgs, snapshot_command
from gateway.commands.command import CommandContext, Facts, Outcome
from gateway.commands.https_put import HttpsPut
from gateway.commands.log_tail import TailArgs, tail_command
from gateway.commands.replies import ReplySender
from gateway.commands.site_commands import RebootArgs, reboot_command
from gateway.model.errors import MessageRejected, NoPicture, TransientError
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.mqtt.payloads.codec import PAYLOAD_BYTES, Stamp, read
from gateway.mqtt.payloads.command import CommandRequest, read_reply, reply
from gateway.mqtt.topics import parse
from gateway.ports import InboundMessage
from gateway.runtime.logging import LogLevel, configure_logging, follow_log
from gateway.runtime.redact import Redactor
from gateway.runtime.spread import phase_s
from tests.fixtures.broker import Authority
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import OWN, Bus, envelope

SECRET = "canary-mật-khẩu"
CAMERA = CameraConfig(id="c07", name="Quầy 7", streams=(StreamConfig(url="rtsp://10.0.0.7/1"),))


def command_context(told: list[Facts] | None = None) -> CommandContext:
    asked = CommandRequest.model_validate_json(json.dumps(envelope("dig")))
    return CommandContext(asked, lambda _, facts: None if told is None else told.append(facts))


# --- uploads ---------------------------------------------------------------------------------


SILENCE = b"(nothing)"


class FakeHttpsServer:
    """An HTTPS server that says *answer* to everything, and what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        self.bodies.append(await reader.readexactly(size))
        with suppress(OSError):
            if self.answer is SILENCE:
                await reader.read()
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def shelf(folder: Path, answer: bytes) -> AsyncIterator[tuple[FakeHttpsServer, int, Path]]:
    authority = Authority.made(folder / "ca")
    server_tls = authority.issue("shelf", hosts=("localhost", "127.0.0.1"))
    assert server_tls.cert_file is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_tls.cert_file, server_tls.key_file)
    made = FakeHttpsServer(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield made, server.sockets[0].getsockname()[1], authority.ca_file


async def test_a_picture_is_put_where_it_may_be_put(tmp_path: Path) -> None:
    """One PUT with the whole picture; its status comes back."""
    async with shelf(tmp_path, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n") as (
        made,
        port,
        ca,
    ):
        upload = HttpsPut((f"localhost:{port}",), ca)
        status = await upload.put(
            f"https://localhost:{port}/a/b.jpg?sig=x%2F", b"jpeg", "image/jpeg"
        )

        assert status == 201
        assert made.heads[0].startswith(b"PUT /a/b.jpg?sig=x%2F HTTP/1.1\r\n")
        assert made.bodies == [b"jpeg"]


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Or a host that may be gone to could send us anywhere."""
    answer = b"HTTP/1.1 307 Over there\r\nLocation: https://10.0.0.1/\r\n\r\n"
    async with shelf(tmp_path, answer) as (made, port, ca):
        upload = HttpsPut((f"localhost:{port}",), ca)

        assert await upload.put(f"https://localhost:{port}/", b"jpeg", "image/jpeg") == 307
        assert len(made.heads) == 1


async def test_an_interim_answer_is_not_the_answer(tmp_path: Path) -> None:
    """Some servers say that they go on before they say how it went."""
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 204 -\r\n\r\n"
    )
    async with shelf(tmp_path, answer) as (_, port, ca):
        upload = HttpsPut((f"localhost:{port}",), ca)

        assert await upload.put(f"https://localhost:{port}/", b"jpeg", "image/jpeg") == 204


async def test_a_host_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has our picture and keeps silent: after a while that is its answer."""
    monkeypatch.setattr("gateway.commands.https_put.PUT_S", 3.0)
    async with shelf(tmp_path, SILENCE) as (made, port, ca):
        upload = HttpsPut((f"localhost:{port}",), ca)
        with pytest.raises(TransientError) as trouble:
            await upload.put(f"https://localhost:{port}/", b"jpeg", "image/jpeg")

        assert trouble.value.reason is Reason.TIMEOUT
        assert made.bodies == [b"jpeg"]


async def test_a_host_that_cannot_be_verified_gets_nothing(tmp_path: Path) -> None:
    """There is no option to switch that off."""
    async with shelf(tmp_path, b"HTTP/1.1 200 OK\r\n\r\n") as (made, port, _):
        other = Authority.made(tmp_path / "other").ca_file
        with pytest.raises(TransientError) as trouble:
            await HttpsPut((f"localhost:{port}",), other).put(
                f"https://localhost:{port}/", b"jpeg", "image/jpeg"
            )

        assert trouble.value.reason is Reason.TLS_FAILED
        assert made.bodies == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://shelf.example/a", "url.scheme"),
        ("https://other.example/a", "url.host"),
        ("https://shelf.example:8443/a", "url.host"),
        ("https://shelf.example@10.0.0.1/a", "url.userinfo"),
        ("https://shelf.example\\@10.0.0.1/a", "url.control"),
        ("https://shelf.example/a b", "url.control"),
        ("https://shelf.example/\r\nHost: x", "url.control"),
        ("https://[::1/a", "url.host"),
        ("https://shelf.example:99999/a", "url.host"),
        ("file:///etc/passwd", "url.scheme"),
        ("https://shelf.example.evil.example/a", "url.host"),
        ("", "url.control"),
    ],
)
def test_an_address_elsewhere_is_refused(url: str, code: str) -> None:
    """Before anything is opened, with the place."""
    with pytest.raises(MessageRejected) as refused:
        HttpsPut(("shelf.example",), None).target(url)

    assert [(each.at, each.code) for each in refused.value.faults] == [("/args/put_url", code)]


# --- pictures --------------------------------------------------------------------------------


async def pictured(largest: Mapping[int, int], width: int = 640) -> Outcome:
    """Return the outcome of a snapshot where a picture so wide has so many bytes."""

    async def take_snapshot(_: str, width: int) -> bytes:
        return random.Random(width).randbytes(largest[width])

    command = snapshot_command(
        lambda camera: CAMERA if camera == "c07" else None,
        take_snapshot=take_snapshot,
        upload=HttpsPut((), None),
    )
    return await command.run(SnapshotArgs(camera="c07", width=width), command_context())


async def test_a_picture_that_just_fits_fits_the_message() -> None:
    """48 KiB in base64, packed, is below the largest payload."""
    outcome = await pictured({640: JPEG_BYTES})
    answers = ReplySender(Bus(), stamp=lambda: Stamp(0, 0, 0), redact=str, clock=FakeClock())
    said = answers.reply("dig-0001", outcome.state, result=dict(outcome.result))
    content_type, payload = reply(Stamp(2**42, 2**42, 2**40), said)

    assert said.state == "succeeded"
    assert len(payload) < PAYLOAD_BYTES
    assert read_reply(payload, content_type).result == outcome.result


async def test_a_larger_picture_is_made_smaller() -> None:
    """And the answer says how wide it is."""
    outcome = await pictured({640: 99_000, 320: 60_000, 160: 9_000})

    assert (outcome.state, outcome.result["width"], outcome.result["bytes"]) == (
        "succeeded", 160, 9_000,
    )  # fmt: skip


async def test_a_picture_that_never_fits_is_told_so() -> None:
    """By a code, with its size."""
    outcome = await pictured({640: 99_000, 320: 99_000, 160: 99_000})

    assert (outcome.state, outcome.code) == ("failed", "too_large")


async def test_no_picture_is_a_failure_with_its_reason() -> None:
    """The dispatcher turns it into the reason's code."""

    async def take_snapshot(_: str, __: int) -> bytes:
        raise NoPicture(Reason.STALLED, "no keyframe")

    command = snapshot_command(
        lambda _: CAMERA, take_snapshot=take_snapshot, upload=HttpsPut((), None)
    )
    with pytest.raises(NoPicture):
        await command.run(SnapshotArgs(camera="c07"), command_context())


# --- logs ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("isolated_logging")
async def test_a_followed_log_is_redacted_filtered_and_bounded() -> None:
    """Only what is wanted, without secrets, in few messages; what was lost is counted."""
    redactor, bus, clock = Redactor(), Bus(), FakeClock()
    redactor.add_secret(SECRET)
    configure_logging(redactor, level="warning")
    log = structlog.get_logger("tests")
    level_before = logging.getLogger().level

    def follow(take: Callable[[str], None], level: LogLevel) -> AbstractContextManager[None]:
        return follow_log(redactor, take, level)

    command = tail_command(OWN, follow=follow, bus=bus, stamp=lambda: Stamp(1, 2, 3), clock=clock)
    told: list[Facts] = []
    args = TailArgs(level="debug", filter="WANTED", max_s=2.0, max_kbps=1)

    async def tail() -> Outcome:
        return await command.run(args, command_context(told))

    async with asyncio.TaskGroup() as group:
        tailing = group.create_task(tail())
        while not told:  # noqa: ASYNC110 (it has begun once it has said so)
            await asyncio.sleep(0)
        for number in range(2000):
            log.debug("wanted", number=number, password=SECRET, text=f"it is {SECRET}")
            log.debug("other")
    outcome = tailing.result()

    sent = [bus.posted.get_nowait() for _ in range(bus.posted.qsize())]
    trees: list[dict[str, Any]] = [read(each.payload, each.content_type) for each in sent]
    lines = [line for tree in trees for line in tree["lines"]]
    assert outcome.result["lines"] == len(lines) > 10
    assert outcome.result["lines"] + outcome.result["lost"] == 2000
    assert sum(len(line) for line in lines) < 20_000
    assert all("wanted" in line and SECRET not in line for line in lines)
    assert {each.qos for each in sent} == {0}
    assert logging.getLogger().level == level_before


@pytest.mark.usefixtures("isolated_logging")
def test_two_who_follow_do_not_disturb_each_other() -> None:
    """In whichever order they leave, the log is as it was."""
    redactor = Redactor()
    configure_logging(redactor, level="warning")
    root, first, second = logging.getLogger(), [], []  # type: ignore[var-annotated]
    one = follow_log(redactor, first.append, "debug")
    other = follow_log(redactor, second.append, "info")
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    structlog.get_logger("tests").info("still heard")
    other.__exit__(None, None, None)

    assert (len(first), len(second)) == (0, 1)
    assert root.level == logging.WARNING
    assert len(root.handlers) == 1


# --- reboots ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("/nonexistent/systemctl", "reboot"), "reboot"),
        ((sys.executable, "-c", "raise SystemExit(1)"), "reboot"),
        ((sys.executable, "-c", ""), "still_up"),
    ],
)
async def test_a_reboot_that_does_not_happen_is_told(argv: tuple[str, ...], code: str) -> None:
    """Whoever is asked refuses, or nothing comes of it."""
    clock = FakeClock()
    outcome = await reboot_command(argv, clock=clock).run(RebootArgs(delay_s=7), command_context())

    assert (outcome.state, outcome.code) == ("failed", code)
    assert clock.slept[0] == 7


# --- what the centre says to all -------------------------------------------------------------


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[BroadcastListener, list[tuple[str, ...]], FakeClock]]:
    clock = FakeClock()
    told: list[tuple[str, ...]] = []
    centre = BroadcastListener(
        OWN, resend=lambda sections: told.append(tuple(sections)), clock=clock
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(centre.run())
        yield centre, told, clock
        running.cancel()


async def hear(
    centre: BroadcastListener, topic: str, payload: object, *, retain: bool = False
) -> None:
    place = parse(topic)
    assert place is not None
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    centre.deliver(place, InboundMessage(topic, raw, retain=retain))
    for _ in range(8):
        await asyncio.sleep(0)


def rebirth(number: int, **more: Any) -> dict[str, Any]:
    return {"op": "rebirth", "id": f"rebirth-{number:04}", "spread_s": 300, **more}


async def test_a_broadcast_is_answered_at_our_own_moment_and_once() -> None:
    """Within the spread, always at the same place of it; the same again is nothing new."""
    async with listening() as (centre, told, clock):
        for _ in range(2):
            await hear(centre, "ctl/v1/bcast/all", rebirth(1))

        assert told == [("presence", "birth")]
        assert clock.slept == [phase_s(OWN.gateway, 300)]
        assert 0 <= clock.slept[0] < 300


async def test_broadcasts_that_are_old_or_wrong_are_nothing() -> None:
    """Retained, unreadable, unknown: nothing is told again."""
    async with listening() as (centre, told, _):
        await hear(centre, "ctl/v1/bcast/all", rebirth(1), retain=True)
        await hear(centre, "ctl/v1/bcast/all", b"{" * 10_000)
        await hear(centre, "ctl/v1/bcast/all", rebirth(2, op="reboot"))
        await hear(centre, "ctl/v1/bcast/all", rebirth(3, sections=["everything"]))
        await hear(centre, "ctl/v1/bcast/all", rebirth(4, spread_s=1e9))
        for number in range(KNOWN + PENDING):
            await hear(centre, "ctl/v1/state", {"online": True, "ep": number})

        assert told == []
        assert centre.online


async def test_a_late_will_of_the_centre_is_ignored() -> None:
    """An offline of a lower epoch belongs to a connection that has been replaced."""
    async with listening() as (centre, _, __):

        async def online_after(said: object, *, retain: bool = False) -> bool:
            await hear(centre, "ctl/v1/state", said, retain=retain)
            return centre.online

        assert centre.online
        assert await online_after({"online": True, "ep": 88}, retain=True)
        assert await online_after({"online": False, "ep": 87})
        assert not await online_after({"online": False, "ep": 88})
        assert not await online_after(b"", retain=True)
