"""Whose secret goes where, on the real gateway: signed documents that ask for others' passwords."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.ports import InboundMessage
from tests.fixtures.broker import Broker
from tests.fixtures.desired import SigningHarness
from tests.fixtures.site import OWN, PASSWORD, cameras, site, tree
from tests.fixtures.tcp import tcp_server
from tests.live.test_commands import ask
from tests.live.test_config import ConfiguredSite, remote

pytestmark = pytest.mark.live

SECRETS = {
    "broker": "canary-broker-11",
    "turn": "canary-turn-22",
    "camera/recorder": "canary-recorder-33",
    "camera/hall@127.0.0.1": "canary-hall-44",
}
"""What the installer has put on this machine, beside the password of its own cameras."""

ENVIRONMENT = {
    "CAMERA_GATEWAY__BROKER__USERNAME": "gateway",
    "CAMERA_GATEWAY__BROKER__PASSWORD": '{"$ref": "secret:broker"}',
}

TURN = '[[webrtc.ice]]\nurls = ["turn:127.0.0.1:9"]\nusername = "x"\ncredential = "secret:turn"\n'


@dataclass
class Canary:
    """An RTSP server in the camera networks that asks everybody for a password, in clear.

    Attributes:
        url: Of its one stream.
        requests: Whatever was sent to it, one request each.
    """

    url: str = ""
    redirect: str = ""
    requests: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await _read_request(reader):
            self.requests.append(request)
            writer.write(self._answer(request).encode())
            if "Authorization:" in request:
                self.asked.set()
        writer.close()

    def _answer(self, request: str) -> str:
        number = request.split("CSeq: ")[1].split("\r\n")[0]
        if request.startswith("OPTIONS"):
            return f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n"
        if self.redirect:
            place = f"Location: {self.redirect}\r\n"
            return f"RTSP/1.0 302 Found\r\nCSeq: {number}\r\n{place}\r\n"
        challenge = 'WWW-Authenticate: Basic realm="canary"\r\n'
        return f"RTSP/1.0 401 Unauthorized\r\nCSeq: {number}\r\n{challenge}\r\n"

    def passwords(self) -> list[str]:
        """Every password that was sent to it."""
        lines = [line for each in self.requests for line in each.split("\r\n")]
        sent = [line.split()[-1] for line in lines if line.startswith("Authorization: Basic ")]
        return [base64.b64decode(each).decode().partition(":")[2] for each in sent]


async def _read_request(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


@asynccontextmanager
async def canary(number: int = 1) -> AsyncIterator[Canary]:
    """A canary at an address of its own, at the usual port."""
    process = os.getpid()
    host = f"127.{65 + number}.{process // 250 % 250}.{process % 250 + 1}"
    bird = Canary(f"rtsp://{host}/live")
    async with tcp_server(bird.serve, host, 554):
        yield bird


def put_secrets(folder: Path) -> None:
    for name, value in SECRETS.items():
        path = folder / "secrets" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(value + "\n")


@asynccontextmanager
async def guarded_site(folder: Path, broker: Broker) -> AsyncIterator[ConfiguredSite]:
    """A gateway with one camera and several secrets, which a key may configure."""
    signing = SigningHarness.trusted_in(folder / "trusted")
    put_secrets(folder)
    more = remote() + TURN
    async with site(folder, broker, cameras(1), more=more, env=ENVIRONMENT) as running:
        await running.until_states(1, "IDLE")
        yield ConfiguredSite(running, signing)


def camera(url: str, secret: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "hostile",
        "name": "Quầy 9",
        "username": "admin",
        "password": f"secret:{secret}",
        "allow_basic": True,
        "streams": [{"url": url, "keep": "warm"}],
        **more,
    }


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        ("broker", "secret.use"),
        ("turn", "secret.use"),
        ("recorder", "secret.host"),
        ("hall", "secret.host"),
        ("cameras", "secret.host"),
    ],
)
async def test_no_document_draws_a_secret_to_another_host(
    tmp_path: Path, broker: Broker, secret: str, code: str
) -> None:
    """Signed, allowed, inside the camera networks: refused, and the host saw no password."""
    async with canary() as bird, guarded_site(tmp_path, broker) as it:
        doc = {"site": it.installed}
        doc["site"]["cameras"].append(camera(bird.url, secret))
        it.push(it.signing.sign(1, doc))
        answered = asyncio.create_task(it.until("rejected", 1))
        asked = asyncio.create_task(bird.asked.wait())

        await asyncio.wait((answered, asked), return_when=asyncio.FIRST_COMPLETED)

        assert bird.passwords() == []
        asked.cancel()
        report = await answered
        assert ("/doc/site/cameras/1/password", code) in [
            (fault["at"], fault["code"]) for fault in report["errors"]
        ]
        assert bird.requests == []
        said = repr(report) + "".join(it.site.output)
        assert not [value for value in [*SECRETS.values(), PASSWORD] if value in said]


async def test_a_document_cannot_have_a_password_sent_in_clear(
    tmp_path: Path, broker: Broker
) -> None:
    """The right host, but the installer has entered the password for Digest."""
    async with guarded_site(tmp_path, broker) as it:
        doc = {"site": it.installed}
        doc["site"]["cameras"][0]["allow_basic"] = True
        it.push(it.signing.sign(1, doc))

        report = await it.until("rejected", 1)

        places = [(fault["at"], fault["code"]) for fault in report["errors"]]
        assert places == [("/doc/site/cameras/0/allow_basic", "secret.basic")]


async def test_a_password_that_was_entered_for_the_host_is_used(
    tmp_path: Path, broker: Broker
) -> None:
    """By the file's name, and Basic by the settings: no other secret is sent there."""
    async with canary() as bird:
        host = bird.url.split("/")[2]
        signing = SigningHarness.trusted_in(tmp_path / "trusted")
        put_secrets(tmp_path)
        (tmp_path / "secrets" / "camera" / f"recorder@{host}").touch(mode=0o600)
        (tmp_path / "secrets" / "camera" / f"recorder@{host}").write_text("canary-for-you")
        env = ENVIRONMENT | {"CAMERA_GATEWAY__CAMERAS__BASIC_HOSTS": f'["{host}"]'}
        more = remote() + TURN
        async with site(tmp_path, broker, cameras(1), more=more, env=env) as running:
            it = ConfiguredSite(running, signing)
            doc = {"site": it.installed}
            doc["site"]["cameras"].append(camera(bird.url, "recorder"))
            it.push(it.signing.sign(1, doc))

            await bird.asked.wait()

            assert set(bird.passwords()) == {"canary-for-you"}


