"""What a probe finds, step by step, whatever the type of the source."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from pydantic import SecretStr

from gateway.model.errors import Fault, GatewayError, UrlRefused, WebServer
from gateway.model.fault_text import text_of
from gateway.model.reasons import LOGIN_REFUSED, Reason, Wording
from gateway.model.wording import WORDING
from gateway.ports import Clock
from gateway.rtsp.auth import Login, login_of
from gateway.sources.stream_measure import StreamMeasure

Transport = Literal["auto", "tcp", "udp"]
StepName = Literal[
    "resolve",
    "connect",
    "options",
    "describe",
    "authentication",
    "setup",
    "first_packet",
    "first_keyframe",
    "gop",
    "codec",
    "interlace",
    "pixels",
    "clock",
    "bitrate",
    "b_frames",
    "picture",
]
ADVICE = frozenset(
    {
        Reason.PICTURE_INTERLACED,
        Reason.PICTURE_ASPECT,
        Reason.CAMERA_TIME_ZONE,
        Reason.CAMERA_CLOCK_OFF,
        Reason.PICTURE_BLACK,
        Reason.PICTURE_FROZEN,
    }
)
"""What should be mended, though the camera can be watched as it is."""

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How a camera is probed.

    Attributes:
        username: None: no login is tried.
        password: Belongs to *username*.
        allow_basic: Whether the password may be sent in clear.
        transport: How RTP is to travel, where the source type has a choice.
        watch_s: How long to wait for a keyframe, and then to watch the pictures, at most.
        clock: Monotonic.
    """

    username: str | None
    password: SecretStr | None
    allow_basic: bool
    transport: Transport
    watch_s: float
    clock: Clock

    @property
    def login(self) -> Login | None:
        """Who logs in; None: nobody."""
        return login_of(self.username, self.password, allow_basic=self.allow_basic)


@dataclass(frozen=True, slots=True)
class Step:
    """One layer of a camera, checked.

    Attributes:
        name: Which.
        reason: OK, or what is wrong.
        took_ms: How long it took; 0.0 where something else was measured at the same time.
        fact: What was found, in English and figures; holds no secret.
        measure: What has been measured of the stream by now; None: nothing yet, or not here.
        fault: The rule that is against the URL, or that a web server answers; None: there is none.
    """

    name: StepName
    reason: Reason
    took_ms: float
    fact: str
    measure: StreamMeasure | None = None
    fault: Fault | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing here stands in the way of watching."""
        return self.reason is Reason.OK or self.reason in ADVICE

    @property
    def wording(self) -> Wording | None:
        """What is wrong and what to do about it, in Vietnamese and English; None: nothing is."""
        if self.reason is Reason.OK:
            return None
        if self.fault is not None:
            said = text_of(self.fault, WORDING[self.reason].vi, use="probe")
            return Wording(said.vi, self.fault.message, said.vi_todo, said.en_todo)
        return WORDING[self.reason]


class StepFailed(Exception):
    """A step that makes the next impossible.

    Attributes:
        name: Which step.
        error: Why.
    """

    def __init__(self, name: StepName, error: GatewayError) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


class StepTimer:
    """Makes steps, each with the time since the one before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_s = clock.now()

    def step(
        self,
        name: StepName,
        fact: str,
        reason: Reason = Reason.OK,
        measure: StreamMeasure | None = None,
    ) -> Step:
        """Return the step that has just ended."""
        now_s = self._clock.now()
        took_s, self._since_s = now_s - self._since_s, now_s
        return Step(name, reason, round(took_s * 1000, 1), fact, measure)

    def failed(self, failed: StepFailed) -> Step:
        """Return the step that *failed* has ended."""
        error = failed.error
        fault = error.fault if isinstance(error, UrlRefused | WebServer) else None
        return replace(self.step(failed.name, error.detail, error.reason), fault=fault)


async def run_step(name: StepName, action: Awaitable[ResultT]) -> ResultT:
    """Return what *action* returns.

    Raises:
        StepFailed: It has raised an error of ours. A refused login fails ``authentication``,
            wherever the camera has asked for it.
    """
    try:
        return await action
    except GatewayError as error:
        refused = error.reason in LOGIN_REFUSED | {Reason.UNSUPPORTED_LOGIN}
        raise StepFailed("authentication" if refused else name, error) from error
