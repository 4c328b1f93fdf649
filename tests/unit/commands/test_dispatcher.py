"""Commands on a real journal: each is done once, and whatever is not done is answered."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.dispatcher import QUEUED, REFUSALS, REPEATS
from gateway.commands.executor import MAX_CONCURRENT
from gateway.commands.journal import CommandJournal
from gateway.model.errors import TransientError
from gateway.model.names import first_ulid
from gateway.model.reasons import Reason
from gateway.mqtt.router import MessageRouter, audit_misrouted
from gateway.mqtt.topic_tree import COMMAND
from gateway.mqtt.topics import Topics
from gateway.ports import InboundMessage
from gateway.runtime.bugs import BugCounts
from gateway.runtime.clock import now_ms
from gateway.runtime.repeated_events import RepeatedEvents
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.commands import (
    ANSWERS,
    OWN,
    SECRET,
    FakeBus,
    RecordedEvents,
    envelope,
    message,
    running_dispatcher,
)

ANSWERED_S = 0.05


async def test_a_command_is_accepted_then_done_then_answered(tmp_path: Path) -> None:
    """accepted, running, succeeded, each with the id and the correlation; secrets are hidden."""
    async with running_dispatcher(tmp_path) as harness:
        harness.deliver(message("dig", {"depth": 3}))
        said = [await harness.reply() for _ in range(3)]

        assert [each.state for each in said] == ["accepted", "running", "succeeded"]
        assert len({each.id for each in said}) == 1
        assert said[1].percent == 50
        assert said[2].result == {"found": ["water", "***"]}
        assert harness.fake_command.depths == [3]


async def test_a_message_is_acknowledged_only_once_it_is_in_the_journal(tmp_path: Path) -> None:
    """What the broker is told we have survives a power cut."""
    kept: list[bool] = []

    class Watching(FakeBus):
        def acknowledge(self, message: InboundMessage) -> None:
            journal = b"".join(path.read_bytes() for path in tmp_path.glob("commands.db*"))
            kept.append(json.loads(message.payload)["id"].encode() in journal)

    async with running_dispatcher(tmp_path, bus=Watching()) as harness:
        await harness.ask()

        assert kept == [True]


async def test_the_audit_says_who_asked_why_and_what_came_of_it(tmp_path: Path) -> None:
    """Two records for each command, of the weight that is kept longest."""
    async with running_dispatcher(tmp_path) as harness:
        await harness.ask("dig", {"depth": 2})

        first, last = harness.events.all
        assert (first.weight, last.weight) == ("audit", "audit")
        facts = first.facts
        assert (facts["actor"], facts["requester"], facts["st"]) == ("op-17", "op-17", "accepted")
        assert (facts["plan"], facts["why"]) == ({"depth": 2}, "CR-2211")
        assert last.facts["st"] == "succeeded"


async def test_a_repeated_id_is_answered_as_before_and_does_nothing(tmp_path: Path) -> None:
    """Also after the gateway has been started again."""
    tree = envelope("dig", {"depth": 2})
    async with running_dispatcher(tmp_path) as harness:
        first = await harness.ask(tree=tree)
        again = await harness.ask(tree=tree)

        assert again == first
        assert harness.fake_command.depths == [2]
    async with running_dispatcher(tmp_path) as harness:
        assert await harness.ask(tree=tree) == first
        assert harness.fake_command.depths == []


async def test_an_id_of_another_command_is_refused(tmp_path: Path) -> None:
    """Nobody is told of a result that is not that of what was asked."""
    async with running_dispatcher(tmp_path) as harness:
        tree = envelope("dig", {"depth": 2})
        await harness.ask(tree=tree)
        said = await harness.ask(tree=tree | {"args": {"depth": 3}})

        assert (said.state, said.code) == ("rejected", "bad_args")
        assert harness.fake_command.depths == [2]


async def test_a_repeat_while_it_runs_is_told_so(tmp_path: Path) -> None:
    """And nothing is begun a second time."""
    async with running_dispatcher(tmp_path) as harness:
        tree = envelope("dig", {"depth": 9})
        harness.deliver(message(tree=tree))
        await harness.fake_command.started.wait()
        harness.deliver(message(tree=tree))
        states = [(await harness.reply()).state for _ in range(3)]
        harness.fake_command.proceed.set()

        assert states == ["accepted", "running", "running"]
        assert (await harness.final()).state == "succeeded"
        assert harness.fake_command.depths == [9]


async def test_a_repeat_whose_end_was_not_kept_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full at the end: it is neither done again nor said to be running for ever."""

    def fails(*_: object) -> None:
        raise TransientError(Reason.DISK_FULL, "full")

    tree = envelope("dig", {"depth": 2})
    async with running_dispatcher(tmp_path) as harness:
        monkeypatch.setattr(CommandJournal, "finish", fails)
        first = await harness.ask(tree=tree)
        monkeypatch.undo()
        again = await harness.ask(tree=tree)

        assert first.state == "succeeded"
        assert (again.state, again.code) == ("failed", "interrupted")
        assert harness.fake_command.depths == [2]


