"""Values about the health of a site.

A snapshot is everything about one camera at one moment, a sample one measurement, a health what is
concluded from them and reported. Times are monotonic seconds unless the name says else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from gateway.model.media import ClockReading, Codec, SourceCounters
from gateway.model.reasons import Reason

State = Literal["on", "deg", "off", "unk"]
"""Can be watched; with losses or gaps; cannot be watched; not tried, which is not ``off``."""


@dataclass(frozen=True, slots=True)
class CameraSnapshot:
    """One camera at one moment.

    Attributes:
        id: Camera id.
        name: What people call it.
        location: Where it is mounted, for people.
        profiles: Its streams' profiles, best first.
        enabled: Whether the configuration wants it at all.
        reason: ``OK`` while access units come; ``IDLE`` if nobody watches and the last probe was
            good; ``CONNECTING`` until the first probe has ended; else why it does not work.
        detail: The reason's particulars for people; never a secret.
        since_s: Since when `reason` has been so.
        attempts: Failed since it last worked.
        again_at_s: When it is tried next; None: not planned (running, idle or parked).
        counters: A copy, so that the difference of two snapshots is an interval.
        viewers: Sessions watching it now.
        codec: Of the stream that runs or ran last; None until known.
        width: In pixels, of that stream; None until known.
        height: In pixels, of that stream; None until known.
        last_unit_s: When the last access unit was read; None if none yet.
        last_keyframe_s: When the last keyframe was read; None if none yet.
        gop_s: Distance of the last two keyframes; None until known.
        transcodes: Of its streams, how many are being transcoded.
        transcode_divisor: One picture of so many is encoded by the slowest of them; 0: none runs.
        transcode_dropped: Pictures that they threw away because they had fallen behind.
        transcode_deaths: Workers of them that died or had to be killed.
        advice: What should be changed at the camera or recorder although it works.
        clock: What its clock showed last; None: it has not told.
    """

    id: str
    name: str
    enabled: bool
    reason: Reason
    since_s: float
    location: str = ""
    profiles: tuple[str, ...] = ()
    detail: str = ""
    attempts: int = 0
    again_at_s: float | None = None
    counters: SourceCounters = field(default_factory=SourceCounters)
    viewers: int = 0
    codec: Codec | None = None
    width: int | None = None
    height: int | None = None
    last_unit_s: float | None = None
    last_keyframe_s: float | None = None
    gop_s: float | None = None
    transcodes: int = 0
    transcode_divisor: int = 0
    transcode_dropped: int = 0
    transcode_deaths: int = 0
    advice: tuple[Reason, ...] = ()
    clock: ClockReading | None = None


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """The health of one camera.

    Attributes:
        id: Camera id.
        state: Whether it can be watched.
        reason: Why it is so.
        detail: The reason's particulars for people; never a secret.
        since_s: For how many seconds `reason` has been so.
        attempts: Failed since it last worked.
        again_in_s: Seconds until it is tried again; None: not planned.
        fps: Access units per second over the last interval.
        kbps: Received over the last interval.
        lost: RTP packets missing in the last interval.
        reconnects: RTSP sessions opened since the process started, less the first.
        age_ms: Age of the last access unit; None if there was none.
        codec: None until known.
        width: In pixels; None until known.
        height: In pixels; None until known.
        viewers: Sessions watching it now.
        gop_s: Distance of keyframes; None until known.
        transcodes: Of its streams, how many are being transcoded.
        transcode_divisor: One picture of so many is encoded by the slowest of them; 0: none runs.
        transcode_dropped: Pictures that they threw away because they had fallen behind.
        transcode_deaths: Workers of them that died or had to be killed.
        advice: What should be changed at the camera or recorder although it works.
        clock_off_s: How far its clock is ahead of ours; None: it does not tell the time.
        keyframe_requests: Requests for a keyframe to which the camera agreed, since the start.
        keyframe_failures: Requests for a keyframe that have failed, since the start.
    """

    id: str
    state: State
    reason: Reason
    since_s: float
    detail: str = ""
    attempts: int = 0
    again_in_s: float | None = None
    fps: float = 0.0
    kbps: float = 0.0
    lost: int = 0
    reconnects: int = 0
    age_ms: int | None = None
    codec: Codec | None = None
    width: int | None = None
    height: int | None = None
    viewers: int = 0
    gop_s: float | None = None
    transcodes: int = 0
    transcode_divisor: int = 0
    transcode_dropped: int = 0
    transcode_deaths: int = 0
    advice: Annotated[tuple[Reason, ...], Field(max_length=8)] = ()
    clock_off_s: float | None = None
    keyframe_requests: int = 0
    keyframe_failures: int = 0


@dataclass(frozen=True, slots=True)
class HostSample:
    """One measurement of the machine. What could not be measured is None.

    Attributes:
        uptime_s: Of the machine.
        cpu_percent: Of all cores together, since the last sample.
        load: Run queue over 1, 5 and 15 minutes.
        temperature_c: The hottest processor sensor.
        throttled: Raspberry Pi's throttling and under-voltage bits; 0 is fine.
        memory_percent: Used, of what there is.
        rss_mib: Of this process.
        disk_percent: Used, of the file system of the state folder.
        disk_read_only: Whether that file system is mounted read-only.
        disk_error: How the last trial write there failed, e.g. ``ENOSPC``; empty: it did not.
        written_mib: By this process since it started.
        descriptors: Open files and sockets of this process.
        descriptors_limit: How many it may have.
        clock_source: Who disciplines the wall clock, as far as the kernel knows.
        clock_offset_ms: How far the kernel still has to move it.
        clock_synced: Whether the kernel holds the wall clock to be synchronised.
        clock_error_ms: The kernel's estimate of how wrong the wall clock may be.
        clock_behind_s: How far it is below the least time that it can be; 0: it is not.
        interface: Network interface of the default route.
        sent_kbps: On that interface, since the last sample.
        received_kbps: On that interface, since the last sample.
    """

    uptime_s: float | None = None
    cpu_percent: float | None = None
    load: tuple[float, float, float] | None = None
    temperature_c: float | None = None
    throttled: int | None = None
    memory_percent: float | None = None
    rss_mib: float | None = None
    disk_percent: float | None = None
    disk_read_only: bool | None = None
    disk_error: str | None = None
    written_mib: float | None = None
    descriptors: int | None = None
    descriptors_limit: int | None = None
    clock_source: Literal["ntp", "pps", "free"] | None = None
    clock_offset_ms: float | None = None
    clock_synced: bool | None = None
    clock_error_ms: int | None = None
    clock_behind_s: float | None = None
    interface: str | None = None
    sent_kbps: float | None = None
    received_kbps: float | None = None


@dataclass(frozen=True, slots=True)
class LinkSample:
    """Counters of the connection to the centre.

    Attributes:
        connects: Connections accepted since the process started.
        waiting: Publications not yet acknowledged or not yet sent.
        dropped: Publications dropped because it was down or the in-flight window was full.
        refused: Publications that the broker or the size limit refused.
        oldest_s: Age of the oldest event that the broker does not have; None: it has them all.
        rtt_ms: The newest round trip to the broker; None: not known.
    """

    connects: int = 0
    waiting: int = 0
    dropped: int = 0
    refused: int = 0
    oldest_s: float | None = None
    rtt_ms: float | None = None


@dataclass(frozen=True, slots=True)
class RelaySample:
    """What is sent to viewers.

    Attributes:
        sessions: Viewers served now.
        relayed: Those of them whose media goes through TURN.
        kbps: Sent to all of them over the last interval.
        narrow: Those that are sent less than they could have, because of their line.
        slates: Those that are shown a slate, because their camera is gone.
    """

    sessions: int = 0
    relayed: int = 0
    kbps: float = 0.0
    narrow: int = 0
    slates: int = 0


@dataclass(frozen=True, slots=True)
class TranscodingSample:
    """What is transcoded at this site. None: nothing is transcoded here.

    Attributes:
        running: Transcodes running now.
        encoder: Which encoder makes them.
        encoder_why: Why it was chosen: what is wrong with the better ones.
        cores: Processor cores that they take, and what captures devices of this machine.
        cores_most: How many they may take together.
    """

    running: int | None = None
    encoder: str | None = None
    encoder_why: str | None = None
    cores: float | None = None
    cores_most: float | None = None


@dataclass(frozen=True, slots=True)
class ChildDeaths:
    """How many child processes died or had to be killed since the gateway started.

    Attributes:
        transcoder_deaths: Of those that transcode, one a stream; a changed camera counts anew.
        slate_deaths: Of those that make slates, one a codec.
        decoder_deaths: Of the one that decodes single pictures.
    """

    transcoder_deaths: int = 0
    slate_deaths: int = 0
    decoder_deaths: int = 0


@dataclass(frozen=True, slots=True)
class CameraCounts:
    """How many cameras are in each state."""

    total: int = 0
    on: int = 0
    degraded: int = 0
    off: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class SiteHealth:
    """The health of the whole site."""

    host: HostSample = HostSample()
    link: LinkSample = LinkSample()
    relay: RelaySample = RelaySample()
    cameras: CameraCounts = CameraCounts()
    transcoding: TranscodingSample = TranscodingSample()
    deaths: ChildDeaths = ChildDeaths()


@dataclass(frozen=True, slots=True)
class Machine:
    """What does not change while the process runs.

    Attributes:
        version: Of this program.
        os: Name and version of the operating system.
        arch: As ``uname -m``.
        model: Of the board; empty if unknown.
        boot: The kernel's id of this boot; two machines with one identity differ here.
        hardware: Serial number of the board or the machine id, shortened.
    """

    version: str = ""
    os: str = ""
    arch: str = ""
    model: str = ""
    boot: str = ""
    hardware: str = ""
