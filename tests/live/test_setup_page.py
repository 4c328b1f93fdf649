"""A box as it was installed becomes one that the centre sees, in Chromium, by code and recorder."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from gateway.cli.setup_enrolment import BoxEnrolment
from gateway.config.check import check_files
from gateway.config.signing import make_key
from gateway.demo.auth import Account
from gateway.demo.encoder import EncoderSettings, record
from gateway.demo.rtsp_server import Recorder
from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder
from gateway.demo.virtual_camera import Behaviour, VirtualCamera
from gateway.model.reasons import Reason
from gateway.model.wording import WORDING
from gateway.runtime.redact import Redactor
from tests.fixtures.broker import Brokers
from tests.fixtures.clock import HANG_S
from tests.fixtures.console import open_page as open_console
from tests.fixtures.console_process import ConsoleProcess, running_console
from tests.fixtures.enrolment import (
    SITE,
    EnrolmentCentre,
    issued_client,
    make_box,
    make_centre,
    secured,
)
from tests.fixtures.onvif_device import MAIN_PATH, SUB_PATH, Device, onvif_device
from tests.fixtures.setup_browser import (
    enrol,
    find_devices,
    give_account,
    name_cameras,
    open_phone,
    save_and_restart,
    watch,
)
from tests.fixtures.setup_page import RTSP_PORT, make_service, open_page
from tests.fixtures.setup_page import Page as SetupPage

pytestmark = pytest.mark.live

PASSWORD = ACCOUNT.password.get_secret_value()
OTHER_ACCOUNT = Account("service", ACCOUNT.password)
"""Of the camera that is not on the recorder."""

EMPTY = (7, 12)
"""Inputs of the recorder to which no camera is connected."""

LIVE = 16 - len(EMPTY) + 1
"""With the camera that is not on the recorder."""


@dataclass
class Devices:
    """What hangs on the network of the box.

    Attributes:
        network: Where they are.
        recorder: Of sixteen channels, by ISAPI.
        camera: By ONVIF; a program that is not ours.
        camera_host: Its address.
        ports: Beside those that settings allow anyway.
    """

    network: str
    recorder: ScriptedRecorder
    camera: Device
    camera_host: str
    ports: tuple[int, ...]


@asynccontextmanager
async def devices() -> AsyncIterator[Devices]:
    """A recorder and a camera at addresses of their own."""
    near = f"127.{random.randrange(30, 250)}.{random.randrange(256)}"
    host = f"{near}.3"
    settings = EncoderSettings(width=320, height=180, fps=10, gop_s=0.6)
    streams = tuple(
        VirtualCamera(
            "Cổng vào",
            record("Cổng vào", settings),
            path=path,
            account=OTHER_ACCOUNT,
            behaviour=Behaviour(join="next_keyframe"),
        )
        for path in (MAIN_PATH, SUB_PATH)
    )
    async with (
        ScriptedRecorder(
            video=True, unplugged=EMPTY, host=f"{near}.2", rtsp_port=RTSP_PORT
        ) as recorder,
        Recorder(streams, host=host, port=RTSP_PORT),
    ):
        with onvif_device(OTHER_ACCOUNT.username, PASSWORD, host=host) as (port, camera):
            camera.open_clock = True
            ports = (recorder.http_port, port)
            yield Devices(f"{near}.0/29", recorder, camera, host, ports)


@asynccontextmanager
async def running_centre(
    folder: Path, brokers: Brokers
) -> AsyncIterator[tuple[EnrolmentCentre, ConsoleProcess]]:
    """A centre as docs/enrolment.md has it: authority, broker, and the console's process."""
    viewing, public = make_key(folder / "keys", "view-test")
    trusted = folder / "trusted"
    trusted.mkdir()
    shutil.copy(public, trusted)
    centre = make_centre(folder / "centre", trusted=trusted)
    broker = await secured(centre, brokers)
    tls = issued_client(centre, "console")
    settings = folder / "console.toml"
    settings.write_text(
        f'[listen]\nport = 0\n[broker]\nhost = "localhost"\nport = {broker.port}\n'
        f'[broker.tls]\nca_file = "{tls.ca_file}"\ncert_file = "{tls.cert_file}"\n'
        f'key_file = "{tls.key_file}"\n[viewing]\nkey = "{viewing}"\nactor = "phòng trực"\n'
        f'[enrolment]\nfolder = "{centre.settings.folder}"\ntrusted = "{trusted}"\n'
        'names = ["127.0.0.1"]\naddress = "127.0.0.1"\nport = 0\n'
        f'[enrolment.broker]\nhost = "localhost"\nport = {broker.port}\n'
    )
    async with running_console(settings, folder / "console.log") as console:
        yield centre, console