async def test_repeats_are_bounded_too(tmp_path: Path) -> None:
    """The same id a hundred times is not a hundred answers."""
    tree = envelope("dig", {"depth": 2})
    async with running_dispatcher(tmp_path, clock=FakeClock()) as harness:
        await harness.ask(tree=tree)
        said = []
        for _ in range(2):
            for _ in range(QUEUED - 1):
                harness.deliver(message(tree=tree))
            harness.deliver(message(payload=b"{"))
            while (state := (await harness.final()).state) != "rejected":
                said.append(state)

        assert said.count("succeeded") == REPEATS


async def test_who_signs_with_one_key_is_still_limited_by_name(tmp_path: Path) -> None:
    """A centre has one key: whoever has used up his share leaves the others theirs."""
    clock = FakeClock()
    async with running_dispatcher(tmp_path, clock=clock, per_min=60, burst=2) as harness:
        for _ in range(2):
            await harness.ask("dig.signed", sig="good")
        tired = await harness.ask("dig.signed", sig="good")
        other = await harness.ask("dig.signed", sig="good", actor="op-18")

        assert (tired.code, other.state) == ("rate_limited", "succeeded")


async def test_what_takes_too_long_is_timed_out(tmp_path: Path) -> None:
    """It is ended, and said to be."""
    async with running_dispatcher(tmp_path) as harness:
        said = await harness.ask("dig.fast", {"depth": 9})

        assert said.state == "timed_out"


async def test_leaving_cancels_what_is_in_work_and_says_so(tmp_path: Path) -> None:
    """An orderly stop is no crash: the asker knows at once."""
    bus = FakeBus()
    async with running_dispatcher(tmp_path, bus=bus) as harness:
        harness.deliver(message("dig", {"depth": 9}))
        await harness.fake_command.started.wait()
    said = [await harness.reply() for _ in range(3)]

    assert (said[2].state, said[2].code) == ("cancelled", "stopping")


async def test_what_nobody_could_hear_is_said_on_the_next_connection(tmp_path: Path) -> None:
    """The final answer waits; what came before it does not."""
    async with running_dispatcher(tmp_path) as harness:
        harness.bus.connected = False
        harness.deliver(message("dig"))
        await harness.events.until("succeeded")

        assert [each.topic for each in harness.dispatcher.greeting()] == [ANSWERS]
        assert list(harness.dispatcher.greeting()) == []


