"""The log: one line per event on standard error, as JSON or for people, with one redactor in front.

Everything goes through the one handler of the root logger, and there through the redactor: what
our packages log with structlog, what libraries log with `logging`, warnings and tracebacks.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.runtime.redact import Redactor

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]

_QUIET = ("aioice", "aiortc", "aiohttp.access", "asyncio", "paho")
"""Libraries whose routine is no news; their warnings are."""


class _LineWriter:
    """A file to whoever writes lines; gives each away."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self.write = take

    def flush(self) -> None:
        """Nothing is held back."""


def configure_logging(
    redactor: Redactor, *, level: LogLevel = "info", form: LogFormat = "json"
) -> None:
    """Send every log line of this process through *redactor* to standard error, from now on."""
    first = _shared_processors()
    structlog.configure(
        processors=[*first, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(first, redactor, form))
    handler.setLevel(level.upper())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    _install_hooks()


@contextmanager
def follow_log(redactor: Redactor, emit: Callable[[str], None], level: LogLevel) -> Iterator[None]:
    """Give *take* every line of *level* and above, redacted, as JSON; from whichever thread."""
    root = logging.getLogger()
    tap = _Tap(emit, _level_without_taps(root))
    tap.setFormatter(_formatter(_shared_processors(), redactor, "json"))
    tap.setLevel(level.upper())
    root.addHandler(tap)
    root.setLevel(min(root.level, tap.level))
    try:
        yield
    finally:
        root.removeHandler(tap)
        taps = [each.level for each in root.handlers if isinstance(each, _Tap)]
        root.setLevel(min(tap.level_without_taps, *taps, logging.CRITICAL))


class _Tap(logging.StreamHandler[_LineWriter]):
    """Somebody who follows the log; *listened* is the root's level without any of them."""

    terminator = ""

    def __init__(self, take: Callable[[str], None], listened: int) -> None:
        super().__init__(_LineWriter(take))
        self.level_without_taps = listened


def _level_without_taps(root: logging.Logger) -> int:
    """Return the level of *root* without those who follow it."""
    taps = (each for each in root.handlers if isinstance(each, _Tap))
    return next((each.level_without_taps for each in taps), root.level)


def _shared_processors() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _formatter(first: list[Processor], redactor: Redactor, form: LogFormat) -> logging.Formatter:
    def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: redactor.redact_value(value, key) for key, value in event.items()}

    renderer: Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        return redactor.redact_known(str(renderer(logger, method, event)))

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=first,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, render],
    )


def _install_hooks() -> None:
    """Say what ends the process, or a thread, by the log too: its traceback may hold a secret."""
    log = structlog.get_logger(__name__)

    def ended(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("bug", exc_info=(kind, error, at))

    def thread_ended(seen: threading.ExceptHookArgs) -> None:
        name = seen.thread.name if seen.thread else ""
        error = (seen.exc_type, seen.exc_value, seen.exc_traceback)
        log.critical("bug", thread=name, exc_info=error)

    def lost(seen: sys.UnraisableHookArgs) -> None:
        log.error("lost", where=repr(seen.object), exc_info=seen.exc_value)

    sys.excepthook = ended
    threading.excepthook = thread_ended
    sys.unraisablehook = lost
