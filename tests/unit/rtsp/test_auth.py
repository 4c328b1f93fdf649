"""Digest and Basic, and never being locked out."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.model.errors import SourceRefused
from gateway.model.reasons import Reason
from gateway.rtsp.auth import (
    LOCKED_S,
    Challenge,
    Credentials,
    Login,
    choose_challenge,
    parse_challenges,
)
from gateway.rtsp.login_limiter import LAST_RETRY_S, MAX_ATTEMPTS, RETRY_S, LoginLimiter
from gateway.rtsp.messages import Headers, Response

MUFASA = Login("Mufasa", SecretStr("Circle of Life"))
RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


class SetClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time_s = 1000.0

    def now(self) -> float:
        return self.time_s

    async def sleep(self, delay_s: float) -> None:
        self.time_s += delay_s


def unauthorized(*challenges: str) -> Response:
    return Response(
        401, "Unauthorized", Headers(tuple(("www-authenticate", c) for c in challenges))
    )


def answer(challenge: str, login: Login = MUFASA, method: str = "GET", url: str = "/x") -> str:
    chosen = choose_challenge(
        parse_challenges(unauthorized(challenge)), allow_basic=login.allow_basic
    )
    return Credentials(login, chosen, cnonce="0a4f113b").authorization(method, url)


def field(header: str, name: str) -> str:
    match = re.search(rf'\b{name}="?([^",]*)', header)
    assert match is not None
    return match[1]


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_standard(algorithm: str, response: str) -> None:
    """RFC 7616 §3.9.1, both algorithms."""
    (challenge,) = parse_challenges(unauthorized(RFC7616.format(algorithm)))
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

    header = Credentials(MUFASA, challenge, cnonce).authorization("GET", "/dir/index.html")

    assert field(header, "response") == response
    assert field(header, "opaque") == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def test_the_first_digest_without_qop() -> None:
    """RFC 2069 as corrected (errata 749): no nc, no cnonce."""
    challenge = Challenge("digest", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093")
    login = Login("Mufasa", SecretStr("CircleOfLife"))

    header = Credentials(login, challenge).authorization("GET", "/dir/index.html")

    assert field(header, "response") == "1949323746fe6a43ef61f9606e7febea"
    assert "cnonce" not in header


def test_the_hashed_user_name_of_the_standard() -> None:
    """RFC 7616 §3.9.2 with the user hash of errata 4897: real SHA-512/256."""
    challenge = Challenge(
        "digest", "api@example.org", "n", algorithm="SHA-512-256", qop=("auth",), userhash=True
    )
    login = Login("J\u00e4s\u00f8n Doe", SecretStr("Secret, or not?"))

    header = Credentials(login, challenge).authorization("GET", "/doe.json")

    assert field(header, "username").startswith("793263caabb707a56211940d90411ea4a575adeccb7e360a")


@pytest.mark.parametrize("algorithm", ["MD5-sess", "SHA-256-sess", "SHA-512-256-sess"])
def test_session_algorithms_send_their_client_nonce(algorithm: str) -> None:
    """The -sess variants name themselves and give the nonce that is part of their secret."""
    header = answer(f'Digest realm="r", nonce="n", algorithm={algorithm}')

    assert field(header, "algorithm") == algorithm
    assert field(header, "cnonce") == "0a4f113b"


def test_the_count_grows_with_each_request() -> None:
    """A nonce is never used twice with the same count."""
    credentials = Credentials(MUFASA, Challenge("digest", "r", "n", qop=("auth",)))

    counts = [field(credentials.authorization("GET", "/"), "nc") for _ in range(3)]

    assert counts == ["00000001", "00000002", "00000003"]


def test_the_strongest_of_several_is_answered() -> None:
    """Several fields, or several challenges in one; order does not matter."""
    response = unauthorized(
        'Basic realm="x"',
        'Digest realm="r", nonce="a", algorithm=MD5, Digest nonce="b", algorithm=SHA-256',
    )

    assert choose_challenge(parse_challenges(response), allow_basic=True).nonce == "b"


def test_basic_only_where_it_is_allowed() -> None:
    """In clear only by configuration; else it is refused and said why."""
    allowed = Login("u", SecretStr("p"), allow_basic=True)

    assert answer('Basic realm="r"', allowed) == "Basic dTpw"
    with pytest.raises(SourceRefused, match="only Basic is offered"):
        answer('Basic realm="r"')


def test_an_unknown_algorithm_is_not_a_wrong_password() -> None:
    """The operator is told to change the camera's setting, not the password."""
    with pytest.raises(SourceRefused, match="algorithm not supported: Digest WHIRLPOOL") as caught:
        answer('Digest realm="r", nonce="n", algorithm=whirlpool')

    assert caught.value.reason is Reason.UNSUPPORTED_LOGIN


