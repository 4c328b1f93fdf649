"""What page and server say to each other: requests, strictly read, and the state as JSON."""

from __future__ import annotations

import json
from typing import Annotated, TypeVar

from pydantic import Field, SecretStr, ValidationError

from gateway.config.documents import faults_of, parse_plain_json
from gateway.model.contacts import ContactConfig
from gateway.model.document import Document
from gateway.model.errors import ConfigRejected
from gateway.model.reasons import Wording
from gateway.model.site_document import SiteConfig
from gateway.model.survey import (
    CameraSurvey,
    CameraType,
    CentreSurvey,
    ExposureSurvey,
    LineSurvey,
    ReachSurvey,
    RecorderKind,
    Survey,
    SystemSurvey,
)
from gateway.runtime.plain_text import printable
from gateway.setup.devices import AUTO, MAKERS
from gateway.setup.model import MOST_CHANNELS, STEPS, Choice, SetupChannel, StepName, StreamTest
from gateway.setup.service import SetupService


class Enter(Document):
    """The code that stands on the terminal."""

    code: Annotated[str, Field(max_length=40)]


class Nothing(Document):
    """A request that needs no more than its name."""


class Go(Document):
    """Go to a step."""

    step: StepName


class Enrol(Document):
    """Enrol this box with a code of the centre."""

    address: Annotated[str, Field(min_length=1, max_length=300)]
    code: Annotated[str, Field(min_length=1, max_length=200)]


class AddNetwork(Document):
    """One of the networks that the state offers."""

    network: Annotated[str, Field(max_length=50)]


class AddDevice(Document):
    """A recorder or camera, and who logs in there."""

    host: Annotated[str, Field(max_length=45)]
    port: Annotated[int, Field(ge=1, le=65535)] = 554
    maker: Annotated[str, Field(max_length=32)] = AUTO
    channels: Annotated[int, Field(ge=1, le=MOST_CHANNELS)] = 1
    username: Annotated[str, Field(max_length=64)] = ""
    password: Annotated[SecretStr, Field(max_length=256)] = SecretStr("")


class Chosen(Document):
    """One ticked channel."""

    key: Annotated[str, Field(max_length=64)]
    name: Annotated[str, Field(max_length=400)]
    place: Annotated[str, Field(max_length=400)] = ""


class Choose(Document):
    """All ticked channels."""

    choices: Annotated[tuple[Chosen, ...], Field(max_length=MOST_CHANNELS)]

    def choices_made(self) -> tuple[Choice, ...]:
        """Return them as the state machine takes them."""
        return tuple(Choice(each.key, each.name, each.place) for each in self.choices)


class Declare(Document):
    """What the form of dispatch 10362 asks and nothing can measure."""

    centre: CentreSurvey = CentreSurvey()
    vms_kind: RecorderKind | None = None
    camera_type: CameraType | None = None
    exposed: ExposureSurvey = ExposureSurvey()
    reach_from_office: ReachSurvey = ReachSurvey()
    line: LineSurvey = LineSurvey()
    uplink: LineSurvey = LineSurvey()
    ioc: Annotated[tuple[SystemSurvey, ...], Field(max_length=64)] = ()
    contacts: Annotated[tuple[ContactConfig, ...], Field(max_length=64)] = ()

    def declared(self, before: SiteConfig) -> Survey:
        """Return the survey of *before* with what was filled in here; the rest of it stays."""
        known = before.inventory or Survey()
        given = {
            name: getattr(self, name)
            for name in self.model_fields_set
            if name not in ("contacts", "camera_type")
        }
        if self.camera_type is not None:
            rows = {each.id: each for each in known.cameras}
            for camera in before.cameras:
                row = rows.get(camera.id) or CameraSurvey(id=camera.id)
                if row.type is None:
                    rows[camera.id] = row.model_copy(update={"type": self.camera_type})
            given["cameras"] = tuple(rows.values())
        return known.model_copy(update=given)


RequestT = TypeVar("RequestT", bound=Document)


