"""Who may use the set-up page."""

from __future__ import annotations

from gateway.setup.access import TRIES_OF_ALL, TRIES_OF_ONE, Access, Verdict


def test_who_reads_the_code_comes_in_once() -> None:
    """However it is typed; a second browser does not."""
    access = Access()

    verdict, session = access.enter(access.code.lower().replace("-", " "), "10.0.0.2")

    assert verdict is Verdict.WELCOME
    assert access.is_in(session)
    assert access.enter(access.code, "10.0.0.3") == (Verdict.TAKEN, "")
    assert not access.is_in("")
    assert not access.is_in(session + "x")


def test_a_stranger_guesses_a_few_times_and_no_more() -> None:
    """Then even the right code is not looked at; others are still let in."""
    access = Access()
    for _ in range(TRIES_OF_ONE):
        assert access.enter("AAAA-AAAA", "10.0.0.2")[0] is Verdict.WRONG

    assert access.enter(access.code, "10.0.0.2")[0] is Verdict.SHUT
    assert access.enter(access.code, "10.0.0.3")[0] is Verdict.WELCOME


def test_all_strangers_together_are_bounded_too() -> None:
    """One of many addresses is not many."""
    access = Access()
    for number in range(TRIES_OF_ALL):
        access.enter("AAAA-AAAA", f"10.0.0.{number}")

    assert access.is_shut
    assert access.enter(access.code, "10.0.1.1")[0] is Verdict.SHUT


def test_a_new_code_ends_the_session_of_the_old_one() -> None:
    """For whoever has lost the browser."""
    access = Access()
    before, (_, session) = access.code, access.enter(access.code, "10.0.0.2")

    access.renew()

    assert not access.is_in(session)
    assert access.enter(before, "10.0.0.2")[0] is Verdict.WRONG
    assert access.enter(access.code, "10.0.0.2")[0] is Verdict.WELCOME
