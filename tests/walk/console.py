"""The administrator's way: ``camera-console`` on a fresh Debian 12 of the centre, and off it again.

Prints one JSON line for each step. The package is installed by apt and set up by the commands that
docs/console.md prints; Mosquitto runs with the certificates that the console has issued. Its page
is fetched in the machine, the administrator's by HTTPS from outside, against the centre's own root.
Exit code 0: all of it holds; 1: not.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from gateway.mqtt.client.broker import BrokerAddress, Tls
from tests.fixtures.broker import MOSQUITTO
from tests.fixtures.presence import PresenceGateway, connected
from tests.walk.box import HOME, Box, booted, fresh_root
from tests.walk.documented import CONSOLE, code_block
from tests.walk.network import BOX, LAN, make_lan
from tests.walk.steps import Broken, run_walk, tell, typed

UNIT = "camera-console"
SETTINGS = "/etc/camera-console/console.toml"
SECRETS, STATE = "/etc/camera-console/secrets", "/var/lib/camera-console"
BROKER = f"{LAN}.1"
WORST_SCORE = 1.1
QUICK = "**Cài đặt bằng gói"
LEFT = (
    "find / -xdev ( -path /proc -o -path /sys -o -path /tmp ) -prune -o"
    " ( -name *camera-console* -o -name *centre-coverage* ) -print"
)


async def until_status(box: Box, wanted: str, *, not_by: str = "none") -> str:
    """Return the line of ``systemctl status`` once *wanted* stands in it.

    Args:
        box: Where the service is.
        wanted: Part of the line.
        not_by: Id of a process that has not said it.
    """
    async with asyncio.timeout(60):
        while True:
            said = await box.ask("systemctl", "status", "--no-pager", UNIT)
            found = re.search(r"Status: \"(.*)\"", said)
            if found and wanted in found[1] and f"Main PID: {not_by} " not in said:
                return found[1]
            await asyncio.sleep(0.5)  # another machine's systemd has no event to wait for


@asynccontextmanager
async def broker(box: Box, folder: Path) -> AsyncIterator[None]:
    """Run the centre's Mosquitto at `BROKER` with what the console has issued to it."""
    for name, path in (
        ("ca.pem", f"{STATE}/ca-bundle.pem"),
        ("crl.pem", f"{STATE}/crl.pem"),
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


async def fetched(url: str, root: str) -> tuple[int, str]:
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
        before = await traces(box)
        for command in commands:
            if "nano" in command:
                await write(box, SETTINGS, edited(await box.ask("cat", SETTINGS)))
                tell("edited", file=SETTINGS)
            else:
                await typed(box, command)
        if len(await traces(box) - before) < 10:
            raise Broken("what is installed is not found, so that nothing would be left of it")
        tell("status", said=await until_status(box, "broker NOT CONNECTED"))
        issue = f"camera-console centre issue broker --host {BROKER} --out /root"
        await box.ask("sh", "-c", f"{issue} && camera-console centre broker-files")
        await stack.enter_async_context(broker(box, folder))
        tell("status", said=await until_status(box, "broker connected; sites: 0 known"))
        await see_pages(box)
        await see_a_site(box, folder)
        await see_confinement(box)
        await break_settings(box)
        await kill(box)
        await upgrade(box, deb)
        await purge(box, before)


async def write(box: Box, path: str, text: str) -> None:
    """Write *text* to *path* there."""
    await box.ask("sh", "-c", f"cat >{path} <<'END'\n{text}\nEND")


async def traces(box: Box) -> set[str]:
    """Return what is there of the package."""
    return set((await box.ask(*LEFT.split())).splitlines())


async def see_pages(box: Box) -> None:
    """The operators' in the machine, the administrator's by HTTPS."""
    page = await box.ask("/opt/camera-console/bin/python", "-c", FETCH)
    if "<title>" not in page:
        raise Broken(f"the operators' page is not there: {page[:500]}")
    tell("operators' page", bytes=len(page))
    certificate = await box.ask("cat", f"{STATE}/ca/root.pem")
    status, text = await fetched(f"https://{BOX}:8443/admin/", certificate)
    if status != 200 or "<title>" not in text:
        raise Broken(f"the administrator's page answers {status}: {text[:500]}")
    tell("administrator's page by HTTPS", status=status, bytes=len(text))


async def see_a_site(box: Box, folder: Path) -> None:
    """One gets a code; one that is connected to the broker is counted."""
    enrol = "camera-console centre enrol --site bacninh-ttpvhcc-01 --name TTPVHCC --province 24"
    code = await box.ask(*enrol.split())
    if not re.match(r"([0-9A-Z]{4}-){4}", code):
        raise Broken(f"no code is made: {code}")
    for name in ("console.pem", "console.key"):
        (folder / name).write_text(await box.ask("cat", f"{SECRETS}/{name}") + "\n")
    tls = Tls(
        ca_file=folder / "ca.pem",
        cert_file=folder / "console.pem",
        key_file=folder / "console.key",
    )
    async with connected(PresenceGateway(BrokerAddress(host=BROKER, port=8883, tls=tls))):
        tell("status", said=await until_status(box, "sites: 1 known, 1 online"))


async def see_confinement(box: Box) -> None:
    """As the unit says, and what root's commands have made is the service's."""
    score = (await box.ask("systemd-analyze", "security", UNIT, "--no-pager")).splitlines()[-1]
    found = re.search(r"[\d.]+(?= )", score)
    if found is None or float(found[0]) > WORST_SCORE:
        raise Broken(f"it is exposed: {score}")
    process = await box.ask("sh", "-c", f"cat /proc/$(systemctl show -P MainPID {UNIT})/status")
    for each in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        if each not in process:
            raise Broken(f"it is not confined: no {each!r}")
    owner = await box.ask("sh", "-c", f"stat -c '%U %a %n' {STATE}/*")
    if "root " in owner:
        raise Broken(f"the service cannot change {owner}")
    tell("confined", score=float(found[0]))


async def break_settings(box: Box) -> None:
    """A key that is not there is told, and not asked for in haste; it serves once it is there."""
    key = "view-2026a"
    settings = await box.ask("cat", SETTINGS)
    viewing = f'[viewing]\nkey = "{SECRETS}/{key}.key"\nactor = "phòng trực"'
    await write(box, SETTINGS, f"{settings}\n{viewing}")
    await box.ask("systemctl", "restart", "--no-block", UNIT)
    tell("a key is missing", said=await until_status(box, "cannot serve"))
    restarts = int(await box.ask("systemctl", "show", "-P", "NRestarts", UNIT))
    await box.ask("camera-console", "keys", "make", key, "--folder", SECRETS)
    await until_status(box, "broker connected")
    restarts = int(await box.ask("systemctl", "show", "-P", "NRestarts", UNIT)) - restarts
    names = (await box.ask("ls", f"/run/credentials/{UNIT}.service")).split()
    if restarts > 2 or f"secrets_{key}.key" not in names:
        raise Broken(f"{restarts} starts, credentials {names}")
    tell("it is there", starts=restarts, credentials=names)


async def kill(box: Box) -> None:
    """It comes back by itself."""
    was = await box.ask("systemctl", "show", "-P", "MainPID", UNIT)
    await box.ask("systemctl", "kill", "--signal=KILL", "--kill-who=main", UNIT)
    await until_status(box, "broker connected", not_by=was)
    tell("killed, it is there again")


async def upgrade(box: Box, deb: Path) -> None:
    """Install it once more: settings stay, and it serves again."""
    was = await box.ask("sha256sum", SETTINGS)
    await typed(box, f"sudo apt-get install -y --reinstall {HOME}/{deb.name}")
    tell("status", said=await until_status(box, "broker connected"))
    if await box.ask("sha256sum", SETTINGS) != was:
        raise Broken("the settings are others after an upgrade")
    tell("upgraded")


async def purge(box: Box, before: set[str]) -> None:
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
    left = await traces(box) - before
    users = await box.ask("getent", "passwd", "camera-console", "centre-coverage")
    if left or users:
        raise Broken(f"it is not gone: {sorted(left)} {users}")
    tell("purged", left=[])


FETCH = (
    "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8090/', timeout=10).read()"
    ".decode())"
)


if __name__ == "__main__":
    sys.exit(run_walk("--console", __doc__, walk_through))