def test_quotes_are_escaped_and_control_characters_refused() -> None:
    """A user name can neither end its quotes nor begin a header."""
    assert r'username="a\"b"' in answer('Digest realm="r", nonce="n"', Login('a"b', SecretStr("")))
    with pytest.raises(SourceRefused, match="control"):
        answer('Digest realm="r", nonce="n"', Login("a\r\nX: y", SecretStr("")))


def test_a_login_does_not_show_its_password() -> None:
    """Neither the login nor the credentials print it."""
    credentials = Credentials(MUFASA, Challenge("digest"))

    assert "Circle" not in repr(credentials) + str(MUFASA)


@given(st.text(max_size=200))
def test_any_challenge_is_read(text: str) -> None:
    """Whatever a camera sends, reading it does not raise."""
    parse_challenges(unauthorized(text, f"Digest {text}"))


async def refuse(ledger: LoginLimiter, device: str = "nvr", login: Login = MUFASA) -> SourceRefused:
    async with ledger.attempt(device, login):
        error = ledger.record_failure(device, login, "no")
    assert isinstance(error, SourceRefused)
    return error


async def test_after_three_failures_nothing_is_sent_for_half_an_hour() -> None:
    """The third failure parks; then one attempt per half hour."""
    clock = SetClock()
    ledger = LoginLimiter(clock)

    parks = [(await refuse(ledger)).park_s for _ in range(MAX_ATTEMPTS)]
    with pytest.raises(SourceRefused) as caught:
        await refuse(ledger)
    clock.time_s += LOCKED_S
    again = await refuse(ledger)

    assert parks == [RETRY_S, LAST_RETRY_S, LOCKED_S]
    assert caught.value.park_s == LOCKED_S
    assert again.park_s == LOCKED_S
    with pytest.raises(SourceRefused):
        await refuse(ledger)


async def test_sixteen_cameras_of_one_recorder_fail_three_times_together() -> None:
    """All start at once with a wrong password; the recorder sees three attempts."""
    ledger = LoginLimiter(SetClock())
    sent = 0

    async def log_in() -> None:
        nonlocal sent
        async with ledger.attempt("nvr", MUFASA):
            sent += 1
            await asyncio.sleep(0)
            ledger.record_failure("nvr", MUFASA, "no")

    outcomes = await asyncio.gather(*(log_in() for _ in range(16)), return_exceptions=True)

    assert sent == MAX_ATTEMPTS
    assert sum(isinstance(outcome, SourceRefused) for outcome in outcomes) == 13


async def test_a_success_begins_the_count_anew() -> None:
    """Two failures, a success, and three more attempts are free, each after its pause."""
    clock = SetClock()
    ledger = LoginLimiter(clock)
    await refuse(ledger)
    await refuse(ledger)

    async with ledger.attempt("nvr", MUFASA):
        ledger.record_success("nvr", MUFASA)

    for _ in range(MAX_ATTEMPTS):
        async with ledger.attempt("nvr", MUFASA):
            ledger.record_failure("nvr", MUFASA, "no")
        clock.time_s += LAST_RETRY_S


async def test_a_new_password_or_a_word_from_the_operator_frees_the_device() -> None:
    """Both are a change of configuration."""
    ledger = LoginLimiter(SetClock())
    for _ in range(MAX_ATTEMPTS):
        await refuse(ledger)

    await refuse(ledger, login=Login("Mufasa", SecretStr("other")))
    ledger.reset("nvr")
    await refuse(ledger)
