"""One RTMP session with a camera, over TCP or TLS; its video comes as FLV."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Literal, Self

from gateway.model.errors import GatewayError, SourceRefused, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.model.url_login import PASSWORD, USERNAME
from gateway.ports import Clock
from gateway.rtmp import flv
from gateway.rtmp.session import HANDSHAKE_BYTES, Phase, PlaySession
from gateway.rtsp.budget import BYTES, MAX_UNSENT_BYTES, PACKETS, READ_BYTES, CameraBudget, abusive
from gateway.rtsp.connection import ANSWER_S, CONNECT_S, tls_context
from gateway.rtsp.errors import error_of_os, in_plain_words
from gateway.rtsp.login import Account
from gateway.runtime.lateness import time_limit
from gateway.runtime.url_policy import Target

_PHASES = tuple(Phase)


class RtmpClient:
    """One session; a context manager.

    Args:
        target: Where; the login stands in its path, if the camera wants one.
        account: Whose login stands in the URL, so that a refusal counts; without one if none does.
        clock: Monotonic.
        stall_s: How long no video may come.
        offers_h265: See `PlaySession`.

    Attributes:
        budget: What the camera may cost.
        session: What is said in it.
        received_bytes: Of all that has come.
    """

    def __init__(
        self,
        target: Target,
        *,
        account: Account,
        clock: Clock,
        stall_s: float,
        offers_h265: bool = False,
    ) -> None:
        self._target = target
        self._account = account
        self._stall_s = stall_s
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._early: list[bytes] = []
        self.budget = CameraBudget(clock)
        noise = secrets.token_bytes(HANDSHAKE_BYTES - 8)
        self.session = PlaySession(target, noise=noise, budget=self.budget, offers_h265=offers_h265)
        self.received_bytes = 0

    @property
    def format(self) -> Literal["flv"]:
        """What `receive` yields, by FFmpeg's name."""
        return "flv"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        writer = self._writer
        if writer is None:
            return
        self.session.leave()
        writer.write(bytes(self.session.outgoing))
        if writer.transport.get_write_buffer_size():
            writer.transport.abort()  # who does not read would hold us
        else:
            writer.close()

    @property
    def _place(self) -> str:
        return f"{self._target.host}:{self._target.port}"

    async def connect(self) -> None:
        """Connect, and shake hands.

        Raises:
            SourceUnavailable: It cannot be reached, or does not speak RTMP.
        """
        target, secured = self._target, self._target.scheme == "rtmps"
        try:
            async with time_limit(CONNECT_S):
                self._reader, self._writer = await asyncio.open_connection(
                    target.address,
                    target.port,
                    ssl=tls_context() if secured else None,
                    server_hostname=target.host if secured else None,
                    limit=READ_BYTES,
                )
        except TimeoutError:
            detail = f"{self._place} does not accept within {CONNECT_S:g} s"
            raise SourceUnavailable(Reason.TIMEOUT, detail) from None
        except OSError as error:
            raise error_of_os(error, self._place) from error
        await self._until(Phase.CONNECT)

    async def open_app(self) -> None:
        """Have the camera accept `connect`: the application.

        Raises:
            GatewayError: It refuses, or does not answer.
        """
        await self._until(Phase.CREATE)

    async def play(self) -> None:
        """Have the camera accept `play`.

        Raises:
            GatewayError: As `open_app`.
        """
        await self._until(Phase.PLAYING)

    async def open(self) -> None:
        """Do all of it: connect, open the application, play; a refused login is counted.

        Raises:
            GatewayError: As those.
        """
        account = self._account
        if account.login is None:
            await self._open_without_login()
            return
        async with account.limiter.attempt(account.device, account.login):
            try:
                await self._open()
            except GatewayError as error:
                if error.reason is not Reason.AUTH_FAILED:
                    raise
                raise account.limiter.record_failure(
                    account.device, account.login, error.detail
                ) from error
            account.limiter.record_success(account.device, account.login)

    async def _open_without_login(self) -> None:
        try:
            await self._open()
        except SourceRefused as error:
            if error.reason is not Reason.AUTH_FAILED:
                raise
            detail = f"{error.detail}; the url has no place for a login: {USERNAME}, {PASSWORD}"
            raise SourceRefused(Reason.LOGIN_MISSING, detail, park_s=error.park_s) from error

    async def _open(self) -> None:
        await self.connect()
        await self.open_app()
        await self.play()

    async def receive(self) -> AsyncGenerator[bytes, None]:
        """Yield an FLV file: its header, then the tags of the video as they come.

        Raises:
            GatewayError: The camera is silent, has ended it, or breaks the rules; never returns.
        """
        yield flv.HEADER
        early, self._early = self._early, []
        if early:
            yield b"".join(early)
        while True:
            try:
                async with time_limit(self._stall_s):
                    while not (tags := await self._read()):
                        pass
            except TimeoutError:
                detail = f"no video for {self._stall_s:g} s"
                raise SourceStalled(Reason.STALLED, detail) from None
            yield b"".join(tags)

    async def _until(self, phase: Phase) -> None:
        """Go on until the session is at *phase*; video that comes meanwhile is kept.

        Raises:
            SourceUnavailable: That takes longer than `ANSWER_S` (`TIMEOUT`), or as `_read`.
        """
        asked = self.session.phase
        try:
            async with time_limit(ANSWER_S):
                self._send()
                while _PHASES.index(self.session.phase) < _PHASES.index(phase):
                    self._early += await self._read()
        except TimeoutError:
            detail = f"{self._place} does not answer {asked.value} within {ANSWER_S:g} s"
            raise SourceUnavailable(Reason.TIMEOUT, detail) from None

    async def _read(self) -> list[bytes]:
        """Return the FLV tags of what comes next, and answer what must be answered."""
        assert self._reader is not None
        try:
            piece = await self._reader.read(READ_BYTES)
        except OSError as error:
            detail = f"{self._place} {in_plain_words(error)}"
            raise SourceStalled(Reason.STALLED, detail) from error
        if not piece:
            raise self.session.error_of_end()
        self.received_bytes += len(piece)
        self.budget.charge(BYTES, len(piece))
        self.budget.charge(PACKETS)
        tags = self.session.feed(piece)
        self._send()
        return tags

    def _send(self) -> None:
        """Send what the session has to say; a camera that does not read it is given up."""
        assert self._writer is not None
        if self.session.outgoing:
            self._writer.write(bytes(self.session.outgoing))
            self.session.outgoing.clear()
            if self._writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                raise abusive("it does not read what it has asked for")
