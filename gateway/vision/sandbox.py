"""Sandbox of the decoder's worker: what it gives up before it sees the first picture.

A picture that takes the worker over can open no file and no socket, start no process, use no more
memory and time than the limits, dump no core and read no environment; it has two pipes and ends
with the gateway. First limits and flags are set (`enter_sandbox`), last a seccomp filter
(`install_seccomp_filter`): system calls that computing does not need fail with EPERM, and those
that only an intruder makes end the process. None of it can be undone. What the system refuses is
returned by name, so that the gateway can log it.

Sources: prctl(2), getrlimit(2), proc_pid_oom_score_adj(5), seccomp(2), linux/seccomp.h,
linux/bpf_common.h; system call numbers of x86-64 and AArch64.
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
from glob import glob

from gateway.vision.landlock import restrict_files

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_KILL, _REFUSE, _ALLOW = 0x8000_0000, 0x0005_0000 | 1, 0x7FFF_0000
"""SECCOMP_RET_KILL_PROCESS; SECCOMP_RET_ERRNO with EPERM; SECCOMP_RET_ALLOW."""
_UNKNOWN = 0x0005_0000 | 38
"""SECCOMP_RET_ERRNO with ENOSYS: the C library then takes an older call."""

_LOAD, _EQUALS, _AT_LEAST, _HAS, _MASK, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24
_REQUEST_TYPE, _VIDEO = 0xFF00, ord("V") << 8
"""Of an ioctl request, whose it is; that of V4L2 (linux/ioctl.h, linux/videodev2.h)."""
_X32 = 0x4000_0000
"""From here on the numbers are of the x32 ABI of x86-64; AArch64 has none so high."""


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
        limit: prlimit64, allowed for the calling process only.
        clone: clone, allowed for threads only, and only where those are.
        waiting: (poll,) ppoll, wait4: for who has something else to wait for than one pipe.
        foreign: What a program that is not ours is refused: (socket, connect, bind, listen,
            accept, accept4, sendto, sendmsg, ptrace, process_vm_readv, process_vm_writev, mount,
            umount2, pivot_root, setns, unshare, bpf, io_uring_setup, userfaultfd,
            perf_event_open, keyctl, add_key, request_key, pidfd_getfd, open_by_handle_at,
            execveat).
        ioctl: ioctl, allowed for the given requests only, and only where there are any.
    """

    audit: int
    allowed: tuple[int, ...]
    deadly: tuple[int, ...]
    limit: int
    clone: int
    waiting: tuple[int, ...]
    foreign: tuple[int, ...]
    ioctl: int


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
        56,
        (7, 271, 61),
        (
            *(41, 42, 49, 50, 43, 288, 44, 46, 101, 310, 311, 165, 166, 155, 308, 272, 321, 425),
            *(323, 298, 250, 248, 249, 438, 304, 322),
        ),
        16,
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
        220,
        (73, 260),
        (
            *(198, 203, 200, 201, 202, 242, 206, 211, 117, 270, 271, 40, 39, 41, 268, 97, 280),
            *(425, 282, 241, 219, 217, 218, 438, 265, 281),
        ),
        29,
    ),
}


_CLONE3, _CLONE_THREAD = 435, 0x1_0000
"""clone3's arguments cannot be looked at: linux/sched.h, linux/bpf_common.h."""


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install_seccomp_filter(
    *,
    threads: bool = False,
    waiting: bool = False,
    requests: tuple[int, ...] = (),
    devices: bool = False,
) -> bool:
    """Allow computing only, from now on; return False if the system does not support it.

    Needs PR_SET_NO_NEW_PRIVS, which `enter_sandbox` sets.

    Args:
        threads: Whether a new thread may be begun, which has the same filter; for an encoder that
            cannot do without, and that gets nothing of a stranger.
        waiting: Whether it may wait for several pipes, and for the end of a child.
        requests: What a device that is open already may be asked by ioctl.
        devices: Whether a video device that is open already may be asked anything; then it is
            waited for, too. Not together with *requests*.
    """
    calls = _KNOWN.get(os.uname().machine)
    if calls is None:
        return False
    allowed = calls.allowed + (calls.waiting if waiting or devices else ())
    rest = [
        (_EQUALS, 0, 3, calls.limit),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUALS, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    if threads:
        rest = [
            (_EQUALS, 0, 1, _CLONE3),
            (_RETURN, 0, 0, _UNKNOWN),
            (_EQUALS, 0, 4, calls.clone),
            (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
            (_HAS, 0, 1, _CLONE_THREAD),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _REFUSE),
            *rest,
        ]
    if devices:
        rest = [
            (_EQUALS, 0, 5, calls.ioctl),
            (_LOAD, 0, 0, _SECOND_ARGUMENT_AT),
            (_MASK, 0, 0, _REQUEST_TYPE),
            (_EQUALS, 0, 1, _VIDEO),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _REFUSE),
            *rest,
        ]
    if requests:
        rest = [
            (_EQUALS, 0, 2 * len(requests) + 2, calls.ioctl),
            (_LOAD, 0, 0, _SECOND_ARGUMENT_AT),
            *(
                line
                for each in requests
                for line in ((_EQUALS, 0, 1, each), (_RETURN, 0, 0, _ALLOW))
            ),
            (_RETURN, 0, 0, _REFUSE),
            *rest,
        ]
    return _install(_filter(calls, ((_ALLOW, allowed), (_KILL, calls.deadly)), rest))


