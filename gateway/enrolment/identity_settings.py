"""What the centre's answer changes in ``gateway.toml``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config.documents import parse_toml
from gateway.config.settings import Settings
from gateway.config.settings_file import Change, Tables, with_changes
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import EnrolAnswer
from gateway.model.errors import ConfigRejected

CA, CERTIFICATE, KEY = "tls/ca.pem", "tls/gateway.pem", "tls/gateway.key"
"""Beside the settings file."""

TURN_SECRET = "turn"
"""Name of the secret of TURN servers; further ones are ``turn2`` and so on."""


def turn_secrets(answer: EnrolAnswer) -> dict[str, str]:
    """Return the secrets of the TURN servers in *answer* by their names here."""
    found = [each.shared_secret for each in answer.ice if each.shared_secret is not None]
    return {_secret_name(number): secret for number, secret in enumerate(dict.fromkeys(found))}


def with_identity(
    text: str, answer: EnrolAnswer, url: str, *, folder: Path
) -> tuple[str, Settings]:
    """Return the settings *text* with what *answer* says, comments and all else as they are.

    And as they are read.

    Args:
        text: Of ``gateway.toml``.
        answer: Of the centre.
        url: Of the centre, where certificates are renewed.
        folder: Of the settings file.

    Raises:
        EnrolmentError: ``settings``: it is no TOML, or not valid with the identity either.
    """
    try:
        table = parse_toml(text.encode())
        return with_changes(text, *_changes(table, answer, url), folder=folder)
    except ConfigRejected as error:
        detail = "; ".join(map(str, error.faults))
        raise EnrolmentError(EnrolmentReason.SETTINGS, detail[:400]) from None


def _changes(table: dict[str, object], answer: EnrolAnswer, url: str) -> Iterator[Change]:
    yield {"gateway": answer.gateway.model_dump(include=_IDENTITY), "enrolment": {"url": url}}
    # the certificate says who we are
    yield {"broker": dict.fromkeys(("username", "password", "path", "second"))}
    yield {"broker": answer.broker.model_dump(exclude={"second"})}
    yield {"broker": {"tls": {"ca": CA, "cert": CERTIFICATE, "key": KEY}}}
    if answer.broker.second is not None:
        yield {"broker": {"second": answer.broker.second.model_dump(exclude_none=True)}}
    if answer.ice:
        yield {"webrtc": {"ice": _ice(answer)}}
    elif _has_example_ice(table):
        yield {"webrtc": {"ice": None}}


_IDENTITY = {"id", "province", "province_scheme", "name"}


def _ice(answer: EnrolAnswer) -> Tables:
    names = {secret: name for name, secret in turn_secrets(answer).items()}
    return Tables(
        tuple(
            {"urls": list(each.urls)}
            | (
                {}
                if each.shared_secret is None
                else {"shared_secret": f"secret:{names[each.shared_secret]}"}
            )
            for each in answer.ice
        )
    )


def _has_example_ice(table: dict[str, object]) -> bool:
    """Return whether *table* has the example's servers: hosts that end with ``.example``."""
    webrtc = table.get("webrtc")
    ice = webrtc.get("ice") if isinstance(webrtc, dict) else None
    if not isinstance(ice, list):
        return False
    servers = [each for each in ice if isinstance(each, dict)]
    urls = [str(url) for server in servers for url in server.get("urls", [])]
    hosts = [urlsplit(f"//{url.partition(':')[2]}").hostname or "" for url in urls]
    return all(host.endswith(".example") for host in hosts)


def _secret_name(number: int) -> str:
    return TURN_SECRET if number == 0 else f"{TURN_SECRET}{number + 1}"
