"""How much of what libraries log is written."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
import structlog

from gateway.runtime.logging import LIBRARY_LINES_PER_MIN, LogFormat, configure_logging
from gateway.runtime.redact import Redactor


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, isolated_logging: None) -> io.StringIO:  # noqa: ARG001
    """The log's lines."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    configure_logging(Redactor())
    return said


def written(lines: io.StringIO) -> list[str]:
    """The event of each line."""
    return [json.loads(line)["event"] for line in lines.getvalue().splitlines()]


def test_a_library_cannot_flood_the_log(lines: io.StringIO) -> None:
    """A traceback for each datagram of a stranger: 630 kB/s; the rest is counted, not lost."""
    for _ in range(1_000):
        try:
            raise ValueError("unpack requires a buffer of 4 bytes")
        except ValueError:
            logging.getLogger("asyncio").exception("Exception in callback")

    events = written(lines)
    assert events.count("Exception in callback") == LIBRARY_LINES_PER_MIN
    assert events.count("library_lines_suppressed") == 1
    assert len(lines.getvalue()) < 50_000


def test_one_library_does_not_silence_another(lines: io.StringIO) -> None:
    """Each logger has lines of its own."""
    for _ in range(1_000):
        logging.getLogger("asyncio").error("flood")
    logging.getLogger("paho").error("still heard")

    assert "still heard" in written(lines)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("secret", ["wrong", "camera", "error", "reason", "gateway"])
def test_a_password_that_is_a_word_leaves_our_own_words(
    monkeypatch: pytest.MonkeyPatch,
    isolated_logging: None,  # noqa: ARG001
    secret: str,
    form: LogFormat,
) -> None:
    """Event, level, logger, keys and our sentences say nothing of it; a camera's words do."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    redactor = Redactor(lambda: ("wrong user or password",))
    redactor.add_secret(secret)
    configure_logging(redactor, form=form)

    structlog.get_logger("gateway.cameras").error(
        "camera_parked", reason="wrong user or password", answer=f"hello {secret}"
    )

    line = said.getvalue()
    for own in ("camera_parked", "error", "gateway.cameras", "reason", "wrong user or password"):
        assert own in line
    assert "hello ***" in line


def test_what_is_ours_is_always_written(lines: io.StringIO) -> None:
    """Our own modules count for themselves what comes too often."""
    for _ in range(500):
        structlog.get_logger("gateway.x").info("event_happened")

    assert written(lines).count("event_happened") == 500
