"""An address at which it cannot be listened, told as the fault of the settings that it is."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.model.errors import ConfigRejected, Fault

_CODES = {
    errno.EADDRINUSE: "address.used",
    errno.EADDRNOTAVAIL: "address.foreign",
    errno.EACCES: "address.denied",
}


@contextmanager
def refused_address(at: str, address: str, port: int) -> Iterator[None]:
    """Listen within at *address* and *port*, which the table *at* of the settings names.

    Raises:
        ConfigRejected: The machine does not have the address, another program the port.
    """
    try:
        yield
    except OSError as error:
        code = _CODES.get(error.errno or 0)
        if code is None:
            raise
        message = f"cannot listen at {address}, port {port}: {error.strerror}"
        raise ConfigRejected((Fault(at, code, message),)) from None
