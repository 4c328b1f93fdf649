"""What a worker that a picture has taken over may ask of the kernel: nothing of use."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from gateway.vision.sandbox import NICE, OOM_SCORE
from tests.fixtures.clock import HANG_S

LOCKED = """
import ctypes, os, resource, signal, socket, sys
from gateway.vision.sandbox import install_seccomp_filter
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert install_seccomp_filter()
"""


def ends(attempt: str) -> int:
    """Return how a process that gave everything up and then tries *attempt* ends."""
    argv = (sys.executable, "-I", "-B", "-c", LOCKED + attempt)
    return subprocess.run(argv, stderr=subprocess.DEVNULL, timeout=HANG_S, check=False).returncode


def test_it_goes_behind_all_others_and_dies_first_as_an_ordinary_user_too() -> None:
    """Nobody but root may write that once the process cannot be dumped."""
    given_up = """
import ctypes, os, sys
from gateway.vision.sandbox import enter_sandbox
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # dumpable, as after exec
print(enter_sandbox(os.getppid()), os.nice(0), open("/proc/self/oom_score_adj").read())
"""
    argv = (sys.executable, "-I", "-B", "-c", given_up)
    done = subprocess.run(argv, capture_output=True, timeout=HANG_S, check=False, text=True)

    assert done.stdout.split() == ["[]", str(os.nice(0) + NICE), str(OOM_SCORE)], done.stderr


DEADLY = {
    "a program": "os.execv('/bin/true', ['true'])",
    "a process": "libc.syscall(57) if os.uname().machine == 'x86_64' else os.abort()",
    "a socket": "socket.socket()",
    "two sockets": "socket.socketpair()",
    "the gateway's end": "os.kill(os.getppid(), 0)",
    "the gateway's memory": "libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)",
    "a debugger": "libc.ptrace(0, 0, 0, 0)",
}


@pytest.mark.parametrize("what", DEADLY)
def test_whoever_tries_to_take_something_ends_at_once(what: str) -> None:
    """By the kernel's hand, whatever its user may do."""
    assert ends(DEADLY[what]) == -signal.SIGSYS


REFUSED = {
    "a secret": "os.open('/etc/hostname', os.O_RDONLY)",
    "a folder": "os.listdir('/')",
    "a name": "os.unlink('/nowhere')",
    "a thread": "import _thread; _thread.start_new_thread(print, ())",
    "the gateway's limits": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1))",
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_rest_is_refused(what: str) -> None:
    """Libraries ask for such things in good faith and can do without."""
    tried = f"\ntry:\n    {REFUSED[what]}\nexcept (OSError, RuntimeError) as error:\n"
    told = f"    sys.exit(7 if getattr(error, 'errno', {errno.EPERM}) == {errno.EPERM} else 8)"

    assert ends(tried + told) == 7


def test_it_may_still_compute() -> None:
    """Memory, time, its own limits, an end."""
    work = "\nx = bytearray(50_000_000); resource.getrlimit(resource.RLIMIT_CPU); sys.exit(5)"

    assert ends(work) == 5


THREADS = "import threading\n" + LOCKED.replace(
    "install_seccomp_filter()\n", "install_seccomp_filter(threads=True)\n"
)
BEGUN = """
threading.stack_size(65536)
thread = threading.Thread(target=lambda: sys.exit)
thread.start()
thread.join()
sys.exit(7)
"""
FORKED = """
try:
    os.fork()
except OSError as error:
    sys.exit(7 if error.errno == 1 else 8)
"""


@pytest.mark.parametrize("attempt", [BEGUN, FORKED], ids=["a thread", "a process"])
def test_threads_are_allowed_where_an_encoder_needs_them(attempt: str) -> None:
    """Processes are not; and a thread has the same filter."""
    argv = (sys.executable, "-I", "-B", "-c", THREADS + attempt)

    done = subprocess.run(argv, stderr=subprocess.PIPE, timeout=HANG_S, check=False)

    assert done.returncode == 7, done.stderr


def test_a_thread_has_the_filter_of_its_process() -> None:
    """Whoever takes over an encoder's thread is no better off."""
    attempt = "\nthread = threading.Thread(target=socket.socket)\nthread.start()\n"
    argv = (sys.executable, "-I", "-B", "-c", THREADS + attempt + "thread.join()")

    done = subprocess.run(argv, stderr=subprocess.DEVNULL, timeout=HANG_S, check=False)

    assert done.returncode == -signal.SIGSYS


