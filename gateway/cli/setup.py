"""``camera-gateway setup``: a page on the local network, or questions here, that set up this box.

Exit codes: 0 finished, or closed when its time was over; 1 the page was closed because codes were
guessed at, or an address cannot be used; 2 settings or arguments are wrong.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import click
import segno

from gateway.cli.output import NOT_RUNNING, WRONG, echo, print_faults
from gateway.cli.setup_enrolment import BoxEnrolment
from gateway.cli.setup_text import ask_all
from gateway.config.load import load_settings
from gateway.config.settings import DEFAULT_FILE, Settings
from gateway.model.errors import ConfigRejected
from gateway.runtime import logging
from gateway.runtime.clock import SystemClock
from gateway.runtime.redact import Redactor
from gateway.setup.access import Access
from gateway.setup.addresses import is_within, local_addresses
from gateway.setup.certificate import PageTls, make_tls
from gateway.setup.privileges import drop_privileges
from gateway.setup.restart import can_restart, restart_service
from gateway.setup.server import MINUTES, PORT, Closed, SetupServer
from gateway.setup.service import SetupService

QUIET = 2
"""Modules of light around a QR code: half of what the standard has, so that it has room."""

TEXT_ROWS = 12
"""What else stands on the screen: addresses, fingerprint, code."""

ENDED: dict[Closed, str] = {
    "done": "Đã xong, trang đã đóng · Done, the page is closed",
    "time": "Hết giờ, trang đã đóng · Time is up, the page is closed",
    "shut": "Nhập sai mã quá nhiều lần, trang đã đóng · Too many wrong codes, the page is closed",
}


@click.command("setup")
@click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    help="Settings file (TOML).",
)
@click.option(
    "--listen",
    multiple=True,
    help="Address to listen at.  [default: this machine's in the local networks]",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: a free one."
)
@click.option(
    "--minutes",
    type=click.IntRange(1, 240),
    default=MINUTES,
    show_default=True,
    help="Until the page closes.",
)
@click.option("--text", is_flag=True, help="Ask here instead of on a page.")
def setup_group(
    path: Path, listen: tuple[str, ...], port: int, minutes: int, *, text: bool
) -> None:
    """Set up this box: recorder, cameras with pictures, test, save. As root.

    Opens a page for the browsers of the local network, protected by a code that is printed here,
    until it is finished, Ctrl-C is pressed or its time is over.

    Cài đặt thiết bị bằng một trang web trong mạng nội bộ, hoặc bằng câu hỏi tại đây (--text).
    """
    redactor = Redactor()
    logging.configure_logging(redactor, level="error", form="console")
    try:
        settings = load_settings(path)
    except ConfigRejected as error:
        print_faults([(path, fault) for fault in error.faults], redactor)
        raise SystemExit(WRONG) from None
    _require_writable(settings)
    addresses = () if text else _addresses(listen)
    with suppress(KeyboardInterrupt):
        raise SystemExit(asyncio.run(_run(path, redactor, addresses, port, minutes)))


def _require_writable(settings: Settings) -> None:
    """Exit unless what is to be saved can be written."""
    for folder in (settings.state.dir, settings.secrets_folder):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            echo(f"{folder}: chạy bằng sudo / run it by sudo", err=True)
            raise SystemExit(WRONG)


def _addresses(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return where to listen. Exits if that is outside of the local networks, or nowhere."""
    for address in given:
        if not is_within(address):
            echo(
                f"{address}: không phải địa chỉ mạng nội bộ / no address of a local network",
                err=True,
            )
            raise SystemExit(WRONG)
    found = given or local_addresses()
    if not found:
        echo(
            "máy chưa có địa chỉ mạng nội bộ / this machine has no address in a local network;"
            " --text",
            err=True,
        )
        raise SystemExit(NOT_RUNNING)
    return found


