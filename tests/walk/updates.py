"""A release on its whole way: the centre signs and publishes, a site fetches, tries and keeps it.

Prints one JSON line for each step. The site is a fresh Debian 12 with the package and two cameras,
enrolled at a centre with its own authority, Mosquitto and console; the mirror is a web server with
HTTPS that cuts the line in the middle of the first download. The centre types ``keys make``,
``release sign``, ``publish``, ``plan`` and ``rollout``; what installs and watches the release is
the machine's own. Then one that cannot be imported must be undone, and stop its rollout.
Exit code 0: all of it holds; 1: not.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import ssl
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.config.signing import load_key
from gateway.demo.scripted_recorder import ACCOUNT
from tests.fixtures.tcp import web_server
from tests.machines import trial_releases
from tests.machines.trial_releases import write_release_bundle
from tests.walk.__main__ import device
from tests.walk.box import Box, booted, fresh_root
from tests.walk.centre import PROVINCE, SITE, running_centre
from tests.walk.documented import INSTALL, centre_of, quick_commands, with_code
from tests.walk.network import LAN, RECORDER, make_lan
from tests.walk.steps import Broken, run_walk, tell, typed

UNIT = "camera-gateway"
MIRROR, PORT = f"{LAN}.1", 8444
CAMERAS = 2
TRIAL = f"""\
hosts = ["{MIRROR}:{PORT}"]
ca_file = "/etc/camera-gateway/tls/ca.pem"
trial_s = 10.0
patience_s = 60.0
connected_s = 5.0
crashes = 3
"""
"""A trial that ends soon; the rest is as shipped."""

GOOD, BAD = "8.1.0+g0000001", "8.2.0+g0000001"
_KEEP_LIBRARIES = (
    'cp -al "$(readlink -f /opt/camera-gateway/current)" /opt/machine-test &&'
    " sed -i 's#^home = .*#home = /usr/bin#' /opt/machine-test/pyvenv.cfg"
)
_SETTINGS = "/etc/camera-gateway/gateway.toml"
_JOURNAL = ("journalctl", "--no-pager", "-n", "60", "-u", "camera-gateway*")
_STEP_S, _ENDS_S = 60.0, 900.0


@dataclass
class Mirror:
    """What a web server of the province was asked.

    Attributes:
        ranges: The header ``Range`` of each request for a bundle; empty where it had none.
        fetched: Who has asked for which bundle: address and name of the file.
    """

    ranges: list[str] = field(default_factory=list)
    fetched: set[tuple[str, str]] = field(default_factory=set)


@asynccontextmanager
async def mirror(folder: Path, certificate: Path, key: Path) -> AsyncIterator[Mirror]:
    """Serve *folder* by HTTPS; the first download of a bundle ends in its middle."""
    asked = Mirror()

    async def serve(request: web.Request) -> web.StreamResponse:
        path = folder / request.match_info["path"]
        if path.suffix == ".update":
            asked.ranges.append(request.headers.get("Range", ""))
            asked.fetched.add((request.remote or "", path.name))
            if len(asked.ranges) == 1:
                return await _cut(request, path)
        return web.FileResponse(path)

    app = web.Application()
    app.router.add_get("/{path:.+}", serve)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with web_server(app, PORT, host=MIRROR, tls=context):
        yield asked


async def _cut(request: web.Request, path: Path) -> web.StreamResponse:
    """Send half of *path*, then cut the line."""
    content = await asyncio.to_thread(path.read_bytes)
    stat = await asyncio.to_thread(path.stat)
    answer = web.StreamResponse(headers={"Content-Length": str(len(content))})
    # The tag of a web server that serves the rest to whoever has this half.
    answer.etag = f"{stat.st_mtime_ns:x}-{stat.st_size:x}"
    answer.last_modified = stat.st_mtime
    await answer.prepare(request)
    await answer.write(content[: len(content) // 2])
    assert request.transport is not None
    request.transport.close()
    return answer


class CentreStaff:
    """Who types at the centre."""

    def __init__(self, folder: Path, broker: str) -> None:
        self._folder = folder
        self._broker = broker

    @asynccontextmanager
    async def mirror(self) -> AsyncIterator[Mirror]:
        """The web server from which sites fetch, with a certificate of the centre."""
        folder = self._folder / "web"
        folder.mkdir()
        await self.type(
            *("centre", "issue", "broker", "--host", MIRROR, "--out", folder),
            *("--settings", self._folder / "console.toml"),
        )
        certificate, key = folder / "broker.pem", folder / "broker.key"
        async with mirror(self._folder / "mirror", certificate, key) as served:
            yield served

    async def make_keys(self) -> None:
        """Make a key for releases and one for commands, which sites that enrol trust."""
        for name in ("rel-2026a", "cmd-2026a"):
            await self.type("keys", "make", name, "--folder", self._folder)
            shutil.copy(self._folder / f"{name}.pem", self._folder / "trusted")

    async def publish(self, version: str, change: Any) -> Path:
        """Sign and publish *version*; return its bundle."""
        key = load_key(self._folder / "rel-2026a.key", "rel")
        bundle = self._folder / f"camera-gateway_{version}_amd64.update"
        await asyncio.to_thread(write_release_bundle, bundle, version, "amd64", key, change)
        mirror = self._folder / "mirror"
        await self.type("release", "publish", mirror, bundle, "--trusted", self._folder / "trusted")
        return bundle

    async def roll_out(
        self, version: str, bundle: Path, sites: Sequence[str] = (SITE,)
    ) -> tuple[int, list[dict[str, Any]]]:
        """Give *bundle* to *sites*, in their order; return exit code and what was told."""
        plan, listed = self._folder / f"{version}.json", self._folder / "sites.txt"
        listed.write_text("".join(f"{PROVINCE}/{each}\n" for each in sites))
        await self.type(
            *("release", "plan", plan, "--bundle", bundle, "--sites", listed, "--by-list"),
            *("--mirror", f"https://{MIRROR}:{PORT}", "--trusted", self._folder / "trusted"),
        )
        code, said = await self._run(
            *("release", "rollout", plan, "--json", "--key", self._folder / "cmd-2026a.key"),
            *("--broker", self._broker, "--ca", self._folder / "centre/ca/root.pem"),
            *("--cert", self._folder / "console.pem"),
            *("--cert-key", self._folder / "console.key"),
        )
        lines = [json.loads(each) for each in said.splitlines() if each.startswith("{")]
        if not lines:
            raise Broken(f"the rollout says nothing: {said[-2000:]}")
        return code, lines

    async def type(self, *words: object) -> None:
        code, said = await self._run(*words)
        if code:
            raise Broken(f"{' '.join(map(str, words))}: exit code {code}: {said[-2000:]}")
        tell("typed at the centre", command=" ".join(map(str, words[:2])))

    async def _run(self, *words: object) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *map(str, words)),
            stdout=PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(_ENDS_S):
            said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


async def until_live(box: Box) -> str:
    """Return the line of ``systemctl status`` once all cameras are live and the centre is there."""
    wanted = re.compile(rf"\b{CAMERAS} live; connected")
    async with asyncio.timeout(_STEP_S * 2):
        while True:
            said = await box.ask("systemctl", "show", "-P", "StatusText", UNIT)
            if wanted.search(said):
                return said
            await asyncio.sleep(0.5)  # another machine's systemd has no event to wait for


async def set_up(box: Box, code: str) -> None:
    """Install the package, allow updates, enrol, have two cameras live."""
    install, *_ = quick_commands(INSTALL.read_text())
    await typed(box, install)
    told = rf"s#^\[updates\]#&\n{TRIAL.replace(chr(10), chr(92) + 'n')}#"
    await box.ask("sed", "-i", told, _SETTINGS)
    await box.ask("sh", "-c", _KEEP_LIBRARIES)
    await enrol(box, code)


async def enrol(box: Box, code: str) -> None:
    """Enrol the box by *code*, add two channels of the recorder and wait until they are live."""
    _, command, *_ = quick_commands(INSTALL.read_text())
    await typed(box, with_code(command, code))
    networks = f's#^networks = .*#networks = ["{LAN}.0/24"]#'
    await box.ask("sed", "-i", networks, _SETTINGS)
    password = ACCOUNT.password.get_secret_value()
    await typed(
        box,
        f"printf %s '{password}' | sudo camera-gateway add --maker hikvision --host {RECORDER}"
        f" --channels 1-{CAMERAS} --account {ACCOUNT.username} --password-file -",
    )
    await typed(box, f"sudo systemctl restart {UNIT}")
    tell("live", said=await until_live(box))


async def current(box: Box) -> str:
    """Return the version that runs."""
    return Path(await box.ask("readlink", "-f", "/opt/camera-gateway/current")).name


async def walk_through(deb: Path) -> None:
    """Go the whole way."""
    address, port = centre_of(quick_commands(INSTALL.read_text()))
    root = await asyncio.to_thread(fresh_root)
    make_lan(address)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="update-walk-")))
        await stack.enter_async_context(device("recorder", RECORDER))
        centre = await stack.enter_async_context(running_centre(folder, address, port))
        staff = CentreStaff(folder, address)
        await staff.make_keys()
        box = await stack.enter_async_context(booted(root, deb, folder / "box.log"))
        await set_up(box, centre.code)
        served = await stack.enter_async_context(staff.mirror())
        installed = await current(box)
        tell("before", version=installed)

        bundle = await staff.publish(GOOD, trial_releases.good)
        code, said = await staff.roll_out(GOOD, bundle)
        tell("rolled out", version=GOOD, exit_code=code, ranges=served.ranges, said=said[-1])
        if code or await current(box) != GOOD or not any(served.ranges[1:]):
            raise Broken(f"it does not run: {said}: {await box.ask(*_JOURNAL)}")
        tell("live", said=await until_live(box))

        bundle = await staff.publish(BAD, trial_releases.import_error)
        code, said = await staff.roll_out(BAD, bundle)
        tell("stopped", version=BAD, exit_code=code, said=said[-2:])
        if code != 1 or await current(box) != GOOD:
            raise Broken(f"it was not undone: {said}: {await box.ask(*_JOURNAL)}")
        tell("live", said=await until_live(box))


if __name__ == "__main__":
    sys.exit(run_walk("--updates", __doc__, walk_through))
