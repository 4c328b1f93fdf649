"""``[documents]`` and its templates: what is wrong is told where it stands."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.document_settings import Documents
from tests.fixtures.documents import kind, kind_table

COLUMN = {"key": "Xã", "type": "text"}
HTTPS = {"url": "https://10.24.0.5/a/", "networks": ["10.24.0.0/16"]}


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"folder": None}, ()),
        (HTTPS, ()),
        ({"folder": None, **HTTPS, "networks": []}, ("networks",)),
        ({"username": "a"}, ("username",)),
        ({"username": "a", "password": "secret:a"}, ("username",)),
        ({"kinds": [kind_table(), kind_table()]}, ("kinds", 1, "id")),
        ({"kinds": [kind_table() | {"file": "a.csv"}]}, ("kinds", 0, "file")),
        ({"kinds": [kind_table() | {"file": "../a{yyyy}{mm}.csv"}]}, ("kinds", 0, "file")),
        ({"kinds": [kind_table() | {"file": "a{yyyy}{mm}.exe"}]}, ("kinds", 0, "file")),
        ({"kinds": [kind_table() | {"min_rows": 101}]}, ("kinds", 0, "min_rows")),
        (
            {"kinds": [kind_table() | {"columns": [COLUMN, COLUMN]}]},
            ("kinds", 0, "columns", 1, "key"),
        ),
        (
            {"kinds": [kind_table() | {"columns": [COLUMN | {"min": 1}]}]},
            ("kinds", 0, "columns", 0),
        ),
    ],
)
def test_a_mistake_is_told_at_its_place(changes: dict[str, object], at: tuple[object, ...]) -> None:
    """Before anything is looked at."""
    table = {"folder": "/srv", "kinds": [kind_table()]} | changes
    with pytest.raises(ValidationError) as error:
        Documents.model_validate({name: value for name, value in table.items() if value})

    assert at in [each["loc"] for each in error.value.errors()]


def test_it_is_off_by_default() -> None:
    """There is no kind."""
    assert Documents().kinds == ()


def test_a_file_name_tells_its_month() -> None:
    """And a month its file's name; accents may be encoded either way."""
    accented = kind(file="chỉ-số-{yyyy}-{mm}.csv")

    assert accented.month_in("chi\u0309-số-2026-05.csv") == "2026-05"
    assert accented.month_in("chỉ-số-2026-13.csv") is None
    assert accented.file_of("2026-05") == "chỉ-số-2026-05.csv"
