"""Payloads of presence and birth: whether a gateway is connected, what it is, its cameras.

Written by gateways, read by the centre. Presence is one retained message that birth and will
share; a reader ignores an ``offline`` whose epoch is lower than the one it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from gateway.model.health import CameraSnapshot, Machine
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import WireDocument, decode, encode_document
from gateway.mqtt.payloads.numbers import Count, DurationS, TimeMs

Word = Annotated[str, Field(max_length=200)]
Words = Annotated[tuple[Word, ...], Field(max_length=64)]


class Presence(WireDocument):
    """Whether the gateway is connected.

    Attributes:
        state: The will and the last word before a clean disconnect say ``offline``.
        epoch: Of the connection; will and birth of one connection share it.
        time_ms: Wall clock of the gateway; the will has none.
        version: Of the program.
        boot: Id of the machine's boot.
        hardware: Id of the machine.
        why: ``connect``, ``lost`` (will), ``stopping``, or ``update``: another release starts.
        back_by_s: Seconds until it is back at the latest, if it says so.
    """

    state: Annotated[Literal["online", "offline"], Field(alias="st")]
    epoch: Annotated[Count, Field(alias="ep")]
    time_ms: Annotated[TimeMs | None, Field(alias="t")] = None
    version: Annotated[Word | None, Field(alias="v")] = None
    boot: Word | None = None
    hardware: Annotated[Word | None, Field(alias="hw")] = None
    why: Word = ""
    back_by_s: Annotated[int | None, Field(ge=0, le=86_400)] = None


class BirthCamera(WireDocument):
    """A camera as the centre's page lists it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,16}$")]
    name: Word
    location: Annotated[Word, Field(alias="loc")] = ""
    profiles: Annotated[tuple[Literal["main", "sub"], ...], Field(max_length=2)] = ()


class RtcCapabilities(WireDocument):
    """What viewers can be offered."""

    codecs: Words = ()
    max_sessions: Count = 0
    trickle: bool = True


class Capabilities(WireDocument):
    """What this gateway can do.

    Attributes:
        commands: Those it knows.
        schemas: Name of a payload -> the versions of it that can be read.
    """

    rtc: RtcCapabilities = RtcCapabilities()
    commands: Annotated[Words | None, Field(alias="cmd")] = None
    schemas: Annotated[
        dict[Word, Annotated[tuple[Count, ...], Field(max_length=64)]] | None, Field(max_length=64)
    ] = None


class BirthOutbox(WireDocument):
    """What is still to be told of the time without a connection.

    Attributes:
        pending: Records that wait.
        oldest_s: Age of the oldest.
        lost: Records given up for want of room.
    """

    pending: Count = 0
    oldest_s: DurationS = 0.0
    lost: Count = 0


class BirthCertificate(WireDocument):
    """By which certificate the gateway is known.

    Attributes:
        serial: Hexadecimal.
        not_after: Its last moment, UTC, e.g. ``2026-05-01T00:00:00Z``.
    """

    serial: Word
    not_after: Word


@dataclass(frozen=True, slots=True)
class BirthStatus:
    """What a birth says beside what the machine is; what is empty or None is left out.

    Attributes:
        digests: Section of the inventory, or ``cfg`` -> by what it is known.
        outbox: What waits there.
        certificate: Ours.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    outbox: BirthOutbox | None = None
    certificate: BirthCertificate | None = None


class Birth(WireDocument):
    """What a gateway is and has, once per connection and when its cameras change."""

    time_ms: Annotated[TimeMs, Field(alias="t")]
    epoch: Annotated[Count, Field(alias="ep")]
    number: Annotated[Count, Field(alias="n")]
    version: Annotated[Word, Field(alias="v")] = ""
    os: Word = ""
    arch: Word = ""
    model: Word = ""
    name: Word = ""
    capabilities: Annotated[Capabilities, Field(alias="caps")] = Capabilities()
    cameras: Annotated[tuple[BirthCamera, ...], Field(alias="cams", max_length=512)] = ()
    digests: Annotated[dict[Word, Word] | None, Field(alias="digest", max_length=64)] = None
    outbox: BirthOutbox | None = None
    certificate: Annotated[BirthCertificate | None, Field(alias="cert")] = None


EncodedPayload = tuple[str, bytes]
"""Content type and payload."""


def encode_online(stamp: Stamp, machine: Machine) -> EncodedPayload:
    """Encode the presence of a gateway that has connected."""
    return encode_document(
        Presence(
            state="online",
            epoch=stamp.epoch,
            time_ms=stamp.time_ms,
            version=machine.version,
            boot=machine.boot,
            hardware=machine.hardware,
            why="connect",
        )
    )


def encode_will(epoch: int) -> EncodedPayload:
    """Encode the will: the connection *epoch* is lost."""
    return encode_document(Presence(state="offline", epoch=epoch, why="lost"))


def encode_offline(stamp: Stamp, why: str, back_by_s: int | None = None) -> EncodedPayload:
    """Encode the last presence before a clean disconnect."""
    return encode_document(
        Presence(
            state="offline",
            epoch=stamp.epoch,
            time_ms=stamp.time_ms,
            why=why,
            back_by_s=back_by_s,
        )
    )


def encode_birth(
    stamp: Stamp,
    machine: Machine,
    *,
    site: str,
    cameras: Iterable[CameraSnapshot],
    capabilities: Capabilities,
    status: BirthStatus | None = None,
) -> EncodedPayload:
    """Encode the birth; *site* is the name for people."""
    now = status or BirthStatus()
    return encode_document(
        Birth(
            time_ms=stamp.time_ms,
            epoch=stamp.epoch,
            number=stamp.number,
            version=machine.version,
            os=machine.os,
            arch=machine.arch,
            model=machine.model,
            name=site,
            capabilities=capabilities,
            cameras=tuple(_birth_camera(camera) for camera in cameras),
            digests=dict(now.digests) or None,
            outbox=now.outbox,
            certificate=now.certificate,
        )
    )


class Echo(WireDocument):
    """What a gateway publishes to itself, see `EchoMonitor`."""

    time_ms: Annotated[TimeMs, Field(alias="t")]
    epoch: Annotated[Count, Field(alias="ep")]
    number: Annotated[Count, Field(alias="n")]


def encode_echo(stamp: Stamp) -> EncodedPayload:
    """Encode an echo; no two are alike."""
    return encode_document(Echo(time_ms=stamp.time_ms, epoch=stamp.epoch, number=stamp.number))


def decode_presence(payload: bytes, content_type: str) -> Presence:
    """Read a presence. Raises MessageRejected."""
    return decode(Presence, payload, content_type)


def decode_birth(payload: bytes, content_type: str) -> Birth:
    """Read a birth. Raises MessageRejected."""
    return decode(Birth, payload, content_type)


def _birth_camera(camera: CameraSnapshot) -> BirthCamera:
    return BirthCamera.model_validate(
        {
            "id": camera.id,
            "name": camera.name,
            "location": camera.location,
            "profiles": camera.profiles,
        }
    )