@dataclass
class Box:
    """What was installed: the example's settings, and a service that systemd restarts.

    Attributes:
        settings: Its settings file.
        process: Of the service, once it was started.
        output: What that has said.
    """

    settings: Path
    process: Process | None = None
    output: list[str] = field(default_factory=list)

    async def restart(self) -> None:
        """Do what systemd does."""
        await self.stop()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "run", "--settings", str(self.settings)),
            stderr=PIPE,
        )

    async def stop(self) -> None:
        """End the service; what it has said is in `output` then."""
        if self.process is None:
            return
        self.process.terminate()
        async with asyncio.timeout(HANG_S):
            _, said = await self.process.communicate()
        self.output.append(said.decode(errors="replace"))
        self.process = None


@asynccontextmanager
async def installed(folder: Path, there: Devices) -> AsyncIterator[Box]:
    """A box that was just installed, in the network of the devices."""
    settings = make_box(folder / "box")
    for name in ("state", "box/secrets"):
        (folder / name).mkdir(mode=0o700)
    text = settings.read_text()
    text = text.replace('["192.168.1.0/24", "10.24.8.0/22"]', f'["{there.network}"]')
    text = text.replace("# ports = []", f"ports = {list(there.ports)}")
    text = text.replace("[state]", f'[state]\ndir = "{folder / "state"}"\nsecrets = "secrets"')
    settings.write_text(text)
    box = Box(settings)
    try:
        yield box
    finally:
        await box.stop()


async def set_up(
    chromium: Browser, opened: SetupPage, there: Devices, console: ConsoleProcess, code: str
) -> None:
    """Go through the page from its code to its end."""
    window = await open_phone(chromium, f"{opened.url}/#{opened.access.code}")
    page = window.page
    await enrol(page, console.enrolment, code, SITE.name)
    await find_devices(page, 2)
    await give_account(page, there.recorder.host, ACCOUNT, LIVE - 1)
    await page.locator("#channels [data-go=account]").click()
    await give_account(page, there.camera_host, OTHER_ACCOUNT, LIVE)
    for number in EMPTY:
        card = page.locator(f'.card[data-key="nvr1.{number}"]')
        await expect(card).to_contain_text(WORDING[Reason.NO_SIGNAL].vi)
    await expect(page.locator('[data-key="nvr1.3"] [data-field=name]')).to_have_value("Camera 03")
    await name_cameras(page, LIVE)
    await save_and_restart(page, LIVE)

    assert await opened.closed == "done"
    assert window.complaints == []
    assert PASSWORD not in await page.content()


async def test_a_fresh_box_is_enrolled_set_up_and_seen_at_the_centre(
    tmp_path: Path, brokers: Brokers, chromium: Browser
) -> None:
    """A code, an account once for each device, names, a test; and the centre has its pictures."""
    async with (
        devices() as there,
        running_centre(tmp_path, brokers) as (centre, console),
        installed(tmp_path, there) as box,
    ):
        service = make_service(
            box.settings, restart=box.restart, enrolment=BoxEnrolment(box.settings)
        )
        async with open_page(service) as opened:
            await set_up(chromium, opened, there, console, str(centre.code()))
        operator = await open_console(chromium, console.url)
        await watch(operator, SITE.name, (("quay3", "Quầy 3"), ("congvao", "Cổng vào")))
        sites = await operator.page.evaluate("cameraGateway.sites()")
        assert [(each["gw"], each["st"]) for each in sites] == [(SITE.id, "on")]
        assert operator.complaints == []

        logins = there.recorder.counts
        assert (logins.logins, logins.refused, there.camera.refused) == (1, 0, 0)
        assert check_files((box.settings,), redactor=Redactor()).faults == ()
        await box.stop()
        assert PASSWORD not in "".join(box.output)
    document = json.loads((tmp_path / "state" / "site.json").read_text())
    assert len(document["cameras"]) == LIVE
