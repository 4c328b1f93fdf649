"""No way out of a gateway or a console carries the people of part I of the form, or a secret.

Both are planted as markers, every way out is read that there is, and looked through for each marker
in all the forms in which it may travel. One gateway for all of it: its start and seven commands
take most of the time.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
import tarfile
import unicodedata
import zipfile
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import aiohttp
import pytest

from gateway.config.signing import make_key
from gateway.demo.config_files import free_port
from gateway.ports import InboundMessage
from gateway.runtime.status_query import HEALTH_BYTES, HEALTH_NAME, SOCKET_NAME, query_status
from tests.fixtures.broker import Broker, observing
from tests.fixtures.clock import HANG_S
from tests.fixtures.console_process import running_console
from tests.fixtures.site import PASSWORD, cameras, site, tree
from tests.live.test_commands import ask

pytestmark = pytest.mark.live

PEOPLE = {
    "name": "Đỗ Thị Dấu-Mốc Riêng",
    "unit": "Phòng Mốc Riêng 58",
    "position": "Chức danh Mốc Riêng",
    "phone": "0907391582",
    "note": "moc.rieng@hue.example",
}
SECRETS = {
    "broker": "canary-broker-1/7+9",
    "turn": "canary-turn-22",
    "camera/recorder": "canary-recorder-33",
}
ASKED: tuple[tuple[str, dict[str, object]], ...] = (
    ("rebirth", {"sections": ["site", "contacts"]}),
    ("probe", {"cam": "c00"}),
    ("probe", {"cam": "c01"}),
    ("snapshot", {"cam": "c00"}),
    ("config.get", {}),
    ("logs.tail", {"level": "debug", "max_s": 0.5}),
)
"""Commands of a centre that asks for more than it may have."""

MORE = """
[[webrtc.ice]]
urls = ["turn:127.0.0.1:9"]
shared_secret = "secret:turn"
[metrics]
port = {port}
"""
ENVIRONMENT = {
    "CAMERA_GATEWAY__BROKER__USERNAME": "gateway",
    "CAMERA_GATEWAY__BROKER__PASSWORD": '{"$ref": "secret:broker"}',
}


def shapes(marker: str) -> Iterator[bytes]:
    """Yield *marker* as it may stand in text, JSON, a URL, or base64 at any place."""
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, marker)
        raw = text.encode()
        yield raw
        yield json.dumps(text)[1:-1].encode()
        yield quote(text, safe="").encode()
        yield quote_plus(text).encode()
        for before in range(3):
            packed = base64.b64encode(b"x" * before + raw)
            yield packed[4 if before else 0 : len(packed) - 4]


def unpacked(raw: bytes) -> bytes:
    """Return *raw*, and what is in it if it is an office file."""
    if not raw.startswith(b"PK"):
        return raw
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return raw + b"".join(archive.read(name) for name in archive.namelist())


def found_in(places: dict[str, bytes], markers: dict[str, str]) -> list[str]:
    """Return which markers are where."""
    return [
        f"{name} in {place}"
        for place, raw in places.items()
        for name, marker in markers.items()
        if any(shape in raw for shape in shapes(marker))
    ]


def plant(folder: Path) -> dict[str, str]:
    """Put people and secrets where they belong; return all markers by name."""
    contacts = folder / "contacts.json"
    contacts.touch(mode=0o600)
    contacts.write_text(json.dumps({"contacts": [{**PEOPLE, "role": "primary"}]}))
    for name, value in SECRETS.items():
        path = folder / "secrets" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(value + "\n")
    key, _ = make_key(folder / "secrets", "cmd-own")
    body = "".join(key.read_text().splitlines()[1:-1])
    return PEOPLE | SECRETS | {"camera": PASSWORD, "key": body[20:60]}


async def run(*words: str, code: tuple[int, ...] = (0,)) -> bytes:
    """Return all that the command says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *words), stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(HANG_S):
        out, err = await process.communicate()
    assert process.returncode in code, (words, err.decode())
    return out + err


