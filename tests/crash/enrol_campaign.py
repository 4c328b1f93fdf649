"""Ends an enrolment at each of its steps with kill -9; the same command again ends it as it should.

    scripts/crash-test --enrolment
    python -m tests.crash.enrol_campaign CENTRE URL FOLDER     while a centre serves at URL

A step is a change of the disk or a piece of the talk with the centre. After each the settings are
the old or the new ones, whole; ``check`` says what is wrong if something is; and the same command
with the same code gives the box the one certificate that the centre has issued, with nothing left
over. So for a box that was just installed and for one that had been enrolled before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp  # noqa: F401  (which each child would load anew)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.centre.enrolment import service
from gateway.centre.enrolment.centre import open_authority, open_registry
from gateway.centre.enrolment.settings import EnrolmentSettings
from gateway.cli import enrol as _loaded_too  # noqa: F401
from gateway.cli.main import main
from gateway.commands.handlers.registry import command_faults
from gateway.config.check import check_files
from gateway.config.signing import make_key
from gateway.enrolment.messages import SiteIdentity
from gateway.runtime.redact import Redactor
from tests.crash.update_campaign import CHANGES
from tests.fixtures.enrolment import EnrolmentCentre, make_box, make_centre, serving

KINDS = ("new", "again")
"""A box that was just installed; one that had been enrolled, and gets another code."""


@dataclass
class Campaign:
    """What was tried, of how many places there are, and what was wrong.

    Attributes:
        places: Steps of one enrolment, by kind of box.
        kills: Enrolments that were ended, likewise.
        found: What ``check`` and the settings said afterwards.
        wrong: What should not be.
    """

    places: dict[str, int] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def enrol(url: str, code: str, settings: Path, at: int = 0) -> int:
    """Run the command in a child, which is ended before its step *at*; 0: it is not.

    Returns how many steps it has made; -1: it was ended.

    Raises:
        AssertionError: It has failed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = os.open(settings.parent.parent / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        made = _count_steps(settings.parent, at)
        code_of: object = 3
        try:
            main(["enrol", url, *code.split(), "--settings", str(settings)])
        except SystemExit as ended:
            code_of = ended.code
        os.write(writer, json.dumps([code_of, made["made"]]).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        told = file.read()
    os.waitpid(child, 0)
    if not told:
        return -1
    ended_as, steps = json.loads(told)
    if ended_as not in (0, None):
        raise AssertionError((settings.parent.parent / "said").read_text())
    return int(steps)


def _count_steps(folder: Path, at: int) -> Counter[str]:
    """Count this process's steps from now on; end it before number *at*."""
    counter = Counter[str]()

    def count() -> None:
        counter["made"] += 1
        if counter["made"] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, given: tuple[object, ...]) -> None:
        opened = event == "open" and str(given[0]).startswith(str(folder))
        if event in (*CHANGES, "os.link", "socket.connect") or opened:
            count()

    class Talking(ssl.SSLObject):
        def read(self, *given: int) -> bytes:  # type: ignore[override]
            read: bytes = super().read(*given)  # type: ignore[arg-type]
            count()
            return read

        def write(self, data: bytes) -> int:  # type: ignore[override]
            count()
            return super().write(data)

    ssl.SSLContext.sslobject_class = Talking
    sys.addaudithook(hook)
    return counter


def run_campaign(
    centre: EnrolmentCentre, folder: Path, *, every: int = 1, kinds: tuple[str, ...] = KINDS
) -> Campaign:
    """End an enrolment at every *every*-th step of it, for each of *kinds*."""
    campaign = Campaign()
    for kind in kinds:
        begun = _begin(centre, folder / kind, kind)
        campaign.places[kind] = enrol(centre.url, begun.code, begun.settings)
        for at in range(1, campaign.places[kind] + 1, every):
            begun = _begin(centre, folder / f"{kind}-{at}", kind)
            if enrol(centre.url, begun.code, begun.settings, at) != -1:
                continue  # fewer steps this time
            campaign.kills[kind] += 1
            place = f"{kind} box, step {at}"
            campaign.wrong += [f"{place}: {each}" for each in _ended(begun, campaign.found)]
            try:
                enrol(centre.url, begun.code, begun.settings)
            except AssertionError as error:
                campaign.wrong.append(f"{place}: not enrolled: {error}")
                continue
            campaign.wrong += [f"{place}: {each}" for each in _enrolled(centre, begun)]
            shutil.rmtree(begun.settings.parent.parent)
    return campaign


@dataclass(frozen=True, slots=True)
class _Begun:
    """A box that is to be enrolled.

    Attributes:
        settings: Its settings file.
        before: What they were.
        code: With which.
        site: As whom.
    """

    settings: Path
    before: bytes
    code: str
    site: SiteIdentity


def _begin(centre: EnrolmentCentre, folder: Path, kind: str) -> _Begun:
    settings = make_box(folder / "box")
    site = SiteIdentity(id=f"box-{folder.name}", province="24", name="TTPVHCC Bắc Ninh")
    if kind == "again":
        enrol(centre.url, str(centre.code(site)), settings)
    code = centre.code(site, again=kind == "again")
    return _Begun(settings, settings.read_bytes(), str(code), site)


def _ended(begun: _Begun, found: Counter[str]) -> Iterator[str]:
    """Yield what is wrong with a box whose enrolment was ended."""
    text = begun.settings.read_bytes()
    faults = _faults(begun.settings)
    fits = _pair_fits(begun.settings.parent / "tls")
    state = "old settings" if text == begun.before else "new settings"
    found[f"{state}, {'sound' if not faults else 'told'}"] += 1
    if state == "new settings" and (faults or not fits):
        yield f"new settings with {faults}, key and certificate fit: {fits}"
    if fits is False and not faults:
        yield "key and certificate do not fit, which nobody says"


def _enrolled(centre: EnrolmentCentre, begun: _Begun) -> Iterator[str]:
    """Yield what is wrong with a box that should be enrolled now."""
    folder = begun.settings.parent
    if faults := _faults(begun.settings):
        yield f"check says {faults}"
    if not _pair_fits(folder / "tls"):
        yield "key and certificate do not fit"
    left = [each.name for each in folder.rglob(".*") if not each.name.startswith(".enrolled")]
    if left:
        yield f"left over: {left}"
    (view,) = (each for each in centre.registry.sites() if each.identity == begun.site)
    if view.reused:
        yield "the centre takes it for another machine"


def _faults(settings: Path) -> list[str]:
    """Return what ``check`` says of *settings*."""
    checked = check_files([settings], redactor=Redactor(), settings_faults=command_faults)
    return [str(fault) for _, fault in checked.faults]


def _pair_fits(tls: Path) -> bool | None:
    """Return whether key and certificate in *tls* are of one kind; None: one is not there."""
    try:
        certificate = x509.load_pem_x509_certificate((tls / "gateway.pem").read_bytes())
        key = load_pem_private_key((tls / "gateway.key").read_bytes(), None)
    except OSError:
        return None
    return key.public_key() == certificate.public_key()


async def run_at_centre(folder: Path, *, every: int = 1) -> Campaign:
    """Run a campaign in a process of its own, at a centre of this one.

    Whoever ends itself must have no threads beside it when it begins, as this process does.
    """
    service.REQUESTS_BURST = 1_000_000  # nobody asks so often who is not killed all the time
    trusted = folder / "trusted"
    trusted.mkdir()
    make_key(folder / "keys", "view-test")[1].rename(trusted / "view-test.pem")
    secret = folder / "turn"
    secret.write_text("so-bi-mat-turn")
    secret.chmod(0o600)
    ice = [{"urls": ["turn:127.0.0.1:3478"], "shared_secret_file": secret}]
    centre = make_centre(folder / "centre", trusted=trusted, ice=ice)
    written = folder / "centre.json"
    written.write_text(centre.settings.model_dump_json())
    async with serving(centre) as url:
        asked = [str(written), url, str(folder / "boxes"), "--every", str(every)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.crash.enrol_campaign",
            *asked,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
    return Campaign(**json.loads(said))


def _main() -> None:
    asks = argparse.ArgumentParser(description=__doc__)
    asks.add_argument("centre", type=Path)
    asks.add_argument("url")
    asks.add_argument("folder", type=Path)
    asks.add_argument("--every", type=int, default=1)
    asked = asks.parse_args()
    settings = EnrolmentSettings.model_validate_json(asked.centre.read_bytes())
    centre = EnrolmentCentre(settings, open_registry(settings), open_authority(settings), asked.url)
    campaign = run_campaign(centre, asked.folder, every=asked.every)
    print(json.dumps(vars(campaign)))


if __name__ == "__main__":
    _main()
