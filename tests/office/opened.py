"""Files as LibreOffice shows them: the text of their pages, and pictures of these."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.survey.answers import SiteForm
from gateway.survey.printed import question_table
from gateway.survey.printed_country import total_table

LONGEST_S = 240.0
DPI = 90
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


def opened(file: Path, folder: Path) -> Path:
    """Return *file* as PDF in *folder*, as LibreOffice prints it."""
    profile = folder / "profile"
    to = folder / file.suffix[1:]
    command = ["soffice", f"-env:UserInstallation={profile.as_uri()}", "--headless"]
    command += ["--convert-to", "pdf", "--outdir", str(to), str(file)]
    subprocess.run(command, check=True, timeout=LONGEST_S, capture_output=True)
    return to / f"{file.stem}.pdf"


def text_of(pdf: Path) -> str:
    """Return the text of *pdf* in the order in which it was set, without any space."""
    command = ["pdftotext", "-raw", str(pdf), "-"]
    done = subprocess.run(command, check=True, timeout=LONGEST_S, capture_output=True)
    return squeezed(done.stdout.decode())


def squeezed(text: str) -> str:
    """Return *text* without what an office program may set in another way."""
    return "".join(unicodedata.normalize("NFC", text).split())


def write_pictures(pdf: Path, to: Path) -> None:
    """Write a picture of each page of *pdf*: ``{to}-1.png`` and so on."""
    command = ["pdftoppm", "-r", str(DPI), "-png", str(pdf), str(to)]
    subprocess.run(command, check=True, timeout=LONGEST_S, capture_output=True)


def absent(text: str, forms: Sequence[SiteForm], *, by_cell: bool) -> Iterator[str]:
    """Yield each row of part II that *text* does not show, of the *forms* together and of each.

    Numbers do not count: they are measured anew for each file. *by_cell*: only three cells
    of it are looked for, since a spreadsheet is not set row by row.
    """
    shown = _NUMBER.sub("0", text)
    tables = [total_table(forms), *(question_table(f.answers) for f in forms)]
    for row in {row: None for table in tables for row in table.rows}:
        wanted = row.cells[:3] if by_cell else ("".join(row.cells),)
        if not all(_NUMBER.sub("0", squeezed(each)) in shown for each in wanted):
            yield " | ".join(row.cells)
