"""A site in a closed network, whose box dies: a USB stick, a backup, and another box.

Prints one JSON line for each step. The stick has the signed bundle of ``scripts/package bundle``,
here of one package; it is refused with another key and with a byte changed. The box is installed
from it, enrolled, has two cameras and writes its backup. Then that box is gone: a fresh one is
installed from the same stick and restored, by the commands of docs/install.md, and must be the
same site at the centre. Exit code 0: all of it holds; 1: not.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from tests.walk.__main__ import device
from tests.walk.box import HOME, Box, booted, fresh_root
from tests.walk.centre import Centre, running_centre
from tests.walk.documented import INSTALL, centre_of, code_block, quick_commands
from tests.walk.network import RECORDER, make_lan
from tests.walk.steps import Broken, run_walk, tell, typed
from tests.walk.updates import UNIT, enrol, until_live

BUNDLE = Path(__file__).parents[2] / "scripts" / "packaging" / "bundle"
KEY = "release@example.vn"
BACKUP = "bacninh-ttpvhcc-01.backup"
PASSPHRASE = "cụm mật khẩu của điểm"
RESTORE = "Trên hộp mới"
CERTIFICATE = "/etc/camera-gateway/tls/gateway.pem"
_DAMAGE = (
    f"cp -r {HOME}/usb/camera-gateway /root/damaged && cd /root/damaged &&"
    " printf x | dd of=$(ls *.deb) bs=1 seek=4096 conv=notrunc status=none"
)


def make_stick(stick: Path, deb: Path, home: Path) -> str:
    """Write the signed bundle of *deb* into *stick*; return the key's fingerprint."""
    home.mkdir(mode=0o700)
    stick.mkdir()
    environment = os.environ | {"GNUPGHOME": str(home)}

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=True
        )
        return done.stdout

    batch = ("gpg", "--batch", "--quiet", "--passphrase", "")
    run(*batch, "--quick-generate-key", KEY, "ed25519", "sign", "never")
    listed = run("gpg", "--batch", "--fingerprint", KEY)
    run(BUNDLE, KEY, "-", stick / "camera-gateway", deb)
    run("gpgconf", "--kill", "gpg-agent")
    found = re.search(r"(?:[0-9A-F]{4} *){10}", listed)
    if found is None:
        raise Broken(f"gpg made no key: {listed}")
    return found[0].replace(" ", "")


async def install_from_stick(box: Box, fingerprint: str) -> None:
    """Install as docs/install.md says, from a stick that cannot be written to."""
    install = f"cd {HOME}/usb/camera-gateway && sudo sh install.sh --fingerprint {fingerprint}"
    await typed(box, install)


async def refuse_others(box: Box, fingerprint: str) -> None:
    """Another key, and a package that was changed: nothing is installed."""
    await box.ask("sh", "-c", _DAMAGE)
    for why, folder, key in (
        ("another key", f"{HOME}/usb/camera-gateway", "0" * 40),
        ("a byte was changed", "/root/damaged", fingerprint),
    ):
        said = await box.ask(
            *("sh", "-c", f"cd {folder} && sh install.sh --fingerprint {key}; echo code $?")
        )
        there = await box.ask("sh", "-c", "command -v camera-gateway || echo nothing")
        if not said.endswith("code 1") or there != "nothing":
            raise Broken(f"{why}: {said} {there}")
        tell("refused", why=why, said=said.splitlines()[-2])


async def save(box: Box) -> bytes:
    """Write the backup; return it."""
    await typed(
        box,
        f"printf %s '{PASSPHRASE}' | sudo camera-gateway backup /root/{BACKUP} --passphrase-file -",
    )
    content = base64.b64decode(await box.ask("base64", "-w0", f"/root/{BACKUP}"))
    secret = await box.ask("cat", "/etc/camera-gateway/tls/gateway.key")
    if not content or secret.splitlines()[1].encode() in content:
        raise Broken("the backup is empty, or has the key in clear")
    return content


async def restore(box: Box) -> None:
    """Type what docs/install.md says, with the passphrase from standard input."""
    for line in code_block(INSTALL.read_text(), RESTORE):
        command = line.replace("/media/usb/", f"{HOME}/usb/")
        if "restore" in command:
            command = f"printf %s '{PASSPHRASE}' | {command} --passphrase-file -"
        await typed(box, command)


async def first_box(box: Box, fingerprint: str, centre: Centre) -> tuple[bytes, str]:
    """Return the backup and the certificate of the box that will die."""
    await refuse_others(box, fingerprint)
    await install_from_stick(box, fingerprint)
    await enrol(box, centre.code)
    return await save(box), await box.ask("sha256sum", CERTIFICATE)


async def walk_through(deb: Path) -> None:
    """Go the whole way."""
    address, port = centre_of(quick_commands(INSTALL.read_text()))
    root = await asyncio.to_thread(fresh_root)
    make_lan(address)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="exchange-walk-")))
        stick = folder / "usb"
        fingerprint = await asyncio.to_thread(make_stick, stick, deb, folder / "gnupg")
        await stack.enter_async_context(device("recorder", RECORDER))
        (folder / "centre-files").mkdir()
        centre = await stack.enter_async_context(
            running_centre(folder / "centre-files", address, port)
        )
        async with booted(root, stick, folder / "first.log") as box:
            backup, certificate = await first_box(box, fingerprint, centre)
        tell("the box is dead", backup_bytes=len(backup))
        (stick / BACKUP).write_bytes(backup)
        async with booted(root, stick, folder / "second.log") as box:
            await install_from_stick(box, fingerprint)
            await restore(box)
            tell("live", said=await until_live(box))
            if await box.ask("sha256sum", CERTIFICATE) != certificate:
                raise Broken("the box has another certificate")
            failed = await box.ask("systemctl", "--failed", "--no-legend", "--plain")
            if UNIT in failed:
                raise Broken(f"failed: {failed}")


if __name__ == "__main__":
    sys.exit(run_walk("--exchange", __doc__, walk_through))
