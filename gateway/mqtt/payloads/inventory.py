"""The inventory on the wire: one retained message per section; contacts apart and not retained.

Written by gateways, read by the centre. Every value says where it came from. A section says which
it is by ``sha``: the birth lists these, and a centre asks for a section only when the one it holds
has another. ``rev`` grows by one with each change.

The inventory's change log on the wire: one record for each value that has become another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError

from gateway.model.contacts import Contacts
from gateway.model.errors import MessageRejected
from gateway.model.inventory import Change, Inventory, Observations, StreamRecord
from gateway.model.provenance import Origin, Sourced
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.codec import (
    PAYLOAD_BYTES,
    UNPACKED_BYTES,
    WireDocument,
    decode,
    encode,
    faults_of,
)
from gateway.mqtt.payloads.inventory_items import (
    KnownFlag,
    KnownTexts,
    KnownValue,
    KnownWord,
    WireBox,
    WireCamera,
    WireCameraCount,
    WireCentre,
    WireContact,
    WireExposure,
    WireFound,
    WireLine,
    WireLink,
    WireNode,
    WireReach,
    WireRecorder,
    WireStream,
    WireSystem,
)
from gateway.mqtt.payloads.numbers import Count, DurationS, TimeMs
from gateway.mqtt.payloads.presence import EncodedPayload, Word
from gateway.runtime.strict_json import dumps

T = TypeVar("T")

Section = Literal["site", "nvr", "cams", "net", "ioc", "contacts"]


class InventorySection(WireDocument):
    """What every section begins with.

    Attributes:
        rev: Grows with each change of the section.
        sha: The same values from the same sources have the same.
        cut: How many items are left out, because the message would be too large; None: none.
    """

    time_ms: Annotated[TimeMs, Field(alias="t")] = 0
    epoch: Annotated[Count, Field(alias="ep")] = 0
    number: Annotated[Count, Field(alias="n")] = 0
    rev: Count = 0
    sha: Annotated[str, Field(max_length=64)] = ""
    cut: Count | None = None


class InventorySite(InventorySection):
    """The survey form's questions about the whole."""

    centre: WireCentre = WireCentre()
    vms_kind: KnownWord = None
    central_managed: KnownFlag = None
    reach_from_office: WireReach = WireReach()
    exposed: WireExposure = WireExposure()
    line: WireLine = WireLine()
    uplink: WireLine = WireLine()
    camera_ip_range: KnownTexts = None
    camera_count: WireCameraCount = WireCameraCount()
    gateway: WireBox = WireBox()


class InventoryRecorders(InventorySection):
    """Recorders and VMS."""

    recorders: Annotated[tuple[WireRecorder, ...], Field(alias="items", max_length=576)] = ()


class InventoryCameras(InventorySection):
    """Cameras."""

    cameras: Annotated[tuple[WireCamera, ...], Field(alias="cams", max_length=512)] = ()


class InventoryNet(InventorySection):
    """The network as a graph, and the devices that were found in it."""

    nodes: Annotated[tuple[WireNode, ...], Field(max_length=256)] = ()
    links: Annotated[tuple[WireLink, ...], Field(max_length=2560)] = ()
    found: Annotated[tuple[WireFound, ...], Field(max_length=256)] = ()


class InventoryIoc(InventorySection):
    """Information systems of the operation centre."""

    ioc: Annotated[tuple[WireSystem, ...], Field(alias="items", max_length=64)] = ()


class InventoryContacts(InventorySection):
    """Whom to call. Personal."""

    contacts: Annotated[tuple[WireContact, ...], Field(alias="items", max_length=64)] = ()


@dataclass(frozen=True, slots=True)
class SectionRevision:
    """A section as it is published.

    Attributes:
        rev: Of it.
        sha: By which it is known.
        tree: What stands in it, by the keys that are sent.
    """

    rev: int
    sha: str
    tree: Mapping[str, object]


SECTIONS: Mapping[Section, type[InventorySection]] = {
    "site": InventorySite,
    "nvr": InventoryRecorders,
    "cams": InventoryCameras,
    "net": InventoryNet,
    "ioc": InventoryIoc,
    "contacts": InventoryContacts,
}
"""What each section is read as."""

_HEAD = frozenset(("t", "ep", "n", "rev", "sha", "cut"))


def section_trees(inventory: Inventory) -> dict[str, dict[str, object]]:
    """Return the content of each section of *inventory*, by the keys that are sent."""
    return {
        "site": _tree(InventorySite, inventory.site),
        "nvr": _tree(InventoryRecorders, inventory),
        "cams": _tree(InventoryCameras, inventory),
        "net": _tree(InventoryNet, inventory.net),
        "ioc": _tree(InventoryIoc, inventory),
    }


def contacts_tree(contacts: Contacts) -> dict[str, object]:
    """Return what stands in the section of *contacts*."""
    return _tree(InventoryContacts, contacts)


