"""Looks at cameras for a set-up: a picture of each channel, a test of each stream.

A device is asked by one channel first. If that fails for a cause of the whole device, a refused
login above all, the others are not tried: nobody is locked out by a set-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager

from gateway.cameras.probe import probe
from gateway.cameras.probe_picture import look_by
from gateway.model.errors import NoPicture
from gateway.model.names import Profile
from gateway.model.reasons import Reason, Wording
from gateway.model.wording import WORDING
from gateway.ports import Clock
from gateway.runtime.url_policy import UrlPolicy
from gateway.setup.advice import advise, shown
from gateway.setup.model import Account, SetupChannel, StreamTest
from gateway.sources.probe_steps import Step
from gateway.vision.decoder import Decoder

AT_ONCE = 4
"""Streams that are open at once: recorders have few sessions, and people watch meanwhile."""

PICTURE_WIDTH, PICTURE_BYTES = 480, 60_000
KEYFRAME_S, WATCH_S = 6.0, 8.0
"""How long a keyframe may take; how long a stream is watched when it is tested."""

OF_THE_DEVICE = frozenset(
    {
        Reason.AUTH_FAILED,
        Reason.LOGIN_MISSING,
        Reason.LOGIN_FORBIDDEN,
        Reason.UNSUPPORTED_LOGIN,
        Reason.UNREACHABLE,
        Reason.REFUSED,
        Reason.TIMEOUT,
        Reason.POLICY_DENIED,
        Reason.DNS_FAILED,
    }
)
"""What all channels of a device have in common."""

Progress = Callable[[], None]


class DeviceTrouble:
    """Why a device answers nobody, once its first channel has found out."""

    def __init__(self) -> None:
        self._is_asked = False
        self._has_answered = asyncio.Event()
        self.step: Step | None = None

    @asynccontextmanager
    async def ask(self) -> AsyncIterator[None]:
        """Hold the right to ask the device: at once for whoever is first, then for all others."""
        if self._is_asked:
            await self._has_answered.wait()
            yield
            return
        self._is_asked = True
        try:
            yield
        finally:
            self._has_answered.set()

    def note(self, step: Step) -> None:
        """Note a step that has failed; one that concerns the device is kept."""
        if step.reason in OF_THE_DEVICE:
            self.step = step


class CameraViewer:
    """Opens streams for pictures and tests.

    Args:
        policy: Which addresses may be opened.
        decoder: Decodes pictures in its worker; somebody else runs it.
        clock: Monotonic.
    """

    def __init__(self, policy: UrlPolicy, decoder: Decoder, clock: Clock) -> None:
        self._policy = policy
        self._decoder = decoder
        self._clock = clock

    async def look(
        self,
        channels: Sequence[SetupChannel],
        accounts: dict[str, Account],
        show: Callable[[str, bytes, Wording | None], None],
        progress: Progress,
    ) -> None:
        """Have *show* called with a picture of each of *channels*, or why there is none."""

        async def one(channel: SetupChannel, device: DeviceTrouble) -> None:
            jpeg, trouble = await self._picture(channel, accounts.get(channel.device), device)
            show(channel.key, jpeg, trouble)

        await self._each(channels, one, progress)

    async def test(
        self,
        channels: Sequence[SetupChannel],
        accounts: dict[str, Account],
        show: Callable[[str, tuple[StreamTest, ...]], None],
        progress: Progress,
    ) -> None:
        """Have *show* called with what was found of all streams of each of *channels*."""

        async def one(channel: SetupChannel, device: DeviceTrouble) -> None:
            account = accounts.get(channel.device)
            tests = [
                await self._test(profile, url, account, device)
                for profile, url in channel.found.streams
            ]
            show(channel.key, tuple(tests))

        await self._each(channels, one, progress)

    async def _each(
        self,
        channels: Iterable[SetupChannel],
        one: Callable[[SetupChannel, DeviceTrouble], Awaitable[None]],
        progress: Progress,
    ) -> None:
        """Await *one* for each of *channels*, `AT_ONCE` at a time, a device's first one alone."""
        places, devices = asyncio.Semaphore(AT_ONCE), dict[str, DeviceTrouble]()

        async def run(channel: SetupChannel) -> None:
            trouble = devices.setdefault(channel.device, DeviceTrouble())
            async with trouble.ask(), places:
                await one(channel, trouble)
            progress()

        async with asyncio.TaskGroup() as group:
            for channel in channels:
                group.create_task(run(channel), name=f"setup {channel.key}")

    async def _picture(
        self, channel: SetupChannel, account: Account | None, device: DeviceTrouble
    ) -> tuple[bytes, Wording | None]:
        """Return a JPEG of the smallest stream that gives one, or the last trouble."""
        if channel.found.signal == "none":
            return b"", WORDING[Reason.NO_SIGNAL]
        trouble: Wording | None = WORDING[Reason.NOT_FOUND]
        for _, url in reversed(channel.found.streams):
            if device.step is not None:
                return b"", device.step.wording
            async with aclosing(self._probe(url, account, KEYFRAME_S)) as steps:
                async for step in steps:
                    if not step.ok:
                        device.note(step)
                        trouble = step.wording
                        break
                    if step.measure is not None and step.measure.keyframe:
                        return await self._decoded(channel.key, step)
        return b"", trouble

    async def _decoded(self, key: str, step: Step) -> tuple[bytes, Wording | None]:
        measure = step.measure
        assert measure is not None
        try:
            jpeg = await self._decoder.encode_jpeg(
                key,
                measure.codec,
                measure.keyframe,
                width=PICTURE_WIDTH,
                at_most_bytes=PICTURE_BYTES,
            )
        except NoPicture as error:
            return b"", WORDING[error.reason]
        return jpeg, None

    async def _test(
        self, profile: Profile, url: str, account: Account | None, device: DeviceTrouble
    ) -> StreamTest:
        if device.step is not None:
            return StreamTest(profile, False, device.step.wording, device.step.fact)
        wrong: Step | None = None
        last: Step | None = None
        async with aclosing(self._probe(url, account, WATCH_S)) as steps:
            async for step in steps:
                last = step
                if step.reason is not Reason.OK and (wrong is None or (wrong.ok and not step.ok)):
                    wrong = step
        measure = None if last is None else last.measure
        if wrong is not None and not wrong.ok:
            device.note(wrong)
        elif measure is not None:
            finding = await look_by(self._decoder, url, measure)
            if finding.reason is not Reason.OK:
                wrong = Step("picture", finding.reason, 0.0, finding.fact)
        has_video = wrong is None or wrong.ok if measure is None else bool(measure.keyframe)
        return StreamTest(
            profile,
            ok=last is not None and has_video,
            wording=None if wrong is None else wrong.wording,
            fact="" if wrong is None else wrong.fact,
            measured="" if measure is None else shown(measure),
            advice=() if measure is None else advise(profile, measure),
        )

    def _probe(
        self, url: str, account: Account | None, watch_s: float
    ) -> AsyncGenerator[Step, None]:
        named = account is not None and account.username
        return probe(
            url,
            username=account.username if account is not None and named else None,
            password=account.password if account is not None and named else None,
            allow_basic=False,
            policy=self._policy,
            watch_s=watch_s,
            clock=self._clock,
        )
