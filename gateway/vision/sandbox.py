"""What a process that decodes strangers' pictures gives up before it sees the first one.

A picture that takes the decoder over finds little: no file can be written, no process started, no
memory beyond the limit, no time beyond a few seconds, no core dump, nothing in the environment, no
descriptor but its two pipes, and the parent's end is its own. What the system does not let us give
up is named, so that the gateway can say so.

System calls are given up last, in `gateway.vision.sandbox`.

References: prctl(2), getrlimit(2), proc_pid_oom_score_adj(5).

What the decoding child may still ask of the kernel once its libraries are loaded: to compute.

Memory, time and its two pipes are what a decoder needs. A system call beyond that is refused with
EPERM, so no file can be opened; one that only an intruder makes (a program, a process, a socket,
another process's memory or life) ends the child on the spot. `worker` calls this after the
imports and before the first picture; it cannot be undone.

References: seccomp(2), linux/seccomp.h, linux/bpf_common.h; the numbers of x86-64 and AArch64.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_KILL, _REFUSE, _ALLOW = 0x8000_0000, 0x0005_0000 | 1, 0x7FFF_0000
"""Kill the process; EPERM; go on."""

_LOAD, _EQUALS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_X32 = 0x4000_0000
"""From here on x86-64 numbers mean its other calling convention; AArch64 has none so high."""


@dataclass(frozen=True, slots=True)
class _Calls:
    """The system calls of one architecture, by number.

    Attributes:
        audit: AUDIT_ARCH_* of linux/audit.h.
        allowed: read, write, readv, writev, close, fstat, newfstatat, lseek, mmap, mprotect,
            munmap, mremap, brk, madvise, futex, rt_sigaction, rt_sigprocmask, rt_sigreturn,
            sigaltstack, sched_yield, sched_getaffinity, nanosleep, clock_nanosleep,
            clock_gettime, gettimeofday, getpid, getppid, gettid, getrusage, getrandom, getcpu,
            sysinfo, uname, membarrier, rseq, set_robust_list, restart_syscall, exit, exit_group.
        deadly: socket, socketpair, connect, accept, accept4, bind, listen, (fork, vfork,)
            execve, execveat, ptrace, process_vm_readv, process_vm_writev, kill, tkill,
            tgkill, pidfd_open, pidfd_send_signal, pidfd_getfd, unshare, setns, mount, bpf,
            io_uring_setup, userfaultfd, perf_event_open.
        limit: prlimit64, which may be asked for the child itself only.
    """

    audit: int
    allowed: tuple[int, ...]
    deadly: tuple[int, ...]
    limit: int


_KNOWN = {
    "x86_64": _Calls(
        0xC000_003E,
        (
            *(0, 1, 19, 20, 3, 5, 262, 8, 9, 10, 11, 25, 12, 28, 202, 13, 14, 15, 131, 24, 204),
            *(35, 230, 228, 96, 39, 110, 186, 98, 318, 309, 99, 63, 324, 334, 273, 219, 60, 231),
        ),
        (
            *(41, 53, 42, 43, 288, 49, 50, 57, 58, 59, 322, 101, 310, 311, 62, 200, 234),
            *(434, 424, 438, 272, 308, 165, 321, 425, 323, 298),
        ),
        302,
    ),
    "aarch64": _Calls(
        0xC000_00B7,
        (
            *(63, 64, 65, 66, 57, 80, 79, 62, 222, 226, 215, 216, 214, 233, 98, 134, 135, 139),
            *(132, 124, 123, 101, 115, 113, 169, 172, 173, 178, 165, 278, 168, 179, 160, 283),
            *(293, 99, 128, 93, 94),
        ),
        (
            *(198, 199, 203, 202, 242, 200, 201, 221, 281, 117, 270, 271, 129, 130),
            *(131, 434, 424, 438, 97, 268, 40, 280, 425, 282, 241),
        ),
        261,
    ),
}


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install_seccomp_filter() -> bool:
    """Give up all other system calls; return False where this system does not let us.

    Needs PR_SET_NO_NEW_PRIVS, which `confine` has set.
    """
    calls = _KNOWN.get(os.uname().machine)
    if calls is None:
        return False
    raw = _filter(calls)
    program = _Program(len(raw) // 8, raw)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(calls: _Calls) -> bytes:
    """Return the filter as the kernel's BPF."""
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUALS, 1, 0, calls.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for verdict, numbers in ((_ALLOW, calls.allowed), (_KILL, calls.deadly)):
        for number in numbers:
            lines += [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, verdict)]
    lines += [
        (_EQUALS, 0, 3, calls.limit),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUALS, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


MEMORY_BYTES = 256 * 1024 * 1024
"""Of its own, beside the libraries' code. A 4096 x 2304 picture takes 150 MB with Python."""
ADDRESS_BYTES = 1024 * 1024 * 1024
"""With the libraries' code, 230 MB of it, of which a quarter is ever read."""
CPU_S = 6
"""For one task; the parent's patience ends before it, unless its loop stands still."""
NICE = 10
OOM_SCORE = 500

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def enter_sandbox(parent: int) -> list[str]:
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


def limit_cpu_time() -> None:
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
