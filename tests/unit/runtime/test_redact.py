"""The redactor and the log in front of which it stands."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import warnings
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime import logging as log_setup
from gateway.runtime import redact
from gateway.runtime.plain_text import MAX_CHARS
from gateway.runtime.redact import MAX_ITEMS, SHORTEST_CHARS, Redactor, redact_patterns

CANARY = 'can"ary\\Ω@1'


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:canary1@10.0.0.1/1 refused",
        "rtsp://admin:p@canary1@10.0.0.1/1",
        "rtsp://admin:pa/canary1@10.0.0.1/1",
        "open 'rtsp://admin:canary1@h' failed",
        "Authorization: Basic YWRtaW46canary1",
        'Authorization: Digest username="a", response="canary1"',
        "authorization='Bearer canary1'",
        'Digest username="a", realm="r", response="canary1"',
        "Bearer canary1canary1",
        "/user=admin&password=canary1&channel=1",
        "?pwd=canary1",
    ],
)
def test_what_stands_where_secrets_stand_is_hidden(text: str) -> None:
    """Even a secret that nobody has made known."""
    assert "canary1" not in redact_patterns(text)


@pytest.mark.parametrize("text", ["rtsp://10.0.0.1/1", "basic set", "a@b", "digest algorithm MD5"])
def test_what_is_no_secret_stays(text: str) -> None:
    """A log that hides everything helps nobody."""
    assert redact_patterns(text) == text


@given(st.text(st.characters(codec="utf-8"), min_size=SHORTEST_CHARS, max_size=30))
def test_a_known_secret_is_hidden_in_every_spelling(secret: str) -> None:
    """As it is, in JSON, in a repr, percent-encoded, in Basic authentication."""
    redactor = Redactor()
    redactor.add_secret(secret, username="admin")
    basic = base64.b64encode(f"admin:{secret}".encode()).decode()

    for spelling in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret), basic):
        assert redactor.redact_known(f"\n<{spelling}>\n") == "\n<***>\n"


def test_short_secrets_do_not_ruin_every_line() -> None:
    """A password of one message cannot be hidden by its value."""
    redactor = Redactor()
    redactor.add_secret("a")

    assert redactor.redact_text("camera") == "camera"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, isolated_logging: None) -> io.StringIO:  # noqa: ARG001
    """The log's lines, with the canary known."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    redactor = Redactor()
    redactor.add_secret(CANARY)
    log_setup.configure_logging(redactor)
    return said


def fail() -> None:
    raise ValueError(f"cannot open rtsp://admin:{CANARY}@10.0.0.1/")


def test_a_line_is_json_and_keeps_its_figures(lines: io.StringIO) -> None:
    """Event, level, logger and time stand in each; numbers stay numbers."""
    structlog.get_logger("gateway.x").warning("broken", name="quay7", again_in_s=2.5)

    line = json.loads(lines.getvalue())
    assert (line["event"], line["name"], line["again_in_s"]) == ("broken", "quay7", 2.5)
    assert (line["level"], line["logger"]) == ("warning", "gateway.x")
    assert line["timestamp"].endswith("Z")


def test_no_way_into_the_log_lets_a_secret_through(lines: io.StringIO) -> None:
    """Ours, a library's, a nested value, a traceback, a warning, the end of the process."""
    log = structlog.get_logger("gateway.x")
    log.info("open", url=f"rtsp://a:{CANARY}@h/", more={"deep": [CANARY, CANARY.encode()]})
    log.info(CANARY, password="other-canary")
    logging.getLogger("aiohttp").warning("got %s and %r", CANARY, CANARY)
    try:
        fail()
    except ValueError as error:
        log.exception("caught", error=error)
        sys.excepthook(ValueError, error, error.__traceback__)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"careful with {CANARY}", stacklevel=1)

    said = lines.getvalue()
    assert len(said.splitlines()) == 6
    assert "ary\\" not in said
    assert "Ω" not in said
    assert "other-canary" not in said
    assert all(json.loads(line) for line in said.splitlines())


