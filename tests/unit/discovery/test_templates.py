"""The one table of makers' paths, and what follows from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.discovery.makers import family_of
from gateway.discovery.templates import RESELLERS, TEMPLATES, Template
from gateway.model.url_login import PASSWORD
from gateway.setup.devices import MAKERS

DOCS = Path(__file__).parents[3] / "docs"

NAMES = (
    "Hikvision", "HiLook", "ANNKE", "Dahua", "KBVision", "KBONE", "Imou", "Amcrest", "Lorex",
    "Intelbras", "EZVIZ", "Hanwha", "Wisenet", "Samsung", "Axis", "Uniview", "Tiandy", "VIGI",
    "Tapo", "Xiongmai", "XMEye", "Milesight", "Vivotek", "Bosch", "Panasonic", "i-PRO", "Sony",
    "Avycon", "Yoosee",
)  # fmt: skip
"""Makers and brands that are met in Viet Nam."""

by_row = pytest.mark.parametrize("row", TEMPLATES, ids=lambda row: row.family)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_that_is_met_has_a_row(name: str) -> None:
    """By the label that people read."""
    assert any(name in row.label for row in TEMPLATES)


@by_row
def test_the_words_of_a_row_tell_its_family(row: Template) -> None:
    """And no other's: a word that two rows have would be the first one's."""
    assert {family_of(word) for word in row.words} <= {row.family}


def test_a_name_of_several_factories_tells_no_family() -> None:
    """Which factory it is, ONVIF or one request to each tells."""
    assert {family_of(name) for name in RESELLERS} == {None}


def path_in_docs(path: str) -> str:
    """Return *path* as the documents write it."""
    return f"`{path.replace('{n}', 'N').replace('{m}', 'M')}`" if path else "–"


@by_row
def test_each_row_stands_in_the_documents(row: Template) -> None:
    """Label, name for commands, both paths, whole."""
    text = (DOCS / "cameras.md").read_text()
    paths = f"{path_in_docs(row.main)} | {path_in_docs(row.sub)}"

    assert f"| {row.label} | `{row.family}` | {paths} |" in text


def test_the_installers_guide_has_rows_of_the_table_alone() -> None:
    """The commonest makers."""
    text = (DOCS / "install.md").read_text()
    table = text[text.index("| Hãng · Maker |") :].partition("\n\n")[0]
    rows = {
        f"| {row.label} | {path_in_docs(row.main)} | {path_in_docs(row.sub)} |" for row in TEMPLATES
    }

    assert len(table.splitlines()) > 5
    assert set(table.splitlines()[2:]) <= rows


def test_page_and_command_offer_each_row() -> None:
    """On the page all but those that want the password in the path."""
    said = CliRunner().invoke(main, ["add", "--help"]).output
    offered = re.sub(r"\s", "", said)

    assert all(row.family in offered for row in TEMPLATES)
    assert [*MAKERS] == [row for row in TEMPLATES if PASSWORD not in row.main]