async def _run(
    path: Path,
    redactor: Redactor,
    addresses: tuple[str, ...],
    port: int,
    minutes: int,
) -> int:
    """Run the page, or without *addresses* the questions; return the exit code."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    clock = SystemClock()
    service = SetupService(
        path,
        redactor=redactor,
        clock=clock,
        restart=restart_service if can_restart() else None,
        enrolment=BoxEnrolment(path),
    )
    if not addresses:
        _drop_privileges(path, service)
        return await ask_all(service)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    access, tls = Access(), make_tls(addresses)
    _drop_privileges(path, service)
    server = SetupServer(
        service, access, tls, addresses=addresses, port=port, minutes=minutes, clock=clock
    )
    terminal = _Terminal(access, tls, minutes)
    try:
        with terminal:
            why = await server.run(terminal.on_ready)
    except asyncio.CancelledError:
        echo("", "Đã đóng · Closed")
        return 0
    except OSError as error:
        echo(f"cổng {port} / port {port}: {error.strerror or error}; --port", err=True)
        return NOT_RUNNING
    echo(ENDED[why])
    return NOT_RUNNING if why == "shut" else 0


def _drop_privileges(path: Path, service: SetupService) -> None:
    """Give up what is not needed from here on, and say what could not be."""
    missing = drop_privileges((path.absolute().parent, *service.folders))
    if missing:
        echo(f"không giới hạn được quyền / could not be given up: {', '.join(missing)}", err=True)


class _Terminal:
    """What stands on the terminal while the page is open; Enter gives another code."""

    def __init__(self, access: Access, tls: PageTls, minutes: int) -> None:
        self._access = access
        self._tls = tls
        self._minutes = minutes
        self._urls: tuple[str, ...] = ()
        self._is_read = False

    def __enter__(self) -> _Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_read:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())

    def on_ready(self, urls: tuple[str, ...]) -> None:
        """Print where the page is and how to come in."""
        self._urls = urls
        fingerprint = self._tls.fingerprint
        echo(
            "Mở bằng trình duyệt cùng mạng (điện thoại được) · Open in a browser of this network:",
            *(f"    {url}" for url in urls),
            "Trình duyệt sẽ báo chứng thư tự ký: so vân tay SHA-256 này rồi tiếp tục.",
            "The browser warns of a self-signed certificate: compare this fingerprint, go on.",
            f"    {fingerprint[:47]}",
            f"    {fingerprint[48:]}",
        )
        self._print_code()
        if sys.stdin.isatty():
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._on_line)
            self._is_read = True
            echo("Enter: mã mới, trình duyệt cũ bị đóng · a new code; Ctrl-C: đóng · close")
        echo(f"Trang tự đóng sau {self._minutes} phút · closes by itself after that")

    def _on_line(self) -> None:
        if not sys.stdin.readline():
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._is_read = False
            return
        self._access.renew()
        self._print_code()

    def _print_code(self) -> None:
        echo(f"Mã · Code:    {self._access.code}")
        if sys.stdout.isatty():
            click.echo(
                qr_code(
                    f"{self._urls[0]}#{self._access.code}",
                    terminal=os.environ.get("TERM", ""),
                    size=shutil.get_terminal_size(),
                )
            )


def qr_code(content: str, *, terminal: str, size: os.terminal_size) -> str:
    """Return *content* as a QR code in characters; "" where it would push the text off the screen.

    Args:
        content: What a telephone reads.
        terminal: As ``TERM`` names it. The console of Linux has no half blocks in its fonts, so
            there a module is two spaces.
        size: Of the terminal. One of windows scrolls back, the console does not.
    """
    picture = io.StringIO()
    code = segno.make(content, error="m")
    if terminal != "linux":
        code.terminal(picture, compact=True)
        return picture.getvalue()
    columns, rows = code.symbol_size(border=QUIET)
    if 2 * columns > size.columns or rows + TEXT_ROWS > size.lines:
        return ""
    code.terminal(picture, border=QUIET)
    return picture.getvalue()