def install_program_filter() -> bool:
    """Refuse what a program that decodes has no use for: sockets, other processes, the system.

    All else is allowed, for it brings drivers of which nobody knows what they call. Otherwise as
    `install_seccomp_filter`.
    """
    calls = _KNOWN.get(os.uname().machine)
    if calls is None:
        return False
    rest = [(_RETURN, 0, 0, _ALLOW)]
    return _install(_filter(calls, ((_REFUSE, calls.foreign),), rest))


def _install(raw: bytes) -> bool:
    program = _Program(len(raw) // 8, raw)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(
    calls: _Calls,
    verdicts: tuple[tuple[int, tuple[int, ...]], ...],
    rest: list[tuple[int, int, int, int]],
) -> bytes:
    """Return the seccomp filter as a BPF program; *rest* is what becomes of all other calls."""
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUALS, 1, 0, calls.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for verdict, numbers in verdicts:
        for number in numbers:
            lines += [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, verdict)]
    return b"".join(struct.pack("=HBBI", *line) for line in (*lines, *rest))


MEMORY_BYTES = 256 * 1024 * 1024
"""RLIMIT_DATA. A picture of 4096 x 2304 needs 150 MB, Python included."""
ADDRESS_BYTES = 1024 * 1024 * 1024
"""RLIMIT_AS, with 230 MB of library code."""
CPU_S = 6
"""Processor time for one request. The gateway gives up earlier, unless its loop hangs."""
NICE = 10
OOM_SCORE = 500

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def enter_sandbox(
    parent: int, *, memory_bytes: int = MEMORY_BYTES, nice: int = NICE, threads: bool = False
) -> list[str]:
    """Set limits and flags; return the names of the steps that failed.

    Args:
        parent: Process id of the gateway; if that has ended already, this process exits.
        memory_bytes: RLIMIT_DATA.
        nice: By how much others go first.
        threads: Whether it may have more threads; to the kernel they count as processes.
    """
    steps: dict[str, Callable[[], object]] = {
        "parent": lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        "nice": lambda: os.nice(nice),
        # Before "dumpable": whose memory may not be dumped, of that the kernel gives /proc to root.
        "oom_score": _die_first,
        "dumpable": lambda: _prctl(_PR_SET_DUMPABLE, 0),
        "privileges": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "memory": lambda: _limit(resource.RLIMIT_DATA, memory_bytes),
        "address": lambda: _limit(resource.RLIMIT_AS, ADDRESS_BYTES),
        "core": lambda: _limit(resource.RLIMIT_CORE, 0),
        "files": lambda: _limit(resource.RLIMIT_FSIZE, 0),
    }
    if not threads:
        steps["children"] = lambda: _limit(resource.RLIMIT_NPROC, 0)
    missing = [name for name, step in steps.items() if not _done(step)]
    if os.getppid() != parent:
        os._exit(0)
    return missing


def _die_first() -> None:
    """Let the kernel end this process first where memory runs out."""
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write(str(OOM_SCORE))


_READABLE = (
    *("/usr/lib", "/lib", "/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/drirc.d", "/usr/share/libdrm", "/sys", "/dev/null"),
)
PROGRAM_MEMORY_BYTES = 768 * 1024 * 1024
PROGRAM_ADDRESS_BYTES = 4 * 1024 * 1024 * 1024
"""Drivers of graphics map what they never use."""


def confine_program(program: str, *, nice: int) -> list[str]:
    """Give up what *program*, about to be executed in this process, has no use for.

    It may read libraries and what the kernel says of devices, use devices of graphics and video,
    and its own file is the only one it may execute; it may open no socket. It ends with whoever
    has started it. Returns the names of the steps that failed.

    Args:
        program: Its path.
        nice: By how much others go first.
    """
    devices = sorted(glob("/dev/dri") + glob("/dev/video*") + glob("/dev/media*"))
    steps: dict[str, Callable[[], object]] = {
        "parent": lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        "privileges": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "memory": lambda: _limit(resource.RLIMIT_DATA, PROGRAM_MEMORY_BYTES),
        "address": lambda: _limit(resource.RLIMIT_AS, PROGRAM_ADDRESS_BYTES),
        "core": lambda: _limit(resource.RLIMIT_CORE, 0),
        "files": lambda: _limit(resource.RLIMIT_FSIZE, 0),
    }
    missing = [name for name, step in steps.items() if not _done(step)]
    with suppress(OSError):
        os.nice(nice)
    loaders = glob("/lib*/ld-linux*") + glob("/lib/*/ld-linux*")
    if not restrict_files(_READABLE, (program, *loaders), devices):
        missing.append("landlock")
    if not install_program_filter():
        missing.append("calls")
    return missing


def limit_cpu_time() -> None:
    """Allow `CPU_S` seconds of processor time from now on; the kernel kills who uses more."""
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
