"""The administrator's way: ``camera-console`` on a fresh Debian 12 of the centre, and off it again.

Prints one JSON line for each step. The package is installed by apt and set up by the commands that
docs/console.md prints; Mosquitto runs with the certificates that the console has issued. Its page
is fetched in the machine, the administrator's by HTTPS from outside, against the centre's own root.
Exit code 0: all of it holds; 1: not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from tests.fixtures.broker import MOSQUITTO
from tests.walk.box import HOME, Box, booted, fresh_root
from tests.walk.documented import CONSOLE, code_block
from tests.walk.network import BOX, LAN, make_lan

UNIT = "camera-console"
SETTINGS = "/etc/camera-console/console.toml"
BROKER = f"{LAN}.1"
QUICK = "**Cài đặt bằng gói"
LEFT = (
    "find / -xdev ( -path /proc -o -path /sys -o -path /tmp ) -prune -o"
    " ( -name *camera-console* -o -name *centre-coverage* ) -print"
)
PRESENCE = b'{"v":1,"ts":1,"ep":1,"n":1,"state":"online","why":"connect"}'


class Broken(Exception):
    """Something that is said of the package does not hold."""


def tell(step: str, **facts: object) -> None:
    """Print that *step* is done."""
    sys.stdout.write(json.dumps({"step": step} | facts, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def typed(box: Box, command: str) -> str:
    """Type *command*, which must succeed; return what it says."""
    terminal = await box.type(command)
    code = await terminal.wait()
    if code:
        raise Broken(f"{command}: exit code {code}: {terminal.said[-2000:]}")
    tell("typed", command=command)
    return terminal.said


async def until_status(box: Box, wanted: str) -> str:
    """Return the line of ``systemctl status`` once *wanted* stands in it."""
    async with asyncio.timeout(60):
        while True:
            said = await box.ask("systemctl", "status", "--no-pager", UNIT)
            found = re.search(r"Status: \"(.*)\"", said)
            if found and wanted in found[1]:
                return found[1]
            await asyncio.sleep(0.5)  # another machine's systemd has no event to wait for


@asynccontextmanager
async def broker(box: Box, folder: Path) -> AsyncIterator[None]:
    """Run the centre's Mosquitto at `BROKER` with what the console has issued to it."""
    for name, path in (
        ("ca.pem", "/var/lib/camera-console/ca-bundle.pem"),
        ("crl.pem", "/var/lib/camera-console/crl.pem"),
        ("broker.pem", "/root/broker.pem"),
        ("broker.key", "/root/broker.key"),
    ):
        (folder / name).write_text(await box.ask("cat", path) + "\n")
    conf = folder / "mosquitto.conf"
    conf.write_text(
        f"listener 8883 {BROKER}\nuser root\nrequire_certificate true\n"
        f"use_identity_as_username true\ncafile {folder}/ca.pem\ncrlfile {folder}/crl.pem\n"
        f"certfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
    )
    with (folder / "broker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(MOSQUITTO, "-c", str(conf)), stdin=DEVNULL, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def get(url: str, root: str) -> tuple[int, str]:
    """Return status and text of *url*, whose certificate must be below the *root* (PEM)."""
    context = ssl.create_default_context(cadata=root)
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:
        return answer.status, await answer.text()


def edited(example: str) -> str:
    """Return the settings as an administrator edits them for this walk."""
    return example.replace('host = "10.1.2.3"', f'host = "{BROKER}"').replace(
        'names = ["10.1.2.3"]', f'names = ["{BOX}"]'
    )


async def walk_through(deb: Path) -> None:
    """Install it, start it, look at it, upgrade it, purge it."""
    commands = code_block(CONSOLE.read_text(), QUICK)
    root = await asyncio.to_thread(fresh_root)
    make_lan(BROKER)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="console-walk-")))
        box = await stack.enter_async_context(booted(root, deb, folder / "box.log"))
        before = await box.ask(*LEFT.split())
        for command in commands:
            if "nano" in command:
                example = await box.ask("cat", SETTINGS)
                (folder / "settings").write_text(edited(example))
                await box.ask("sh", "-c", f"cat >{SETTINGS} <<'END'\n{edited(example)}\nEND")
                tell("edited", file=SETTINGS)
            else:
                await typed(box, command)
        await look(box, stack, folder)
        await upgrade(box, deb)
        await purge(box, before)