def encode_section(stamp: Stamp, revision: SectionRevision) -> EncodedPayload:
    """Write one section.

    What 512 cameras with everything known need fits: 50 kB. Should texts be so long that it does
    not, the times are left out, and if need be items from the end; `cut` says how many.
    """
    head: dict[str, object] = {"t": stamp.time_ms, "ep": stamp.epoch, "n": stamp.number}
    head |= {"rev": revision.rev, "sha": revision.sha}
    tree = dict(revision.tree)
    encoded = encode({**head, **tree})
    if _fits(encoded, tree):
        return encoded
    tree, cut = _timeless(tree), 0
    while not _fits(encoded := encode({**head, "cut": cut, **tree}), tree):
        longest = max(tree, key=lambda key: len(tree[key]) if isinstance(tree[key], list) else 0)
        left = tree[longest][: len(tree[longest]) * 3 // 4]
        cut += len(tree[longest]) - len(left)
        tree[longest] = left
    return encoded


def decode_section(name: Section, payload: bytes, content_type: str) -> InventorySection:
    """Read section *name* as the class that `SECTIONS` names. Raises MessageRejected."""
    return decode(SECTIONS[name], payload, content_type)


def parse_section(name: Section, tree: Mapping[str, object]) -> InventorySection:
    """Return section *name* as `decode_section` does, from *tree*. Raises MessageRejected."""
    try:
        return SECTIONS[name].model_validate_json(dumps(tree))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None


def parse_observations(tree: Mapping[str, object]) -> Observations:
    """Return what the cameras' section *tree* says has been observed. Raises MessageRejected."""
    try:
        document = InventoryCameras.model_validate_json(dumps(tree))
    except ValidationError as error:
        raise MessageRejected(faults_of(error)) from None
    return {
        (camera.id, stream.profile): StreamRecord(
            stream.profile,
            _known(stream.codec),
            _known(stream.resolution),
            _known(stream.fps),
            _known(stream.kbps),
        )
        for camera in document.cameras
        for stream in camera.streams
        if stream != WireStream(profile=stream.profile)
    }


def _known(said: KnownValue[T] | None) -> Sourced[T] | None:
    return None if said is None else Sourced(said.value, said.origin, said.time_ms)


def _tree(kind: type[InventorySection], part: object) -> dict[str, object]:
    document = kind.model_validate(part, from_attributes=True)
    dumped = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    pruned: dict[str, object] = _pruned(dumped)
    return {key: value for key, value in pruned.items() if key not in _HEAD}


def _fits(encoded: EncodedPayload, tree: Mapping[str, object]) -> bool:
    return len(encoded[1]) <= PAYLOAD_BYTES and len(dumps(tree).encode()) < UNPACKED_BYTES


def _timeless(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _timeless(value) for key, value in node.items() if key != "t"}
    if isinstance(node, list):
        return [_timeless(each) for each in node]
    return node


def _pruned(node: Any) -> Any:
    """Return *node* without the objects and lists in which there is nothing."""
    if isinstance(node, dict):
        kept = {key: _pruned(value) for key, value in node.items()}
        return {key: value for key, value in kept.items() if value not in ({}, [])}
    if isinstance(node, list):
        return [_pruned(each) for each in node]
    return node


class InventoryChange(WireDocument):
    """One value that is no longer what it was.

    Attributes:
        at: Place within the section, as JSON pointer; items are named by their id.
        old: Left out: it was not there.
        new: Left out: it is no longer there.
        time_ms: When it was noticed.
        more: Too many to tell one by one: so many, and `old` and `new` are the sections' ``sha``.

    The rest as in `gateway.mqtt.payloads.event.EventRecord`: on the wire a change is an event.
    """

    section: Annotated[Section, Field(alias="sec")]
    rev: Count
    at: Annotated[str, Field(max_length=400)]
    old: JsonValue = None
    new: JsonValue = None
    origin: Annotated[Origin | None, Field(alias="src")] = None
    time_ms: Annotated[TimeMs | None, Field(alias="t")] = None
    more: Count | None = None
    id: Word | None = None
    kind: Annotated[Literal["inventory"] | None, Field(alias="type")] = None
    mono_s: Annotated[DurationS | None, Field(alias="mono")] = None
    late: bool | None = None
    first_time_ms: Annotated[TimeMs | None, Field(alias="t0")] = None
    epoch: Annotated[Count | None, Field(alias="ep")] = None
    number: Annotated[Count | None, Field(alias="n")] = None


def change_facts(record: Change) -> dict[str, object]:
    """Return *record* by the keys that are sent, as an event's facts."""
    said = InventoryChange.model_validate(record, from_attributes=True)
    return said.model_dump(mode="json", by_alias=True, exclude_none=True)


def decode_change(payload: bytes, content_type: str) -> InventoryChange:
    """Read a record of the change log. Raises MessageRejected."""
    return decode(InventoryChange, payload, content_type)
