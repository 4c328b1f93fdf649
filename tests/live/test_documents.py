"""A monthly document over a real broker: from a folder to the console, whatever breaks."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from playwright.async_api import Browser, expect
from sqlalchemy.orm import Session

from gateway.centre.delivery.settings import DeliverySettings
from gateway.centre.enrolment.tables import CertificateRow
from gateway.config.signing import make_key
from gateway.console.server import Console
from gateway.console.settings import Listen, Settings
from gateway.enrolment.messages import SiteIdentity
from gateway.mqtt.client.broker import BrokerAddress, Tls
from gateway.runtime.clock import SystemClock
from tests.fixtures.broker import Broker, Brokers, tls_lines
from tests.fixtures.child import until_ended
from tests.fixtures.clock import HANG_S
from tests.fixtures.console import open_page
from tests.fixtures.delivery import MONTH, big_csv, big_kind
from tests.fixtures.documents import kinds_toml
from tests.fixtures.enrolment import EnrolmentCentre, box_key, issued, make_centre
from tests.fixtures.site import OWN, write_settings

pytestmark = pytest.mark.live

SITE = SiteIdentity(id=OWN.gateway, province=OWN.province, name="TTPVHCC thử nghiệm")
PIECES = 12


@asynccontextmanager
async def console(centre: EnrolmentCentre, broker: BrokerAddress, key: Path) -> AsyncIterator[str]:
    """The console of *centre*, which takes documents; gives its URL."""
    settings = Settings(
        broker=broker,
        listen=Listen(port=0),
        enrolment=centre.settings,
        documents=DeliverySettings.model_validate({"key": key, "kinds": [big_kind().model_dump()]}),
    )
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Console(settings, clock=SystemClock()).run(ready.set_result))
        async with asyncio.timeout(HANG_S):
            url = await ready
        yield url
        running.cancel()


@asynccontextmanager
async def gateway(settings: Path) -> AsyncIterator[None]:
    """The real gateway; it has to end by itself when it is told to."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "run", "--settings", str(settings)), stderr=DEVNULL
    )
    try:
        yield
        assert process.returncode is None
    finally:
        assert await until_ended(process, "the gateway", signal.SIGTERM) == 0


async def row_in(url: str, state: str) -> dict[str, Any]:
    """Return what the console says of the document once it is in *state*."""
    async with asyncio.timeout(HANG_S), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}documents.json", params={"month": MONTH}) as answer:
                rows = (await answer.json())["rows"]
            assert state == "refused" or "refused" not in {each["state"] for each in rows}
            found: list[dict[str, Any]] = [each for each in rows if each["state"] == state]
            if found:
                return found[0]
            await asyncio.sleep(0.2)  # a page asks in no other way


async def test_a_document_arrives_although_the_broker_is_killed(
    brokers: Brokers, chromium: Browser, ports: Callable[[], int], tmp_path: Path
) -> None:
    """It dies in the middle and loses what it held; the rest and what is missing follow.

    It takes what both ends take to connect again.
    """
    centre = make_centre(tmp_path / "centre")
    secret, public = make_key(tmp_path / "centre-keys", "doc-test")
    plain = BrokerAddress(host="127.0.0.1", port=ports())
    broker: Broker = await brokers(
        *tls_lines(issued(centre, "broker", ("127.0.0.1",)), "require_certificate true"),
        "use_identity_as_username true",
        f"listener {plain.port} 127.0.0.1",
        "allow_anonymous true",
    )
    key = box_key(centre, tmp_path / "box", SITE)
    drop = tmp_path / "drop"
    drop.mkdir()
    box = tmp_path / "gateway"
    (box / "trusted").mkdir(parents=True)
    (box / "trusted" / public.name).write_bytes(public.read_bytes())
    more = f'[documents]\nfolder = "{drop}"\nscan_s = 1\n{kinds_toml()}'
    tls = Tls(
        ca_file=centre.settings.folder / "broker.ca",
        cert_file=certificate_of(centre, key),
        key_file=key,
    )
    async with (
        console(centre, plain, secret) as url,
        gateway(write_settings(box, broker.port, (), tls=tls, more=more)),
    ):
        (drop / f"chi-so-{MONTH}.csv").write_bytes(content := big_csv(PIECES))
        await row_in(url, "receiving")
        broker.stop(signal.SIGKILL)
        await broker.start()

        found = await row_in(url, "kept")
        assert found["bytes"] == len(content)

        page = (await open_page(chromium, url)).page
        await page.click("#documents")
        await expect(page.locator(f"tr[data-province='{OWN.province}'] td.kept")).to_have_count(1)
        await expect(page.locator("td.missing")).to_have_count(33)
        await page.context.close()


def certificate_of(centre: EnrolmentCentre, key: Path) -> Path:
    """Return the file of the certificate that *centre* has issued for *key*."""
    path = key.with_suffix(".pem")
    with Session(centre.registry.engine) as session:
        chain = session.scalars(
            sa.select(CertificateRow.chain).where(CertificateRow.site_id == SITE.id)
        ).one()
    path.write_text(chain)
    return path
