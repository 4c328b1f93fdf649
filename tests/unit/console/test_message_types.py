"""The page's types are those of the server: names of fields and values in ``messages.d.ts``."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from gateway.console import messages, views
from gateway.model import alarm, health, reasons, signalling
from gateway.model.signalling import Answer, Bye, Refusal, SessionKey

TYPES = (Path(messages.__file__).parent / "messages.d.ts").read_text(encoding="utf-8")
KEY = SessionKey("v-1", "s1")

INTERFACES = dict(
    re.findall(r"^export interface (\w+)(?: extends \w+)? \{\n(.*?)^\}", TYPES, re.M | re.S)
)
UNIONS = dict(re.findall(r"^export type (\w+) = ((?:\"\w+\"(?: \| )?)+);", TYPES, re.M))


def declared(name: str) -> list[str]:
    """The fields of an interface, in its order."""
    return re.findall(r"^  (\w+)\??:", INTERFACES[name], re.M)


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("CameraView", views.CameraView),
        ("AlarmView", views.AlarmView),
        ("SiteView", views.SiteView),
        ("BrokerView", views.BrokerView),
        ("Wording", reasons.Wording),
        ("IceServer", signalling.IceServer),
    ],
)
def test_a_view_has_the_fields_that_the_page_knows(name: str, view: type) -> None:
    """All of them, in one order."""
    assert declared(name) == [each.name for each in fields(view)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OfferMessage", messages.OfferMessage),
        ("CandidatesMessage", messages.CandidatesMessage),
        ("ByeMessage", messages.ByeMessage),
        ("CandidateText", messages.CandidateText),
    ],
)
def test_a_browser_says_the_fields_that_the_server_reads(
    name: str, message: type[messages.OfferMessage]
) -> None:
    """A field that the server does not know would end the connection."""
    read = message.model_fields.items()

    assert declared(name) == [field.alias or known for known, field in read]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HelloMessage", messages.hello_message("v-1", (), 1, documents=True)),
        ("IceMessage", messages.ice_message(())),
        ("TickMessage", messages.tick_message(1)),
        ("SitesMessage", messages.sites_message((), (), full=True)),
        ("AnswerMessage", messages.signalling_message(Answer(KEY, "v=0"))),
        ("RemoteByeMessage", messages.signalling_message(Bye(KEY, "lost"))),
        (
            "ErrorMessage",
            messages.signalling_message(Refusal(KEY, 404, reasons.Reason.NOT_FOUND, "no c09")),
        ),
    ],
)
def test_the_server_says_the_fields_that_the_page_reads(name: str, text: str) -> None:
    """As they are written, `k` first."""
    said = json.loads(text)

    assert declared(name) == list(said)
    assert f'k: "{said["k"]}";' in INTERFACES[name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("State", health.State),
        ("SiteState", views.SiteState),
        ("Severity", alarm.Severity),
    ],
)
def test_the_page_knows_every_value(name: str, values: object) -> None:
    """Each has its word and its colour there."""
    assert re.findall(r"\"(\w+)\"", UNIONS[name]) == list(get_args(values))
