"""What the decoding child may still ask of the kernel once its libraries are loaded: to compute.

Memory, time and its two pipes are what a decoder needs. A system call beyond that is refused with
EPERM, so no file can be opened; one that only an intruder makes (a program, a process, a socket,
another process's memory or life) ends the child on the spot. `worker` calls this after the
imports and before the first picture; it cannot be undone.

References: seccomp(2), linux/seccomp.h, linux/bpf_common.h; the numbers of x86-64 and AArch64.
"""

from __future__ import annotations

import ctypes
import os
import struct
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


def only_compute() -> bool:
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