def read_request(kind: type[RequestT], raw: bytes) -> RequestT:
    """Return the request in *raw*.

    Raises:
        ConfigRejected: With its faults; the values are not repeated.
    """
    parse_plain_json(raw)
    try:
        return kind.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise ConfigRejected(tuple(faults_of(error, kind))) from None


def encode(answer: dict[str, object]) -> bytes:
    """Return *answer* as JSON."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def wording(words: Wording | None) -> dict[str, str] | None:
    """Return *words* for the page; None: there is nothing to say."""
    if words is None:
        return None
    return {
        "vi": printable(words.vi),
        "en": printable(words.en),
        "vi_todo": printable(words.vi_todo),
        "en_todo": printable(words.en_todo),
    }


def state_of(service: SetupService, closes_in_s: float) -> dict[str, object]:
    """Return all that the page shows. No password is in it."""
    setup, operation, saved = service.setup, service.operation, service.saved
    return {
        "step": setup.step,
        "steps": list(STEPS),
        "reachable": list(setup.reachable()),
        "closes_in_s": max(0, round(closes_in_s)),
        "busy": None
        if operation is None
        else {"name": operation.name, "done": operation.done, "total": operation.total},
        "notice": wording(service.notice),
        "gateway": service.gateway,
        "networks": list(service.networks),
        "missing_network": str(service.missing_network or ""),
        "own_networks": list(map(str, service.own_networks)),
        "can_enrol": service.can_enrol,
        "enrolled": printable(setup.enrolled),
        "broken": printable(service.broken),
        "before": [
            {"id": each.id, "name": printable(each.name)} for each in service.before.cameras
        ],
        "makers": [
            {"id": each.family, "label": each.label, "channels": each.channels} for each in MAKERS
        ],
        "found": [
            {
                "host": each.address,
                "maker": printable(each.maker or ""),
                "model": printable(each.model or ""),
                "kind": each.kind,
            }
            for each in service.found.values()
        ],
        "devices": [
            {
                "id": name,
                "host": device.host,
                "maker": printable(device.maker),
                "model": printable(device.model),
                "username": printable(setup.accounts[name].username)
                if name in setup.accounts
                else "",
            }
            for name, device in setup.devices.items()
        ],
        "channels": [_channel(each) for each in setup.channels.values()],
        "planned": [list(each) for each in service.planned()],
        "saved": None
        if saved is None
        else {
            "path": saved.path,
            "changes": [list(each) for each in saved.changes],
            "secrets": list(saved.secrets),
            "ruled_by_centre": saved.ruled_by_centre,
        },
        "can_restart": service.can_restart,
        "restarted": service.restarted,
        "survey": _declared(service),
    }


def _channel(channel: SetupChannel) -> dict[str, object]:
    path = f"/picture/{channel.key}?{channel.picture_number}"
    return {
        "key": channel.key,
        "device": channel.device,
        "number": channel.found.number,
        "label": printable(channel.found.name),
        "signal": channel.found.signal,
        "picture": path if channel.picture else None,
        "looked": channel.picture_number > 0,
        "trouble": wording(channel.trouble),
        "chosen": channel.chosen,
        "name": printable(channel.name),
        "place": printable(channel.place),
        "tests": [_test(each) for each in channel.tests],
    }


def _test(test: StreamTest) -> dict[str, object]:
    return {
        "profile": test.profile,
        "ok": test.ok,
        "wording": wording(test.wording),
        "fact": printable(test.fact),
        "measured": test.measured,
        "advice": [
            {"vi": each.vi, "en": each.en, "now": each.now, "to": each.to} for each in test.advice
        ],
    }


def _declared(service: SetupService) -> dict[str, object]:
    survey = service.before.inventory
    if survey is None:
        return {}
    wanted = {"centre", "vms_kind", "exposed", "reach_from_office", "line", "uplink", "ioc"}
    return survey.model_dump(mode="json", include=wanted, exclude_none=True)
