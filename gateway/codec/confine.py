"""What a process that decodes strangers' pictures gives up before it sees the first one.

A picture that takes the decoder over finds little: no file can be written, no process started, no
memory beyond the limit, no time beyond a few seconds, no core dump, nothing in the environment, no
descriptor but its two pipes, and the parent's end is its own. What the system does not let us give
up is named, so that the gateway can say so.

System calls are given up last, in `gateway.codec.seccomp`.

References: prctl(2), getrlimit(2), proc_pid_oom_score_adj(5).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress

MEMORY_BYTES = 256 * 1024 * 1024
"""Of its own, beside the libraries' code. A 4096 x 2304 picture takes 150 MB with Python."""
ADDRESS_BYTES = 1024 * 1024 * 1024
"""With the libraries' code, 230 MB of it, of which a quarter is ever read."""
CPU_S = 6
"""For one task; the parent's patience ends before it, unless its loop stands still."""
NICE = 10
OOM_SCORE = 500

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def confine(parent: int) -> list[str]:
    """Give up what is not needed; return the names of what could not be.

    Args:
        parent: Process whose end is ours; if it has gone already, this process ends here.
    """
    steps: dict[str, Callable[[], object]] = {
        "parent": lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        "dumpable": lambda: _prctl(_PR_SET_DUMPABLE, 0),
        "privileges": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "memory": lambda: _limit(resource.RLIMIT_DATA, MEMORY_BYTES),
        "address": lambda: _limit(resource.RLIMIT_AS, ADDRESS_BYTES),
        "core": lambda: _limit(resource.RLIMIT_CORE, 0),
        "files": lambda: _limit(resource.RLIMIT_FSIZE, 0),
        "children": lambda: _limit(resource.RLIMIT_NPROC, 0),
    }
    missing = [name for name, step in steps.items() if not _done(step)]
    with suppress(OSError):  # good manners only: systemd's filter refuses it
        os.nice(NICE)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(str(OOM_SCORE))
    if os.getppid() != parent:
        os._exit(0)
    return missing


def grant_time() -> None:
    """Allow `CPU_S` seconds from now on; who needs more is ended by the kernel."""
    used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(used_s) + CPU_S, hard))


def _limit(which: int, value: int) -> None:
    resource.setrlimit(which, (value, value))


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _done(step: Callable[[], object]) -> bool:
    try:
        step()
    except (OSError, ValueError):
        return False
    return True
