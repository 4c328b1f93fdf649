"""Closes a TCP server and loses no connection that it is just accepting.

`asyncio.Server` of Python 3.11 and 3.12 makes the transport of a connection one turn of the loop
after it has accepted it. Closed in between, it leaves the connection open, known to nobody, until
the garbage collector finds it.
"""

from __future__ import annotations

import asyncio
import socket

_TURNS = 3
"""Of the loop: the transport is made, its protocol is told, the task that this starts runs."""


def close_next_turn(server: asyncio.Server) -> None:
    """Refuse connections from now on; those accepted by now come to their protocols.

    The port is free at once, the descriptors are after the next turn of the loop. `Server.close`
    must not be called beside it.
    """
    loop = server.get_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
        listening.shutdown(socket.SHUT_RDWR)
    loop.call_soon(server.close)


async def close_server(server: asyncio.Server) -> None:
    """Do the same, and return when the last protocol knows its connection: now all can be ended."""
    close_next_turn(server)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