def test_the_routine_of_libraries_is_no_news(lines: io.StringIO) -> None:
    """Information from the ICE library is dropped, its warnings are not."""
    logging.getLogger("aioice.ice").info("check")
    logging.getLogger("aioice.ice").warning("failed")

    assert [json.loads(line)["event"] for line in lines.getvalue().splitlines()] == ["failed"]


HUGE = 65_536


@pytest.mark.parametrize(
    "piece", ["a.", "a://", "x@", "password=", "Basic ", "authorization ", "\x1b"]
)
def test_a_huge_text_is_cut_before_it_is_looked_at(
    piece: str, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A topic of 64 kB held the gateway up for nine seconds."""
    looked_at: list[int] = []
    real = redact.redact_patterns

    def counted(text: str) -> str:
        looked_at.append(len(text))
        return real(text)

    monkeypatch.setattr(redact, "redact_patterns", counted)
    foreign = (piece * HUGE)[:HUGE]

    structlog.get_logger("gateway.x").info(
        "message_misrouted", topic=foreign, more={foreign: [foreign]}
    )
    logging.getLogger("paho").warning("got %s", foreign)

    assert max(looked_at) < 2 * MAX_CHARS
    assert all(len(line) < 30_000 for line in lines.getvalue().splitlines())


def test_a_flood_of_keys_is_cut(lines: io.StringIO) -> None:
    """As many as a person reads."""
    structlog.get_logger("gateway.x").info("seen", headers={f"k{n}": n for n in range(10_000)})

    assert len(json.loads(lines.getvalue())["headers"]) == MAX_ITEMS


@pytest.mark.parametrize("at", range(MAX_CHARS - 30, MAX_CHARS + 30, 7))
@pytest.mark.parametrize("place", ["{}", "rtsp://u:{}@host/", "password={}"])
def test_a_secret_at_the_cut_is_hidden_whole(at: int, place: str) -> None:
    """No half of it is left."""
    redactor = Redactor()
    secret = "".join(chr(0x4E00 + n) for n in range(24))
    redactor.add_secret(secret)

    shown = redactor.plain("x" * (at - 1) + " " + place.format(secret) + "y" * 9_000, MAX_CHARS)

    assert not set(secret) & set(shown)


def test_what_steers_a_terminal_is_escaped_in_the_log(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As JSON and for people, in keys, values, exceptions and libraries' lines."""
    steering = "\x1b[2J\x9b31m\u202egpj.exe\r\n"
    for form in ("json", "console"):
        monkeypatch.setattr(sys, "stderr", lines)
        log_setup.configure_logging(Redactor(), form=form)
        log = structlog.get_logger("gateway.x")
        log.info(steering, server=steering, more={steering: [steering]})
        logging.getLogger("aiohttp").warning("got %s", steering)
        try:
            raise ValueError(steering)
        except ValueError:
            log.exception("caught")

    said = lines.getvalue()
    assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(said)
    assert "u001b[2J" in said


def test_a_traceback_keeps_its_lines_and_loses_its_bulk(lines: io.StringIO) -> None:
    """The exception of a library may quote all that it was given."""
    try:
        raise ValueError("x" * 1_000_000 + "\n" * 100_000)
    except ValueError:
        structlog.get_logger("gateway.x").exception("caught")

    text = json.loads(lines.getvalue())["exception"]
    assert "Traceback" in text
    assert "\n" in text
    assert len(text) < 20_000


@pytest.mark.parametrize("text", ["it is wrong: 3 times", "the server says wrong user"])
def test_only_a_whole_sentence_of_ours_is_left(text: str) -> None:
    """A secret that reaches out of it, or stands beside it, is hidden as ever."""
    redactor = Redactor()
    redactor.add_secret("wrong")

    assert "wrong" not in redactor.redact_text(text, own=("wrong user or password",))
    assert redactor.redact_text("wrong user or password", own=("wrong user or password",)) == (
        "wrong user or password"
    )