async def look(box: Box, stack: AsyncExitStack, folder: Path) -> None:
    """See that it serves, what it says of itself, and how it is confined."""
    tell("status", said=await until_status(box, "broker NOT CONNECTED"))
    issue = f"camera-console centre issue broker --host {BROKER} --out /root"
    await box.ask("sh", "-c", f"{issue} && camera-console centre broker-files")
    await stack.enter_async_context(broker(box, folder))
    tell("status", said=await until_status(box, "broker connected; sites: 0 known"))
    certificate = await box.ask("cat", "/var/lib/camera-console/ca/root.pem")
    page = await box.ask("/opt/camera-console/bin/python", "-c", FETCH)
    if "<title>" not in page:
        raise Broken(f"the operators' page is not there: {page[:500]}")
    tell("operators' page", bytes=len(page))
    status, text = await get(f"https://{BOX}:8443/admin/", certificate)
    if status != 200 or "<title>" not in text:
        raise Broken(f"the administrator's page answers {status}: {text[:500]}")
    tell("administrator's page by HTTPS", status=status, bytes=len(text))
    enrol = "camera-console centre enrol --site bacninh-ttpvhcc-01 --name TTPVHCC --province 24"
    code = await box.ask(*enrol.split())
    if not re.match(r"([0-9A-Z]{4}-){4}", code):
        raise Broken(f"no code is made: {code}")
    tell("a site has its code")
    score = await box.ask("systemd-analyze", "security", UNIT, "--no-pager")
    tell("confined", said=score.splitlines()[-1])
    owner = await box.ask("sh", "-c", "stat -c '%U %a %n' /var/lib/camera-console/*")
    if "root" in owner:
        raise Broken(f"the service cannot change {owner}")
    environment = await box.ask("ls", f"/run/credentials/{UNIT}.service")
    tell("secrets by credential", names=environment.split())


async def upgrade(box: Box, deb: Path) -> None:
    """Install it once more: settings stay, and it serves again."""
    was = await box.ask("sha256sum", SETTINGS)
    await typed(box, f"sudo apt-get install -y --reinstall {HOME}/{deb.name}")
    tell("status", said=await until_status(box, "broker connected"))
    if await box.ask("sha256sum", SETTINGS) != was:
        raise Broken("the settings are others after an upgrade")
    tell("upgraded", restarts=await box.ask("systemctl", "show", "-p", "NRestarts", UNIT))


async def purge(box: Box, before: str) -> None:
    """Take it away: first keeping what is the centre's own, then that as well."""
    await typed(box, "sudo DEBIAN_FRONTEND=noninteractive apt-get purge -y camera-console")
    kept = await box.ask("ls", "/var/lib/camera-console", "/etc/camera-console")
    if "centre.db" not in kept or "console.toml" not in kept:
        raise Broken(f"a purge that was not answered has removed: {kept}")
    tell("purged", kept=kept.split())
    await typed(box, f"sudo apt-get install -y {HOME}/*.deb")
    answer = "camera-console camera-console/remove-state boolean true"
    await typed(box, f"echo {answer} | sudo debconf-set-selections")
    await typed(box, "sudo DEBIAN_FRONTEND=noninteractive apt-get purge -y camera-console")
    left = set((await box.ask(*LEFT.split())).splitlines()) - set(before.splitlines())
    users = await box.ask("getent", "passwd", "camera-console", "centre-coverage")
    if left or users:
        raise Broken(f"it is not gone: {sorted(left)} {users}")
    tell("purged", left=[])


FETCH = (
    "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8090/', timeout=10).read()"
    ".decode())"
)


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/install-walk --console", description=__doc__)
    parser.add_argument("deb", type=Path, help="The package.")
    try:
        asyncio.run(walk_through(parser.parse_args().deb.resolve()))
    except (Broken, RuntimeError, ValueError, TimeoutError, OSError) as error:
        sys.stderr.write(f"install-walk: {error or type(error).__name__}\n")
        return 1
    tell("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
