"""The centre of the walk: authority, Mosquitto and the console, made by its own commands."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures.broker import MOSQUITTO
from tests.fixtures.child import until_ended
from tests.fixtures.console_process import running_console
from tests.fixtures.enrolment import ACL

SITE, NAME, PROVINCE = "bacninh-ttpvhcc-01", "TTPVHCC tỉnh Bắc Ninh", "24"
_STEP_S = 60.0


@dataclass(frozen=True)
class Centre:
    """What runs.

    Attributes:
        page: URL of the operators' page.
        code: Of the site, good for 72 hours.
        settings: Of the console.
    """

    page: str
    code: str
    settings: Path

    async def enrol(self, site: str, name: str) -> str:
        """Return the code of another *site*, which people call *name*."""
        return await _enrol(self.settings, site, name)


@asynccontextmanager
async def running_centre(folder: Path, address: str, port: int) -> AsyncIterator[Centre]:
    """Run a centre at *address*, whose machines enrol at *port*."""
    settings = folder / "console.toml"
    (folder / "trusted").mkdir()
    shutil.copy(ACL, folder / "acl")
    settings.write_text(_settings(folder, address, port))
    own = ("--settings", str(settings))
    await _gateway("keys", "make", "view-2026a", "--folder", str(folder))
    shutil.copy(folder / "view-2026a.pem", folder / "trusted")
    await _gateway("centre", "ca", "init", *own)
    await _gateway("centre", "issue", "broker", "--host", address, "--out", str(folder), *own)
    await _gateway("centre", "issue", "console", "--out", str(folder), *own)
    await _gateway("centre", "broker-files", *own)
    code = await _enrol(settings, SITE, NAME)
    with (folder / "mosquitto.log").open("wb") as log:  # a pipe that nobody reads would fill
        broker = await asyncio.create_subprocess_exec(
            *(MOSQUITTO, "-c", str(_broker(folder, address))),
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
        )
    try:
        async with running_console(settings, folder / "console.log") as console:
            yield Centre(console.url, code, settings)
    finally:
        await until_ended(broker, "Mosquitto", signal.SIGTERM)


async def _enrol(settings: Path, site: str, name: str) -> str:
    said = await _gateway(
        *("centre", "enrol", "--site", site, "--name", name, "--province", PROVINCE),
        *("--settings", str(settings)),
    )
    return said.split()[0]


def _settings(folder: Path, address: str, port: int) -> str:
    return f"""\
[listen]
port = 0
[broker]
host = "{address}"
port = 8883
[broker.tls]
ca_file = "{folder}/centre/ca/root.pem"
cert_file = "{folder}/console.pem"
key_file = "{folder}/console.key"
[viewing]
key = "{folder}/view-2026a.key"
actor = "phòng trực"
[enrolment]
folder = "{folder}/centre"
names = ["{address}"]
port = {port}
trusted = "{folder}/trusted"
acl_file = "{folder}/acl"
[enrolment.broker]
host = "{address}"
"""


def _broker(folder: Path, address: str) -> Path:
    path = folder / "mosquitto.conf"
    path.write_text(
        f"listener 8883 {address}\nuser root\nrequire_certificate true\n"
        f"use_identity_as_username true\nacl_file {folder}/acl\n"
        f"cafile {folder}/centre/ca-bundle.pem\ncrlfile {folder}/centre/crl.pem\n"
        f"certfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
    )
    return path


async def _gateway(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *words), stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.timeout(_STEP_S):
        said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: {said.decode()}")
    return said.decode()
