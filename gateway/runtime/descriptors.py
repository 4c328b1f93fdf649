"""How many files and sockets this process may have open (RLIMIT_NOFILE, getrlimit(2)).

Each camera takes one to three, each viewer one for each address of this machine and one more.
"""

from __future__ import annotations

import errno
import os
import resource

LEAST = 64
"""With fewer a gateway does not start: broker, databases and libraries take some thirty."""

ENOUGH = 8192
"""As many as the systemd unit allows: more than 512 cameras and 1,000 viewers take."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors that say that no descriptor is left, in this process or on this machine."""


def raise_descriptor_limit() -> tuple[int, int]:
    """Raise the soft limit to `ENOUGH`, or to the hard limit; return it as it was and as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY and hard < ENOUGH else ENOUGH
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft, soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return soft, wanted


def is_exhausted() -> bool:
    """Return whether no descriptor is free now, where a library has not said why it failed."""
    try:
        os.close(os.open("/", os.O_PATH | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in EXHAUSTED
    return False