async def told_by_commands(folder: Path, broker: Broker) -> dict[str, bytes]:
    """Return what each command prints or writes about the machine of *folder*."""
    settings, out = str(folder / "gateway.toml"), folder / "out"
    out.mkdir()
    bundle = out / "support.tar.gz"
    said = {
        "check --json": await run("check", "--json", settings, code=(0, 2)),
        "doctor": await run(
            *("doctor", "--settings", settings, "--bundle", str(bundle)), code=(0, 1, 2)
        ),
    }
    with tarfile.open(bundle) as archive:
        for member in archive:
            file = archive.extractfile(member)
            said[f"bundle {member.name}"] = b"" if file is None else file.read()
    for kind in ("docx", "xlsx", "json"):
        target = out / f"form.{kind}"
        shown: tuple[str, ...] = (
            "survey",
            "export",
            "--settings",
            settings,
            "--runtime",
            str(folder / "run"),
        )
        shown += ("--no-contacts", "--format", kind, "--out", str(target))
        said[f"survey {kind}"] = await run(*shown) + unpacked(target.read_bytes())
    merged = ("survey", "merge", "--from-broker", "--broker", f"127.0.0.1:{broker.port}")
    said["survey merge"] = await run(*merged, "--format", "json")
    return said


def told_on_disk(folder: Path) -> dict[str, bytes]:
    """Return every file of the state folder, but those that are made to hold what was planted."""
    kept = {"contacts.json", "secrets", "centre", "out", "broker0"}
    return {
        f"file {path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in kept
    }


async def told_by_console(folder: Path, broker: Broker, cameras_told: int) -> dict[str, bytes]:
    """Return what a console sends an operator, and what it logs."""
    settings = folder / "out" / "console.toml"
    settings.write_text(f'[listen]\nport = 0\n[broker]\nhost = "127.0.0.1"\nport = {broker.port}\n')
    log, heard = folder / "out" / "console.log", list[str]()
    async with (
        running_console(settings, log) as console,
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"{console.url}ws", headers={"Origin": console.url.rstrip("/")}
        ) as operator,
        asyncio.timeout(HANG_S),
    ):
        while sum(name in "".join(heard) for name in ("Quầy 1", "Quầy 2")) < cameras_told:
            heard.append(str((await operator.receive()).data))
    return {"console": "".join(heard).encode(), "console's log": log.read_bytes()}


async def test_nothing_tells_people_or_secrets(tmp_path: Path, broker: Broker) -> None:
    """MQTT, log, metrics, sockets, files, commands, the bundle, forms, console: not one marker.

    The form with part I has the people, by which the search is known to find them.
    """
    markers, heard = plant(tmp_path), list[InboundMessage]()
    port, runtime = free_port(), tmp_path / "run"
    runtime.mkdir()
    environment = ENVIRONMENT | {"RUNTIME_DIRECTORY": str(runtime)}
    async with (
        observing(broker.address, "#", client_id="everything", on_message=heard.append),
        site(
            tmp_path,
            broker,
            cameras(2),
            missing_secret_of=1,
            more=MORE.format(port=port),
            env=environment,
            keep="warm",
        ) as running,
    ):
        await running.until_state(0, "OK")
        for name, args in ASKED:
            await ask(running, name, args)
        places = {
            "status": query_status(runtime, name=SOCKET_NAME).encode(),
            "health": query_status(runtime, name=HEALTH_NAME, most_bytes=HEALTH_BYTES).encode(),
            **await told_by_commands(tmp_path, broker),
            **await told_by_console(tmp_path, broker, 2),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            places["metrics"] = await answer.read()
    with_people = tmp_path / "out" / "people.docx"
    shown = ("--settings", str(tmp_path / "gateway.toml"), "--runtime", str(runtime))
    await run("survey", "export", *shown, "--format", "docx", "--out", str(with_people))
    places |= told_on_disk(tmp_path)
    places["log"] = "".join(running.output).encode()
    places["MQTT"] = b"\n".join(
        message.topic.encode() + message.payload + json.dumps(tree(message)).encode()
        for message in heard
        if message.payload
    )

    control = {"the form with part I": unpacked(with_people.read_bytes())}
    assert len(found_in(control, PEOPLE)) == len(PEOPLE)
    assert all(places.values()), [name for name, raw in places.items() if not raw]
    assert found_in(places, markers) == []
