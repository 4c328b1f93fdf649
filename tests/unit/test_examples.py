"""The shipped examples are right, and show every option with its default."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gateway.centre.enrolment.settings import EnrolmentSettings
from gateway.config.documents import parse_site
from gateway.config.load import load_settings, policy_of
from gateway.config.settings import Settings
from gateway.console.settings import Listen, Viewing
from gateway.console.settings import load as load_console
from gateway.model.site_document import SecretRef, SiteConfig

CONFIG = Path(__file__).parents[2] / "config"
SETTINGS = CONFIG / "gateway.example.toml"
SITE = CONFIG / "site.example.json"
CONSOLE = CONFIG / "console.example.toml"


def options(model: type[BaseModel]) -> Iterator[tuple[str, object]]:
    """Yield name and default of every option of *model* and of the models in it."""
    for name, field in model.model_fields.items():
        inner = list(_models(field.annotation))
        for each in inner:
            yield from options(each)
        if not inner:
            yield name, field.default


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is not SecretRef:
            yield annotation
        return
    for each in typing.get_args(annotation):
        yield from _models(each)


def test_the_settings_example_is_right() -> None:
    """An installer can begin with it."""
    assert load_settings(SETTINGS).gateway.id == "bacninh-ttpvhcc-01"


@pytest.mark.parametrize(("name", "default"), list(options(Settings)))
def test_the_settings_example_shows(name: str, default: object) -> None:
    """Every option stands in it; one that is commented out stands there with its default."""
    shown = re.search(rf"^(# )?{name} = (.*?)(?:\s+# .*)?$", SETTINGS.read_text(), re.MULTILINE)

    assert shown, f"{name} is not in {SETTINGS.name}"
    if shown[1] and default not in (None, PydanticUndefined):
        value = json.dumps(list(default) if isinstance(default, tuple) else default, default=str)
        assert shown[2] == value


def test_the_consoles_example_is_right() -> None:
    """An administrator has two addresses to edit; the broker has TLS, boxes enrol."""
    settings = load_console(CONSOLE)

    assert settings.broker.tls is not None
    assert settings.enrolment is not None
    assert CONSOLE.read_text().count("SỬA · EDIT") == 3


@pytest.mark.parametrize(
    ("name", "default"),
    [each for model in (Listen, Viewing, EnrolmentSettings) for each in options(model)],
)
def test_the_consoles_example_shows(name: str, default: object) -> None:
    """As that of the gateway; where there is no default an example of it."""
    line = rf"^(# )?{name} = (.*?)(?:\s+# .*)?$"
    shown = re.findall(line, CONSOLE.read_text(), re.MULTILINE)

    assert shown, f"{name} is not in {CONSOLE.name}"
    if default not in (None, PydanticUndefined, ()):
        given = list(default) if isinstance(default, tuple) else default
        value = json.dumps(given, default=str, ensure_ascii=False)
        assert ("# ", value) in shown or not [each for each in shown if each[0]]


def test_the_site_example_is_right_and_permitted() -> None:
    """A recorder with four channels and a camera, inside the networks of the settings example."""
    site = parse_site(SITE.read_bytes())
    policy = policy_of(load_settings(SETTINGS))

    assert [len(camera.streams) for camera in site.cameras] == [2] * 5
    for camera in site.cameras:
        assert [policy.check(stream.url) for stream in camera.streams] == [None, None]


@pytest.mark.parametrize("name", sorted({name for name, _ in options(SiteConfig)}))
def test_the_site_example_shows(name: str) -> None:
    """JSON has no comments: what is optional is shown by being there."""
    assert f'"{name}":' in SITE.read_text()


def test_the_limits_shown_are_the_defaults() -> None:
    """Nobody reads old figures in the example."""
    assert parse_site(SITE.read_bytes()).limits == SiteConfig().limits
