"""What a machine knows of its own site beside its disk: the health that its gateway tells."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.app.status_socket import StatusSocket
from gateway.model.errors import MessageRejected
from gateway.model.health import LinkSample, SiteHealth
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.health import (
    decode_health_line,
    encode_cameras_health,
    encode_site_health,
    health_line,
)
from gateway.runtime.status_query import HEALTH_BYTES, HEALTH_NAME
from gateway.survey.box import with_health
from tests.fixtures.clock import HANG_S
from tests.unit.survey.filled import facts, health

STAMP = Stamp(7, 1, 1)
LINE = health_line(
    encode_site_health(STAMP, SiteHealth(link=LinkSample(rtt_ms=20.0))),
    encode_cameras_health(STAMP, [health(f"c{number:03d}") for number in range(512)]),
)


async def test_the_running_gateway_tells_which_cameras_answer(tmp_path: Path) -> None:
    """As many as a site may have fit."""
    served = StatusSocket(
        str(tmp_path), status=lambda: LINE, name=HEALTH_NAME, most_bytes=HEALTH_BYTES
    )
    running = asyncio.create_task(served.run(), name="health")
    async with asyncio.timeout(HANG_S):
        while not (tmp_path / HEALTH_NAME).exists():  # noqa: ASYNC110  (nothing tells of a file)
            await asyncio.sleep(0)
    known = await asyncio.to_thread(with_health, facts(), tmp_path, HANG_S)
    running.cancel()
    await asyncio.wait([running])

    assert (len(known.health or ()), known.health_ms, known.rtt_ms) == (512, 7, 20.0)


def test_without_a_gateway_nothing_is_known_of_now(tmp_path: Path) -> None:
    """The form is filled all the same."""
    assert with_health(facts(), tmp_path, 1.0) == facts()


@pytest.mark.parametrize("line", ["", "a b c", "a b c d", LINE[:-8], LINE + " x"])
def test_a_line_of_another_release_is_refused(line: str) -> None:
    """As any payload."""
    with pytest.raises(MessageRejected):
        decode_health_line(line)
