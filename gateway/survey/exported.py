"""Filled forms as JSON files: what a box exports, and what the centre reads of others' files.

A file is refused with the place and the kind of each fault; whatever it holds, nothing else is
raised. Texts for people stand beside the values and are not read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gateway.config.documents import LARGEST_BYTES, faults_of, parse_plain_json
from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.runtime.strict_json import dumps
from gateway.survey.answers import SOURCES, SiteForm
from gateway.survey.form import QUESTIONS

MOST_FILES = 5000
"""Files that are read at once; Viet Nam has 3,321 communes and 34 provinces."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could not be read, and why."""

    path: Path
    faults: tuple[Fault, ...]


def form_tree(form: SiteForm) -> dict[str, object]:
    """Return *form* as it is exported, with the texts of the form beside its values."""
    tree = form.model_dump(mode="json", exclude_none=True)
    tree["answers"] = [
        {
            "number": answer.number,
            "wording": question.wording,
            "text": answer.text,
            "missing": answer.missing,
            "said": [
                said.model_dump(mode="json", exclude_none=True)
                | {"source_vi": SOURCES[said.source]}
                for said in answer.said
            ],
            "mismatch": answer.mismatch,
        }
        for question in QUESTIONS.values()
        for answer in (form.answer(question.number),)
    ]
    tree["province_name"] = form.province_name
    tree["completeness"] = {
        "filled": form.filled,
        "fields": form.fields,
        "missing": list(form.missing),
    }
    return tree


def parse_form(raw: bytes) -> SiteForm:
    """Return the form in *raw* (JSON).

    Raises:
        ConfigRejected: With all its faults, each with its place.
    """
    tree = _without(parse_plain_json(raw), "province_name", "completeness")
    try:
        return SiteForm.model_validate_json(dumps(tree), strict=True)
    except ValidationError as error:
        raise ConfigRejected(tuple(faults_of(error, SiteForm))) from None


def read_forms(paths: Sequence[Path]) -> tuple[list[SiteForm], list[Refused]]:
    """Return the forms in *paths*, and which of these could not be read. Blocks on the disk.

    A folder stands for the ``.json`` files in it. Beyond `MOST_FILES` none is opened.
    """
    forms, refused = [], []
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    for path in files[MOST_FILES:]:
        message = f"more than {MOST_FILES} files at once; merge them in parts"
        refused.append(Refused(path, (Fault("", "size", message),)))
    for path in files[:MOST_FILES]:
        try:
            with path.open("rb") as file:
                raw = file.read(LARGEST_BYTES + 1)
            forms.append(parse_form(raw))
        except OSError as error:
            refused.append(Refused(path, (Fault("", "file", unreadable(path, error)),)))
        except ConfigRejected as error:
            refused.append(Refused(path, error.faults))
    return forms, refused


def _without(tree: object, *words: str) -> object:
    """Return *tree*, a form or a part of one, without what `form_tree` adds for people."""
    if not isinstance(tree, dict):
        return tree
    kept = {key: value for key, value in tree.items() if key not in words}
    for key, added in _ADDED.items():
        if isinstance(kept.get(key), list):
            kept[key] = [_without(each, *added) for each in kept[key]]
    return kept


_ADDED = {"answers": ("wording", "text", "missing"), "said": ("source_vi",)}
"""Key of a list -> what `form_tree` adds to each of its items."""
