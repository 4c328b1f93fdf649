"""The log: one line per event on standard error, as JSON or for people.

Everything goes through the one handler of the root logger, and there through the redactor: what
our packages log with structlog, what libraries log with `logging`, warnings and tracebacks. There
each text is also cut and freed of what steers a terminal, before anything else looks at it.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.runtime.clock import SystemClock
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.plain_text import cut, printable
from gateway.runtime.rate_limit import RateLimiter
from gateway.runtime.redact import MAX_ITEMS, MAX_KEY_CHARS, Redactor

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]

_QUIET = ("aioice", "aiortc", "aiohttp.access", "asyncio", "paho")
"""Libraries of which only warnings are logged."""


_EVENT = re.compile(r"_{0,2}[a-z0-9]{1,40}(?:_[a-z0-9]{1,40}){0,8}")
"""Names of our events, ``noun_verb``, and of what they hold."""

_LINES = ("exception", "stack")
"""Keys whose texts have several lines: tracebacks."""

_MAX_LINES_CHARS = 16_000
_MAX_LINE_CHARS = 500

LIBRARY_LINES_PER_MIN = 20
"""Of one logger that is not ours; all together four times as many. A library logs what a stranger
makes it log."""


class _LibraryLimit(logging.Filter):
    """Lets pass what is ours, and so many lines a minute of each library; counts the rest."""

    def __init__(self) -> None:
        super().__init__()
        clock = SystemClock()
        self._limiter = RateLimiter(LIBRARY_LINES_PER_MIN, LIBRARY_LINES_PER_MIN, clock=clock)
        self._suppressed = RateLimitedLog("logging", "library_lines_suppressed", clock=clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether *record* is written."""
        if record.name.partition(".")[0] == "gateway" or self._limiter.try_acquire(record.name):
            return True
        self._suppressed.count(record.name)
        return False


class _LineWriter:
    """A text stream that passes each line to a function."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self.write = take

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""


def configure_logging(
    redactor: Redactor, *, level: LogLevel = "info", form: LogFormat = "json"
) -> None:
    """Log everything in this process through *redactor* to standard error, from *level* up."""
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
    handler.addFilter(_LibraryLimit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    _install_hooks()


@contextmanager
def follow_log(redactor: Redactor, emit: Callable[[str], None], level: LogLevel) -> Iterator[None]:
    """Call *emit* with every log line from *level* up, redacted, as JSON, from any thread."""
    root = logging.getLogger()
    tap = _Tap(emit, _level_without_taps(root))
    tap.setFormatter(_formatter(_shared_processors(), redactor, "json"))
    tap.setLevel(level.upper())
    tap.addFilter(_LibraryLimit())
    root.addHandler(tap)
    root.setLevel(min(root.level, tap.level))
    try:
        yield
    finally:
        root.removeHandler(tap)
        taps = [each.level for each in root.handlers if isinstance(each, _Tap)]
        root.setLevel(min(tap.level_without_taps, *taps, logging.CRITICAL))


class _Tap(logging.StreamHandler[_LineWriter]):
    """A follower of the log; *level_without_taps* is the root's level without followers."""

    terminator = ""

    def __init__(self, take: Callable[[str], None], listened: int) -> None:
        super().__init__(_LineWriter(take))
        self.level_without_taps = listened


def _level_without_taps(root: logging.Logger) -> int:
    """Return the level that *root* has without followers."""
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


def plain_processor(redactor: Redactor) -> Processor:
    """Return what frees an event of secrets, cuts it, and makes it fit to be printed."""

    def plain(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        lines = {key: event.pop(key) for key in _LINES if isinstance(event.get(key), str)}
        ours = {key: event.pop(key) for key in _own_keys(event)}
        redacted = {
            key if _EVENT.fullmatch(key) else redactor.plain(key, MAX_KEY_CHARS): (
                redactor.redact_value(value, key)
            )
            for key, value in islice(event.items(), MAX_ITEMS)
        } | ours
        for key, text in lines.items():
            redacted[key] = _plain_lines(text, redactor)
        return redacted

    return plain


def _own_keys(event: EventDict) -> tuple[str, ...]:
    """Return the keys of *event* whose values are constants of our own code, if it is ours."""
    logger = event.get("logger")
    if not isinstance(logger, str) or logger.partition(".")[0] != "gateway":
        return ()
    name = event.get("event")
    named = isinstance(name, str) and _EVENT.fullmatch(name) is not None
    return tuple(
        key for key in ("event", "level", "logger") if key in event and (named or key != "event")
    )


def _own_words(event: EventDict, form: LogFormat) -> list[str]:
    """Return what in the line of *event* is our own: its keys, and what `_own_keys` names."""
    ours = _own_keys(event)
    if form == "json":
        return [f'"{key}": "{event[key]}"' if key in ours else f'"{key}": ' for key in event]
    return [str(event[key]) for key in ours] + [f"{key}=" for key in event]


def _formatter(first: list[Processor], redactor: Redactor, form: LogFormat) -> logging.Formatter:
    renderer: Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        own = _own_words(event, form)
        return redactor.redact_known(str(renderer(logger, method, event)), own=own)

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=first,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            plain_processor(redactor),
            render,
        ],
    )


def _plain_lines(text: str, redactor: Redactor) -> str:
    """Return a traceback without secrets, its lines cut, and without its middle if it is long."""
    redacted = redactor.redact_cut(text, 4 * _MAX_LINES_CHARS)
    lines = "\n".join(cut(line, _MAX_LINE_CHARS) for line in redacted.split("\n"))
    if len(lines) > _MAX_LINES_CHARS:
        half = _MAX_LINES_CHARS // 2
        lines = f"{lines[:half]}\n…\n{lines[-half:]}"
    return printable(lines, keep="\n")


def _install_hooks() -> None:
    """Log uncaught exceptions, since their tracebacks may hold secrets and must be redacted."""
    log = structlog.get_logger(__name__)

    def ended(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("exception_uncaught", exc_info=(kind, error, at))

    def thread_ended(seen: threading.ExceptHookArgs) -> None:
        name = seen.thread.name if seen.thread else ""
        error = (seen.exc_type, seen.exc_value, seen.exc_traceback)
        log.critical("exception_uncaught", thread=name, exc_info=error)

    def lost(seen: sys.UnraisableHookArgs) -> None:
        log.error("exception_ignored", where=repr(seen.object), exc_info=seen.exc_value)

    sys.excepthook = ended
    threading.excepthook = thread_ended
    sys.unraisablehook = lost
