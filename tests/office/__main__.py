"""``scripts/survey-check [FOLDER]``: a line of JSON a file; exit 1: a row is absent."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gateway.demo.launcher import Centre, launch
from gateway.survey.answers import SiteForm
from gateway.survey.exported import parse_form
from gateway.survey.fill import LIVE as LIVE_LABEL
from gateway.survey.form import FORM
from tests.office.opened import absent, opened, text_of, write_pictures

COMMAND = (sys.executable, "-m", "gateway", "survey")
LIVE, WITHIN_S = 4, 90.0
"""Cameras of the demo that are always open, and how long they may take."""

EMPTY = {
    "form": FORM,
    "province": "86",
    "former_province": "83",
    "gateway": "bentre-01",
    "name": "Trung tâm Phục vụ hành chính công Bến Tre (trình diễn)",
    "contacts": [],
}
"""A site of which nobody has said anything."""


def survey(*words: object) -> bytes:
    """Return what the command prints."""
    done = subprocess.run([*COMMAND, *map(str, words)], check=False, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"survey {' '.join(map(str, words))}: {done.stderr.decode()}")
    return done.stdout


async def exported(centre: Centre, folder: Path) -> SiteForm:
    """Return the form of the demo's site as soon as its cameras are live; files go to *folder*."""
    box = ("--settings", centre.settings, "--runtime", centre.runtime)
    async with asyncio.timeout(WITHIN_S):
        while True:
            raw = await asyncio.to_thread(survey, "export", *box, "--format", "json")
            form = parse_form(raw)
            counts = form.answer("II.I.4").said[-1].items
            if counts[-1].label == LIVE_LABEL and (counts[-1].count or 0) >= LIVE:
                break
            await asyncio.sleep(1)
    (folder / "site.json").write_bytes(raw)
    for kind in ("docx", "xlsx", "md", "csv"):
        out = folder / f"site.{kind}"
        await asyncio.to_thread(survey, "export", *box, "--format", kind, "--out", out)
    return form


def merged(centre: Centre, folder: Path) -> list[SiteForm]:
    """Return the forms of a demo country: the demo's site by its broker, and an empty one."""
    (folder / "bentre.json").write_text(json.dumps(EMPTY), encoding="utf-8")
    given = (folder / "site.json", folder / "bentre.json", "--from-broker")
    broker = ("--broker", f"127.0.0.1:{centre.broker_port}")
    tree = json.loads(survey("merge", *given, *broker, "--format", "json"))
    for number, site in enumerate(tree["sites"]):
        (folder / f"told-{number}.json").write_text(json.dumps(site), encoding="utf-8")
    files = sorted(folder.glob("told-*.json"))
    for kind in ("docx", "xlsx"):
        survey("merge", *files, "--format", kind, "--out", folder / f"country.{kind}")
    return [parse_form(file.read_bytes()) for file in files]


def shows_all(file: Path, forms: list[SiteForm], folder: Path) -> bool:
    """Print what LibreOffice shows of *file*; return whether it is every row."""
    pdf = opened(file, folder)
    lacking = list(absent(text_of(pdf), forms, by_cell=file.suffix == ".xlsx"))
    write_pictures(pdf, folder / f"{file.stem}-{file.suffix[1:]}")
    said = {"file": file.name, "sites": len(forms), "absent": lacking}
    sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    return not lacking


async def check(folder: Path) -> int:
    """Run the demo, fill, open and look; return the exit code."""
    found: dict[str, list[SiteForm]] = {}

    async def use(centre: Centre) -> int:
        found["site"] = [await exported(centre, folder)]
        found["country"] = await asyncio.to_thread(merged, centre, folder)
        return 0

    if code := await launch(use, port=0):
        return code
    files = [folder / f"{name}.{kind}" for name in found for kind in ("docx", "xlsx")]
    well = [shows_all(file, found[file.stem], folder) for file in files]
    return 0 if all(well) else 1


def main() -> int:
    """Check in the folder that is named, or in one that is gone afterwards."""
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1]).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        code = asyncio.run(check(folder))
        shutil.rmtree(folder / "profile", ignore_errors=True)
        return code
    with tempfile.TemporaryDirectory(prefix="survey-check-") as name:
        return asyncio.run(check(Path(name)))


if __name__ == "__main__":
    sys.exit(main())
