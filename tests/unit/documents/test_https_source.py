"""Documents from a server: only inside the networks, bounded, never redirected."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.documents.https_source import DocumentServer, ServerLogin
from gateway.model.document_template import DOCUMENT_BYTES
from gateway.model.errors import TransientError
from tests.fixtures.documents import GOOD_CSV
from tests.fixtures.mirror import Mirror, mirror_of

NAME = "chỉ-số 2026-05.csv"


@pytest.fixture
async def mirror(tmp_path: Path) -> AsyncIterator[Mirror]:
    async with mirror_of(tmp_path, GOOD_CSV) as running:
        yield running


def server(
    mirror: Mirror, network: str = "127.0.0.0/8", login: ServerLogin | None = None
) -> DocumentServer:
    url = f"https://127.0.0.1:{mirror.port}/bao-cao/"
    return DocumentServer(url, (ip_network(network),), ca_file=mirror.ca_file, login=login)


@asynccontextmanager
async def refused(what: str) -> AsyncIterator[None]:
    with pytest.raises(TransientError) as error:
        yield
    assert what in error.value.detail


async def test_a_file_is_found_and_read(mirror: Mirror) -> None:
    """Its mark follows from its content where the server says nothing."""
    source = server(mirror)
    mark = (await source.find(frozenset({NAME})))[NAME]

    assert mark.size == len(GOOD_CSV)
    assert await source.read(mark) == GOOD_CSV
    assert (await source.find(frozenset({NAME})))[NAME] == mark


async def test_who_we_are_is_told_to_that_server(mirror: Mirror) -> None:
    """By Basic, inside TLS, with the name of the file encoded."""
    await server(mirror, login=ServerLogin("bao-cao", SecretStr("mật"))).find(frozenset({NAME}))

    (head,) = mirror.heads
    assert b"GET /bao-cao/ch%E1%BB%89-s%E1%BB%91%202026-05.csv HTTP/1.1" in head
    assert base64.b64encode("bao-cao:mật".encode()) in head


async def test_what_has_not_changed_is_not_fetched_again(mirror: Mirror) -> None:
    """The server is asked by the tag that it has given."""
    source = server(mirror)
    mirror.answer = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 1\r\n\r\nx'
    first = await source.find(frozenset({NAME}))
    mirror.answer = b"HTTP/1.1 304 Not Modified\r\n\r\n"

    assert await source.find(frozenset({NAME})) == first
    assert b'if-none-match: "a"' in mirror.heads[-1].lower()


async def test_a_file_that_is_not_there_is_no_fault(mirror: Mirror) -> None:
    """It may come yet."""
    mirror.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    assert await server(mirror).find(frozenset({NAME})) == {}


async def test_an_address_outside_the_networks_is_not_connected_to(mirror: Mirror) -> None:
    """Whatever its name says."""
    async with refused("outside [documents] networks"):
        await server(mirror, "10.0.0.0/8").find(frozenset({NAME}))
    assert mirror.asked == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: https://10.0.0.1/\r\n\r\n", "(302)"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "it asks for a login"),
        (b"HTTP/1.1 500 Oops\r\n\r\n", "(500)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "ClientPayloadError"),
        (b"nonsense\r\n\r\n", "Error"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9000 + b"\r\n\r\n", "Error"),
    ],
)
async def test_another_answer_is_told(mirror: Mirror, answer: bytes, said: str) -> None:
    """And tried again at the next look."""
    mirror.answer = answer
    async with refused(said):
        await server(mirror).find(frozenset({NAME}))


async def test_a_large_file_is_read_to_its_bound(mirror: Mirror) -> None:
    """A byte more, by which it is known to be too large."""
    mirror.content = bytes(DOCUMENT_BYTES + 100_000)
    source = server(mirror)
    mark = (await source.find(frozenset({NAME})))[NAME]

    assert mark.size == DOCUMENT_BYTES + 1
    assert len(await source.read(mark)) == DOCUMENT_BYTES + 1


async def test_a_server_without_a_good_certificate_is_told_nothing(mirror: Mirror) -> None:
    """Neither the login nor the name of the file."""
    mirror.ca_file = None  # type: ignore[assignment]  # the system's
    async with refused("certificate"):
        await server(mirror, login=ServerLogin("a", SecretStr("b"))).find(frozenset({NAME}))
    assert mirror.asked == []
