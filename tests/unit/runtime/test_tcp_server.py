"""The end of a TCP server."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.runtime.tcp_server import close_next_turn, close_server


class Noted(asyncio.Protocol):
    """Notes that it was made, then that it knows its connection."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        notes.append("made")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.notes.append("told")
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_that_is_accepted_is_known(turns: int) -> None:
    """In whatever turn of the loop the server is closed; else nobody could close it."""
    notes: list[str] = []
    server = await asyncio.get_running_loop().create_server(lambda: Noted(notes), "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        for _ in range(turns):
            await asyncio.sleep(0)
        await close_server(server)

    assert notes in ([], ["made", "told"])
    assert not server.sockets


async def test_the_port_is_free_at_once() -> None:
    """A camera that restarts comes back at the same address."""
    loop, notes = asyncio.get_running_loop(), list[str]()
    first = await loop.create_server(lambda: Noted(notes), "127.0.0.1", 0)
    port = first.sockets[0].getsockname()[1]
    close_next_turn(first)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    again = await loop.create_server(lambda: Noted(notes), "127.0.0.1", port)

    await close_server(again)
