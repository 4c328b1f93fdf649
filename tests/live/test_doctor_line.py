"""The doctor's measurements of the line: at a real coturn, and at a centre that serves over TLS."""

from __future__ import annotations

import asyncio
import io
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app.doctor_line import loss, speed
from gateway.console.line_meter import BURST
from gateway.demo.config_files import free_port
from gateway.enrolment.client import trusting
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import LINE_PATH, MOST_UPLOAD_BYTES, SERVER_NAME
from gateway.enrolment.upload_trial import SIZES, UploadTrial, try_upload
from gateway.runtime.clock import SystemClock
from gateway.webrtc.line_trial import try_line
from tests.fixtures.clock import HANG_S
from tests.fixtures.enrolment import EnrolmentCentre, make_centre
from tests.fixtures.turn import Turn

pytestmark = pytest.mark.live

ASKED = 20


async def test_a_turn_server_answers_each_request(turn: Turn) -> None:
    """Nothing is lost inside one machine; without a login."""
    trial = await try_line(turn.host, turn.port, clock=SystemClock(), requests=ASKED, last_s=HANG_S)

    assert (trial.sent, trial.answered) == (ASKED, ASKED)
    assert loss("turn", trial).status == "ok"


class _Half(asyncio.DatagramProtocol):
    """Forwards every other request to a server, and each answer back."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._count = 0
        self._asker: tuple[str | int, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport  # asyncio's own is no DatagramTransport by its type

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if addr == self._server:
            self._transport.sendto(data, self._asker)
            return
        self._asker = addr
        self._count += 1
        if self._count % 2:
            self._transport.sendto(data, self._server)


async def test_what_is_lost_on_the_way_is_counted(turn: Turn) -> None:
    """Every other request is dropped before a real server: half of them are lost, or more."""
    loop = asyncio.get_running_loop()
    half, _ = await loop.create_datagram_endpoint(
        lambda: _Half((turn.host, turn.port)), local_addr=(turn.host, 0)
    )
    port = half.get_extra_info("sockname")[1]

    trial = await try_line(turn.host, port, clock=SystemClock(), requests=ASKED, last_s=0.2)
    half.close()

    assert trial.loss_percent >= 50.0
    assert loss("turn", trial).status == "warn"


async def test_a_server_that_is_silent_has_no_round_trip() -> None:
    """All is lost; a closed port is no error of ours."""
    trial = await try_line("127.0.0.1", free_port(), clock=SystemClock(), requests=2, last_s=0.2)

    assert trial.rtt_ms is None
    assert "không có trả lời nào" in loss("turn", trial).vi


async def test_the_centre_takes_what_measures_the_line(centre: EnrolmentCentre) -> None:
    """Inside one machine up to the largest body, over TLS that is checked."""
    trial = await try_upload(
        centre.url, centre.authority.root_pem, clock=SystemClock(), quick_s=1e9
    )

    assert trial.sent_bytes == MOST_UPLOAD_BYTES
    assert "Mb/s" in speed(trial).vi


async def test_a_weak_line_carries_one_small_body(centre: EnrolmentCentre) -> None:
    """A body that was not quick is followed by none."""
    trial = await try_upload(centre.url, centre.authority.root_pem, clock=SystemClock(), quick_s=0)

    assert trial.sent_bytes == SIZES[0]


async def test_a_centre_of_another_root_gets_nothing(
    centre: EnrolmentCentre, tmp_path: Path
) -> None:
    """The certificate is checked before anything goes out."""
    other = make_centre(tmp_path / "other").authority.root_pem

    with pytest.raises(EnrolmentError) as caught:
        await try_upload(centre.url, other, clock=SystemClock())

    assert caught.value.reason is EnrolmentReason.WRONG_CA


async def test_one_address_cannot_fill_the_centres_line(centre: EnrolmentCentre) -> None:
    """What is too long or comes too often is refused."""
    context = trusting(centre.authority.root_pem)
    assert await posted(centre.url, context, MOST_UPLOAD_BYTES + 1) == 413
    answers = [await posted(centre.url, context, 1) for _ in range(BURST)]

    assert answers == [200] * (BURST - 1) + [429]


async def posted(url: str, context: ssl.SSLContext, size: int) -> int:
    """Return the status of the answer to a body of *size* bytes."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            url + LINE_PATH, data=io.BytesIO(bytes(size)), ssl=context, server_hostname=SERVER_NAME
        ) as response,
    ):
        return response.status


def test_a_line_too_weak_for_a_camera_is_warned_of() -> None:
    """What did not even arrive tells what the line has at most."""
    assert speed(UploadTrial(65_536, 2.0)).status == "warn"
    assert "dưới 0,1 Mb/s" in speed(UploadTrial(0, 0.0, 10.0, 65_536)).vi
    assert "khoảng 17 camera" in speed(UploadTrial(1_048_576, 0.8)).vi