async def test_a_redirect_takes_no_password_along(tmp_path: Path, broker: Broker) -> None:
    """A hijacked camera that was entered sends us elsewhere: nothing is sent there."""
    async with canary() as bird, canary(2) as other:
        bird.redirect = other.url
        host = bird.url.split("/")[2]
        put_secrets(tmp_path)
        (tmp_path / "secrets" / "camera" / f"recorder@{host}").touch(mode=0o600)
        (tmp_path / "secrets" / "camera" / f"recorder@{host}").write_text("canary-for-you")
        signing = SigningHarness.trusted_in(tmp_path / "trusted")
        async with site(tmp_path, broker, cameras(1), more=remote()) as running:
            it = ConfiguredSite(running, signing)
            doc = {"site": it.installed}
            doc["site"]["cameras"].append(camera(bird.url, "recorder", allow_basic=False))
            it.push(it.signing.sign(1, doc))

            def refused(message: InboundMessage) -> bool:
                is_its = message.topic == OWN.camera_state("hostile")
                return is_its and tree(message)["why"] == "REDIRECT_REFUSED"

            await running.until(refused)

            assert bird.passwords() == []
            assert other.requests == []


async def test_a_probe_by_command_sends_nothing_either(tmp_path: Path, broker: Broker) -> None:
    """A host is probed without a login, whatever it asks for."""
    async with canary() as bird, guarded_site(tmp_path, broker) as it:
        host = bird.url.split("/")[2]

        await ask(it.site, "probe", {"host": f"{host}:554"})

        assert [each for each in bird.requests if "Authorization" in each] == []
        assert bird.requests


async def test_what_the_centre_had_set_up_survives_the_update(
    tmp_path: Path, broker: Broker
) -> None:
    """A confirmed document of the version before, with flat secrets: trusted once, then bound."""
    async with guarded_site(tmp_path, broker) as it:
        url = it.installed["cameras"][0]["streams"][0]["url"]
        await it.site.terminate()
        secrets = tmp_path / "secrets"
        (secrets / "camera" / "recorder").rename(secrets / "dvr")
        (secrets / "dvr").write_text(PASSWORD)
        (tmp_path / "secret-hosts.json").unlink()  # as no version before has written it
        other = camera(url, "dvr", id="c00", username="viewer", allow_basic=False)
        doc = {"site": it.installed | {"cameras": [other]}}
        stored = {"attempt": 1, "document": it.signing.sign(1, doc)}
        (tmp_path / "config.json").write_text(json.dumps(stored))
        (tmp_path / "site.json").unlink()

        await it.site.start_again()
        await it.site.until_state(0, "OK")

        assert "secret_deprecated" in "".join(it.site.output)
        doc["site"]["cameras"][0]["streams"][0]["url"] = "rtsp://127.9.9.9/x"
        it.push(it.signing.sign(2, doc))
        report = await it.until("rejected", 2)
        places = [(fault["at"], fault["code"]) for fault in report["errors"]]
        assert places == [("/doc/site/cameras/0/password", "secret.host")]