BOARD = LOCKED.replace("install_seccomp_filter()\n", "install_seccomp_filter(devices=True)\n")
ASKED = """
import array
libc.ioctl(0, REQUEST, array.array("B", bytes(128)).buffer_info()[0])
sys.exit(ctypes.get_errno())
"""


@pytest.mark.parametrize(
    ("request_number", "answer"),
    [(0x80685600, errno.ENOTTY), (0x541B, errno.EPERM), (0x5412, errno.EPERM)],
    ids=["VIDIOC_QUERYCAP", "FIONREAD", "TIOCSTI"],
)
def test_an_encoder_of_the_board_may_be_spoken_to_and_nothing_else(
    request_number: int, answer: int
) -> None:
    """Requests of video devices reach the kernel, here one that is none; a terminal's do not."""
    attempt = BOARD + ASKED.replace("REQUEST", str(request_number))
    argv = (sys.executable, "-I", "-B", "-c", attempt)

    done = subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=HANG_S, check=False)

    assert done.returncode == answer


def test_no_device_can_be_opened_from_within() -> None:
    """The encoder has been, before the filter."""
    opened = "\ntry:\n    os.open('/dev/null', os.O_RDWR)\nexcept OSError as error:\n    "
    argv = (sys.executable, "-I", "-B", "-c", BOARD + opened + "sys.exit(error.errno)")

    done = subprocess.run(argv, timeout=HANG_S, check=False)

    assert done.returncode == errno.EPERM


CONFINED = """
import os, socket, subprocess, sys
sys.stdout = open(os.dup(1), "w")
from gateway.vision.sandbox import confine_program
assert confine_program("/usr/bin/ffmpeg", nice=4) == []
"""

FOREIGN = {
    "a secret": "open('/etc/hostname')",
    "the program of somebody else": "os.execv('/bin/true', ['true'])",
    "a socket": "socket.socket()",
    "a file": "open('/tmp/trial-of-a-confined-program', 'w')",
    "a folder": "os.listdir('/home')",
    "another process": "open('/proc/1/status')",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_program_that_is_not_ours_is_refused_what_it_has_no_use_for(what: str) -> None:
    """By Landlock and a filter: it may still load its drivers and use devices of video."""
    tried = f"\ntry:\n    {FOREIGN[what]}\nexcept OSError as error:\n    sys.exit(7)"
    argv = (sys.executable, "-I", "-B", "-c", CONFINED + tried)

    done = subprocess.run(argv, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 7, done.stderr


def test_a_program_that_is_not_ours_may_start() -> None:
    """Confined, with all that it loads."""
    start = "os.execv('/usr/bin/ffmpeg', ['ffmpeg', '-v', 'error', '-f', 'lavfi', '-i', 'color', "
    start += "'-frames:v', '1', '-f', 'null', '-'])"
    argv = (sys.executable, "-I", "-B", "-c", CONFINED + start)

    done = subprocess.run(argv, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")


DEVICE = """
import fcntl, select
reading, writing = os.pipe()
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert install_seccomp_filter(waiting=True, requests=(0xC0585611,))
def ask(request):
    try:
        fcntl.ioctl(reading, request, bytearray(88))
    except OSError as error:
        return error.errno
"""


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        ("sys.exit(ask(0xC0585611))", errno.ENOTTY),  # it reaches the kernel: a pipe is no device
        ("sys.exit(ask(0xC058560F))", errno.EPERM),
        ("sys.exit(ask(0x5413))", errno.EPERM),
        ("poll = select.poll(); poll.register(reading, 1); sys.exit(len(poll.poll(1)) + 9)", 9),
        ("resource.getrlimit(resource.RLIMIT_CPU); sys.exit(5)", 5),
    ],
)
def test_a_device_may_be_asked_what_it_was_opened_for(attempt: str, code: int) -> None:
    """Of ioctl those requests alone; it may be waited for, and all else is as before."""
    begun = LOCKED.partition("libc = ")[0] + "libc = ctypes.CDLL(None, use_errno=True)" + DEVICE
    argv = (sys.executable, "-I", "-B", "-c", begun + attempt)

    assert subprocess.run(argv, timeout=HANG_S, check=False).returncode == code


def test_elsewhere_no_device_may_be_asked_anything() -> None:
    """Without a list there is no ioctl."""
    attempt = "\nimport fcntl\ntry: fcntl.ioctl(0, 0xC0585611, bytearray(88))\n"

    assert ends(attempt + "except OSError as error: sys.exit(error.errno)") == errno.EPERM
