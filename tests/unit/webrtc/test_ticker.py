"""The one ticker of all sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import pytest

from gateway.webrtc.ticker import SLICE, Ticker
from tests.fixtures.clock import HANG_S


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.webrtc.ticker.TICK_S", 0.0)


@asynccontextmanager
async def running(ticker: Ticker) -> AsyncIterator[None]:
    """The ticker at work."""
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        task = group.create_task(ticker.run())
        yield
        task.cancel()


class Subscriber:
    """Counts its calls, and says when there have been *enough*."""

    def __init__(self, enough: int = 1, then: Callable[[], object] = lambda: None) -> None:
        self.calls = 0
        self.called = asyncio.Event()
        self._enough = enough
        self._then = then

    def on_tick(self) -> None:
        self.calls += 1
        self._then()
        if self.calls >= self._enough:
            self.called.set()


async def test_every_subscriber_is_called_again_and_again() -> None:
    """In the order in which they came, each as often as the others."""
    ticker, first, second = Ticker(), Subscriber(), Subscriber(enough=3)

    async with running(ticker):
        with ticker.subscribe(first.on_tick), ticker.subscribe(second.on_tick):
            await second.called.wait()

    assert first.calls == second.calls


async def test_who_has_left_is_not_called() -> None:
    """Leaving the context is all it takes."""
    ticker, gone, here = Ticker(), Subscriber(), Subscriber(enough=3)

    async with running(ticker):
        with ticker.subscribe(here.on_tick):
            with ticker.subscribe(gone.on_tick):
                pass
            await here.called.wait()

    assert gone.calls == 0


async def test_who_leaves_in_a_round_is_not_called_in_it() -> None:
    """A session whose sockets are closed by another's tick is left alone at once."""
    ticker, stack = Ticker(), ExitStack()
    gone = Subscriber()
    first = Subscriber(then=stack.close)

    async with running(ticker):
        with ticker.subscribe(first.on_tick):
            stack.enter_context(ticker.subscribe(gone.on_tick))
            await first.called.wait()

    assert gone.calls == 0


async def test_without_subscribers_nothing_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the last has gone the ticker waits for the next to come."""
    pauses = 0
    sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        await sleep(seconds)

    async def turns(number: int) -> None:
        for _ in range(number):
            await sleep(0)

    monkeypatch.setattr("gateway.webrtc.ticker.asyncio.sleep", counted)
    ticker, first, second = Ticker(), Subscriber(), Subscriber()
    async with running(ticker):
        with ticker.subscribe(first.on_tick):
            await first.called.wait()
        await turns(5)
        before = pauses

        await turns(20)

        assert pauses == before
        with ticker.subscribe(second.on_tick):
            await second.called.wait()


async def test_a_long_round_lets_others_in() -> None:
    """After each slice whatever is ready in the loop comes first."""
    ticker, stack = Ticker(), ExitStack()
    subscribers = [Subscriber() for _ in range(2 * SLICE)]
    seen: list[int] = []

    def in_between() -> None:
        seen.append(sum(subscriber.calls for subscriber in subscribers))

    first = Subscriber(then=lambda: asyncio.get_running_loop().call_soon(in_between))
    with stack:
        for subscriber in (first, *subscribers):
            stack.enter_context(ticker.subscribe(subscriber.on_tick))
        async with running(ticker):
            await subscribers[-1].called.wait()

    assert seen[0] == SLICE - 1


async def test_a_bug_in_a_subscriber_ends_the_ticker() -> None:
    """It is not hidden: the session manager ends with it, and so does the process."""
    ticker = Ticker()

    def broken() -> None:
        raise AssertionError("a bug")

    with ticker.subscribe(broken), pytest.raises(AssertionError, match="a bug"):
        async with asyncio.timeout(HANG_S):
            await ticker.run()
