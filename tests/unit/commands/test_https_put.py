"""Uploads: to allowed hosts only, by verified TLS, with the status as the result."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.commands.https_put import HttpsPut
from gateway.model.errors import MessageRejected, TransientError
from gateway.model.reasons import Reason
from tests.fixtures.broker import Authority
from tests.fixtures.tcp import tcp_server

SILENCE = b"(nothing)"


class FakeHttpsServer:
    """An HTTPS server that says *answer* to everything, and what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        self.bodies.append(await reader.readexactly(size))
        with suppress(OSError):
            if self.answer is SILENCE:
                await reader.read()
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def https_server(
    folder: Path, answer: bytes
) -> AsyncIterator[tuple[FakeHttpsServer, int, Path]]:
    authority = Authority.create(folder / "ca")
    server_tls = authority.issue("uploads", hosts=("localhost", "127.0.0.1"))
    assert server_tls.cert_file is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_tls.cert_file, server_tls.key_file)
    fake = FakeHttpsServer(answer)
    async with tcp_server(fake.serve, tls=context) as port:
        yield fake, port, authority.ca_file


async def test_a_picture_is_put_where_it_may_be_put(tmp_path: Path) -> None:
    """One PUT with the whole picture; its status comes back."""
    async with https_server(tmp_path, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n") as (
        fake,
        port,
        ca,
    ):
        upload = HttpsPut((f"localhost:{port}",), ca)
        status = await upload.put(
            f"https://localhost:{port}/a/b.jpg?sig=x%2F", b"jpeg", "image/jpeg"
        )

        assert status == 201
        assert fake.heads[0].startswith(b"PUT /a/b.jpg?sig=x%2F HTTP/1.1\r\n")
        assert fake.bodies == [b"jpeg"]


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Or a host that may be gone to could send us anywhere."""
    answer = b"HTTP/1.1 307 Over there\r\nLocation: https://10.0.0.1/\r\n\r\n"
    async with https_server(tmp_path, answer) as (fake, port, ca):
        upload = HttpsPut((f"localhost:{port}",), ca)

        assert await upload.put(f"https://localhost:{port}/", b"jpeg", "image/jpeg") == 307
        assert len(fake.heads) == 1


async def test_an_interim_answer_is_not_the_answer(tmp_path: Path) -> None:
    """Some servers say that they go on before they say how it went."""
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 204 -\r\n\r\n"
    )
    async with https_server(tmp_path, answer) as (_, port, ca):
        upload = HttpsPut((f"localhost:{port}",), ca)

        assert await upload.put(f"https://localhost:{port}/", b"jpeg", "image/jpeg") == 204


async def test_a_host_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has our picture and keeps silent: after a while that is its answer."""
    monkeypatch.setattr("gateway.commands.https_put.PUT_S", 3.0)
    async with https_server(tmp_path, SILENCE) as (fake, port, ca):
        upload = HttpsPut((f"localhost:{port}",), ca)
        with pytest.raises(TransientError) as trouble:
            await upload.put(f"https://localhost:{port}/", b"jpeg", "image/jpeg")

        assert trouble.value.reason is Reason.TIMEOUT
        assert fake.bodies == [b"jpeg"]


async def test_a_host_that_cannot_be_verified_gets_nothing(tmp_path: Path) -> None:
    """There is no option to switch that off."""
    async with https_server(tmp_path, b"HTTP/1.1 200 OK\r\n\r\n") as (fake, port, _):
        other = Authority.create(tmp_path / "other").ca_file
        with pytest.raises(TransientError) as trouble:
            await HttpsPut((f"localhost:{port}",), other).put(
                f"https://localhost:{port}/", b"jpeg", "image/jpeg"
            )

        assert trouble.value.reason is Reason.TLS_FAILED
        assert fake.bodies == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://uploads.example/a", "url.scheme"),
        ("https://other.example/a", "url.host"),
        ("https://uploads.example:8443/a", "url.host"),
        ("https://uploads.example@10.0.0.1/a", "url.userinfo"),
        ("https://uploads.example\\@10.0.0.1/a", "url.control"),
        ("https://uploads.example/a b", "url.control"),
        ("https://uploads.example/\r\nHost: x", "url.control"),
        ("https://[::1/a", "url.host"),
        ("https://uploads.example:99999/a", "url.host"),
        ("file:///etc/passwd", "url.scheme"),
        ("https://uploads.example.evil.example/a", "url.host"),
        ("", "url.control"),
    ],
)
def test_an_address_elsewhere_is_refused(url: str, code: str) -> None:
    """Before anything is opened, with the place."""
    with pytest.raises(MessageRejected) as refused:
        HttpsPut(("uploads.example",), None).parse_url(url)

    assert [(each.at, each.code) for each in refused.value.faults] == [("/args/put_url", code)]
