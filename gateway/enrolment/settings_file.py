"""Writes an identity into ``gateway.toml`` and leaves all else as the installer has written it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from gateway.config.documents import faults_of
from gateway.config.settings import Settings
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import EnrolAnswer

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
        document = tomlkit.parse(text)
        _set(_table(document, "gateway"), answer.gateway.model_dump(include=_IDENTITY))
        _set_broker(_table(document, "broker"), answer)
        _set_ice(document, answer)
        _set(_table(document, "enrolment"), {"url": url})
        result = tomlkit.dumps(document)
        settings = Settings.from_table(tomlkit.parse(result).unwrap(), folder=folder)
    except ValidationError as error:
        detail = "; ".join(map(str, faults_of(error, Settings)))
        raise EnrolmentError(EnrolmentReason.SETTINGS, detail[:400]) from None
    except (TOMLKitError, TypeError) as error:
        raise EnrolmentError(EnrolmentReason.SETTINGS, str(error)[:400]) from None
    return result, settings


_IDENTITY = {"id", "province", "province_scheme"}


def _set_broker(broker: Table, answer: EnrolAnswer) -> None:
    for name in ("username", "password", "path"):  # the certificate says who we are
        broker.pop(name, None)
    given = answer.broker.model_dump(exclude={"second"})
    _set(broker, given)
    tls = broker.get("tls")
    if not isinstance(tls, Table):
        tls = broker["tls"] = tomlkit.table()
    _set(tls, {"ca": CA, "cert": CERTIFICATE, "key": KEY})
    broker.pop("second", None)
    if answer.broker.second is not None:
        second = tomlkit.table()
        second.update(answer.broker.second.model_dump(exclude_none=True))
        broker["second"] = second


def _set_ice(document: tomlkit.TOMLDocument, answer: EnrolAnswer) -> None:
    """Set the servers that the centre has; without any only the example's are taken out."""
    webrtc = document.get("webrtc")
    if not answer.ice:
        if isinstance(webrtc, Table) and _is_example(webrtc.get("ice")):
            webrtc.pop("ice")
        return
    names = {secret: name for name, secret in turn_secrets(answer).items()}
    servers = tomlkit.aot()
    for each in answer.ice:
        server = tomlkit.table()
        server["urls"] = list(each.urls)
        if each.shared_secret is not None:
            server["shared_secret"] = f"secret:{names[each.shared_secret]}"
        servers.append(server)
    table = _table(document, "webrtc")
    table.pop("ice", None)
    table["ice"] = servers


def _is_example(ice: object) -> bool:
    """Return whether *ice* is what the example has: hosts that end with ``.example``."""
    if not isinstance(ice, AoT):
        return False
    urls = [str(url) for server in ice for url in server.get("urls", [])]
    hosts = [urlsplit(f"//{url.partition(':')[2]}").hostname or "" for url in urls]
    return all(host.endswith(".example") for host in hosts)


def _table(document: tomlkit.TOMLDocument, name: str) -> Table:
    found = document.get(name)
    if isinstance(found, Table):
        return found
    table = tomlkit.table()
    document[name] = table
    return table


def _set(table: Table, values: Mapping[str, object]) -> None:
    """Set each of *values*; a comment on its line stays."""
    for name, value in values.items():
        table[name] = value


def _secret_name(number: int) -> str:
    return TURN_SECRET if number == 0 else f"{TURN_SECRET}{number + 1}"