REFUSED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "unknown": ({"name": "dance"}, "unknown", "/name", "unknown"),
    "not allowed here": ({"name": "dig.forbidden"}, "forbidden", "/name", "allowed"),
    "for another gateway": ({"gw": "hcm-q1-02"}, "forbidden", "/gw", "gateway"),
    "unsigned": ({"name": "dig.signed"}, "bad_sig", "/sig/v", "sig.value"),
    "badly signed": ({"sig": "bad"}, "bad_sig", "/sig/v", "sig.value"),
    "signed for anybody": (
        {"name": "dig.signed", "sig": "good", "gw": None},
        "bad_sig",
        "/gw",
        "sig.scope",
    ),
    "signed with an id that has no time": (
        {"name": "dig.signed", "sig": "good", "id": "restart-1"},
        "bad_args",
        "/id",
        "ulid",
    ),
    "signed with an id of 2099": (
        {"name": "dig.signed", "sig": "good", "id": "3QK1HHXW00TV4CGM4QRAQFYMZZ"},
        "expired",
        "/nbf_ms",
        "time.early",
    ),
    "signed with an id of 2099 and honest dates": (
        {
            "name": "dig.signed",
            "sig": "good",
            "id": "3QK1HHXW00TV4CGM4QRAQFYMZZ",
            "nbf_ms": now_ms,
            "exp_ms": lambda: now_ms() + 10_000,
        },
        "expired",
        "/id",
        "time.early",
    ),
    "signed an hour ago": (
        {"name": "dig.signed", "sig": "good", "id": lambda: first_ulid(now_ms() - 3_600_000)},
        "expired",
        "/exp_ms",
        "time.late",
    ),
    "signed for a month": (
        {
            "name": "dig.signed",
            "sig": "good",
            "nbf_ms": now_ms,
            "exp_ms": lambda: now_ms() + 30 * 86_400_000,
        },
        "expired",
        "/exp_ms",
        "time.period",
    ),
    "unknown arg": ({"args": {"depht": 1}}, "bad_args", "/args/depht", "extra_forbidden"),
    "wrong type": ({"args": {"depth": "1"}}, "bad_args", "/args/depth", "int_type"),
    "out of range": ({"args": {"depth": 10**9}}, "bad_args", "/args/depth", "less_than_equal"),
    "makes no sense here": ({"args": {"depth": 7}}, "bad_args", "/args/depth", "rock"),
    "good for too long": ({"ttl_s": 3600}, "bad_args", "/ttl_s", "range"),
    "good for how long": ({"ttl_s": None}, "bad_args", "/ttl_s", "missing"),
    "of which age": ({"expiry_s": None}, "bad_args", "", "expiry.missing"),
    "older than it says": ({"expiry_s": 31}, "bad_args", "/ttl_s", "expiry.longer"),
    "by nobody": ({"actor": None}, "bad_args", "/actor", "missing"),
    "retained": ({"retain": True}, "expired", "", "retained"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_command_is_refused_when_it_is(case: str, tmp_path: Path) -> None:
    """With a code and the place; nothing is done, and the message does not come again."""
    given, code, at, kind = REFUSED[case]
    more = {key: value() if callable(value) else value for key, value in given.items()}
    async with running_dispatcher(tmp_path) as harness:
        said = await harness.ask(**{"name": "dig", **more})

        assert (said.state, said.code) == ("rejected", code)
        assert said.errors is not None
        assert [(each.at, each.code) for each in said.errors] == [(at, kind)]
        assert harness.fake_command.depths == []
        assert len(harness.bus.acknowledged) == 1
        assert [event.weight for event in harness.events.all] == ["audit"]


async def test_a_signature_that_cannot_be_verified_now_is_no_bad_one(tmp_path: Path) -> None:
    """No descriptor is free to read the key with: the centre may send it again."""

    def verify(_: Mapping[str, object]) -> str:
        raise TransientError(Reason.DESCRIPTORS_LOW, "the key cannot be read")

    async with running_dispatcher(tmp_path, verify=verify) as harness:
        said = await harness.ask("dig.signed", sig="good")

        assert (said.state, said.code) == ("rejected", "busy")
        assert said.errors is not None
        assert [(each.at, each.code) for each in said.errors] == [("/sig", "DESCRIPTORS_LOW")]
        assert harness.fake_command.depths == []


async def test_a_topic_says_which_command_it_is(tmp_path: Path) -> None:
    """A name in the payload that differs would have signed one thing and done another."""
    async with running_dispatcher(tmp_path) as harness:
        said = await harness.ask("dig", tree=envelope("dig.once"))

        assert (said.code, said.errors and said.errors[0].at) == ("bad_args", "/name")


async def test_a_command_that_waited_too_long_here_has_expired(tmp_path: Path) -> None:
    """By the monotonic clock, whatever the wall clock says."""
    clock = FakeClock()
    async with running_dispatcher(tmp_path, clock=clock) as harness:
        harness.deliver(message("dig", expiry_s=20))
        clock.time_s += 20
        said = await harness.final()

        assert (said.state, said.code) == ("rejected", "expired")
        assert harness.fake_command.depths == []


FOREIGN = (
    None,
    "cgw/v1/79/hcm-q1-02/up/rsp/op-17/answer-1",
    "cgw/v1/01/hcm-q1-01/up/rsp/op-17/answer-1",
    f"{OWN.replies}op-17",
    f"{OWN.replies}op-17/a/b",
    f"{OWN.replies}op-17/+",
    f"{OWN.replies}../config/desired",
    OWN.config_desired,
    OWN.presence,
    OWN.command("dig"),
    "ctl/v1/state",
    "",
)


@pytest.mark.parametrize("topic", FOREIGN)
async def test_a_response_topic_that_is_not_ours_is_not_used(
    topic: str | None, tmp_path: Path
) -> None:
    """Nor is the command done; the audit says that it came."""
    async with running_dispatcher(tmp_path) as harness:
        harness.deliver(message("dig", to=topic))
        await harness.ask("dig", {"depth": 2})

        assert harness.bus.posted.empty()
        assert harness.fake_command.depths == [2]
        assert harness.events.all[0].facts["errors"] == ["response_topic"]
        assert len(harness.bus.acknowledged) == 2


async def test_a_command_on_another_gateways_topic_is_left_alone_and_told() -> None:
    """The broker should have kept it away: it did not."""
    told, clock = RecordedEvents(), FakeClock()
    received: list[InboundMessage] = []
    inbox = MessageRouter(
        OWN,
        {COMMAND: lambda _, each: received.append(each)},
        on_misrouted=audit_misrouted(RepeatedEvents(told, clock=clock)),
        clock=clock,
    )

    for other in (Topics("79", "hcm-q1-02"), Topics("01", OWN.gateway)):
        inbox.route(InboundMessage(other.command("dig"), message().payload, response_topic=ANSWERS))
        clock.time_s += 61

    assert received == []
    assert [each.facts["topic"] for each in told.all] == [
        "cgw/v1/79/hcm-q1-02/dn/cmd/dig",
        "cgw/v1/01/hcm-q1-01/dn/cmd/dig",
    ]
    assert {each.weight for each in told.all} == {"audit"}


async def test_a_dry_run_says_what_would_be_done(tmp_path: Path) -> None:
    """It does nothing, and its id may be used for the real one, which says something else."""
    async with running_dispatcher(tmp_path) as harness:
        tree = envelope("dig", {"depth": 4})
        said = await harness.ask(tree=tree | {"dry_run": True})
        done = await harness.ask(tree=tree)

        assert (said.state, said.result) == ("succeeded", {"would": {"depth": 4}})
        assert done.state == "succeeded"
        assert harness.fake_command.depths == [4]


async def test_one_disruptive_command_at_a_time(tmp_path: Path) -> None:
    """The second is told at once that we are busy, and is not done later."""
    async with running_dispatcher(tmp_path) as harness:
        harness.deliver(message("dig.signed", {"depth": 9}, sig="good"))
        await harness.fake_command.started.wait()
        said = await harness.ask("dig.other")
        harness.fake_command.proceed.set()

        assert (said.state, said.code) == ("rejected", "busy")
        assert (await harness.final()).state == "succeeded"
        assert harness.fake_command.depths == [9]


async def test_only_so_many_commands_are_in_work(tmp_path: Path) -> None:
    """All together, and of one name."""
    async with running_dispatcher(tmp_path) as harness:
        for name in ("dig", "dig", "dig.once", "dig.once"):
            harness.deliver(message(name, {"depth": 9}))
        said = await harness.final()
        harness.fake_command.proceed.set()

        assert (said.state, said.code) == ("rejected", "busy")
        assert len(harness.fake_command.depths) == 3 < MAX_CONCURRENT


async def test_who_asks_too_often_is_refused_and_others_are_not(tmp_path: Path) -> None:
    """Each who asks has a bucket of tokens, which fills again."""
    clock = FakeClock()
    async with running_dispatcher(tmp_path, clock=clock, per_min=60, burst=3) as harness:
        said = [await harness.ask("dig") for _ in range(5)]
        other = await harness.ask("dig", actor="op-18")
        clock.time_s += 2.0
        later = await harness.ask("dig")

        assert [each.code for each in said] == [None, None, None, "rate_limited", "rate_limited"]
        assert (other.state, later.state) == ("succeeded", "succeeded")


async def test_inventing_actors_does_not_help(tmp_path: Path) -> None:
    """All together have a bucket as well, and the table of buckets does not grow."""
    clock = FakeClock()
    async with running_dispatcher(tmp_path, clock=clock, per_min=60, burst=2) as harness:
        said = [await harness.ask("dig", actor=f"op-{number}") for number in range(20)]

        assert sum(each.state == "succeeded" for each in said) == 8


async def test_refusals_are_bounded_too(tmp_path: Path) -> None:
    """A flood of nonsense is neither echoed nor does it fill the audit."""
    clock = FakeClock()
    answered = 0
    async with running_dispatcher(tmp_path, clock=clock) as harness:
        for _ in range(3):
            for _ in range(QUEUED - 1):
                harness.deliver(message(payload=b"{"))
            harness.deliver(message("dig"))
            while (await harness.final()).state != "succeeded":
                answered += 1

        harness.refusals.flush()
        told = [each.facts for each in harness.events.all if each.facts["st"] == "rejected"]
        assert [each["count"] for each in told] == [1, 3 * (QUEUED - 1) - 1]
        assert answered == REFUSALS
        assert len(harness.bus.acknowledged) == 3 * QUEUED


HOSTILE = {
    "10 MB": b'{"id":"' + b"a" * 10_000_000 + b'"}',
    "depth 10,000": b'{"id":"dig-0001","args":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "duplicate keys": b'{"id":"dig-0001","args":{"depth":1,"depth":2}}',
    "NaN": b'{"id":"dig-0001","ttl_s":NaN}',
    "1e999": b'{"id":"dig-0001","ttl_s":1e999}',
    "bad UTF-8": b'{"id":"dig-0001","actor":"\xff\xfe"}',
    "lone surrogate": b'{"id":"dig-0001","actor":"\\ud800"}',
    "5,000 digits": b'{"id":"dig-0001","ttl_s":' + b"9" * 5000 + b"}",
    "empty": b"",
    "BOM": b"\xef\xbb\xbf{}",
    "a list": b"[1,2]",
    "16 KiB of keys": json.dumps({f"k{number}": number for number in range(1200)}).encode(),
    "1e9 cameras": b'{"id":"dig-0001","args":{"cams":1000000000}}',
    "a bomb": zlib.compress(b" " * 20_000_000, 9),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_payloads_are_answered(case: str, tmp_path: Path) -> None:
    """Each with a code; nothing is done."""
    packed = "application/json+zlib" if case == "a bomb" else "application/json"
    async with running_dispatcher(tmp_path) as harness:
        hostile = message(payload=HOSTILE[case])
        object.__setattr__(hostile, "content_type", packed)
        harness.deliver(hostile)
        said = await harness.final()

        assert (said.state, said.code) == ("rejected", "bad_args")
        assert said.errors
        assert all(each.code for each in said.errors)
        assert harness.fake_command.depths == []


async def test_no_secret_stands_in_the_audit(tmp_path: Path) -> None:
    """Whoever writes one into a reason has not written it into our records."""
    async with running_dispatcher(tmp_path) as harness:
        await harness.ask("dig", reason=f"the password is {SECRET}")

        assert SECRET not in str(harness.events.all)


async def test_an_unexpected_error_ends_one_command_and_nothing_else(
    tmp_path: Path, contained_bugs: BugCounts
) -> None:
    """It is answered as failed, and the next one is done."""
    async with running_dispatcher(tmp_path) as harness:
        harness.fake_command.errors = [RuntimeError("a bug")]
        failed = await harness.ask()
        done = await harness.ask()

    assert (failed.state, failed.code) == ("failed", "INTERNAL_ERROR")
    assert done.state == "succeeded"
    assert dict(contained_bugs.counts) == {"command": 1}


async def test_an_unexpected_error_of_a_check_ends_one_command_and_nothing_else(
    tmp_path: Path, contained_bugs: BugCounts
) -> None:
    """It is acknowledged, or the broker would deliver it again after each restart."""
    async with running_dispatcher(tmp_path) as harness:
        harness.fake_command.plan_errors = [RuntimeError("a bug")]
        bad = message()
        harness.deliver(bad)
        done = await harness.ask()

    assert harness.bus.acknowledged[0] == bad
    assert done.state == "succeeded"
    assert dict(contained_bugs.counts) == {"command": 1}


async def test_a_bug_in_a_reply_to_what_was_interrupted_does_not_bar_the_next(
    tmp_path: Path, contained_bugs: BugCounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be there at each start: commands are received all the same."""

    def fails(*_: object) -> None:
        raise TransientError(Reason.DISK_FULL, "full")

    async with running_dispatcher(tmp_path) as harness:
        with monkeypatch.context() as full:
            full.setattr(CommandJournal, "finish", fails)
            await harness.ask(tree=envelope("dig", {"depth": 1}))

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as buggy:
        buggy.setattr("gateway.commands.dispatcher.ReplyAddress.parse", broken)
        async with running_dispatcher(tmp_path) as harness:
            async with asyncio.timeout(HANG_S):
                while not contained_bugs.counts:  # noqa: ASYNC110 (a count has no event)
                    await asyncio.sleep(0.01)
            buggy.undo()
            assert (await harness.ask(tree=envelope("dig", {"depth": 2}))).state == "succeeded"

    assert dict(contained_bugs.counts) == {"command": 1}
