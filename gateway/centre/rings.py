"""Which sites are given a release when, and what has become of it; kept in a file.

The sites of a rollout are taken in rings: of 100 sites with rings of 1, 10, 50 and 100 % first one
site, then nine more, and so on. Who comes first is by a hash of the release and the site's name, so
that it is not always the same, or by the order of the list. Nothing is sent to a ring before all of
the former one is well.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.centre.releases import Published
from gateway.model.errors import ConfigRejected, Fault, unreadable
from gateway.model.names import GatewayId, ProvinceCode
from gateway.mqtt.payloads.codec import faults_of
from gateway.runtime import atomic_file
from gateway.runtime.file_lock import alone
from gateway.updates.bundle import BUNDLE_BYTES, VERSION, Architecture

STATE_BYTES = 32 << 20
"""Of a state file; a site takes some 250 bytes."""

MOST_SITES = 50_000

SiteState = Literal["waiting", "absent", "sent", "applied", "failed"]
"""``absent``: it was not connected when its turn came, and was sent nothing."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, validate_assignment=True)


class Site(_Stored):
    """One gateway in a rollout.

    Attributes:
        province: Its code.
        gateway: Its id.
        ring: From 0.
        state: What has become of it.
        command: Id of the command that was sent; empty: none was.
        sent_ms: When, Unix time in milliseconds.
        why: Of a failure; what a gateway has said, for people.
    """

    province: ProvinceCode
    gateway: GatewayId
    ring: Annotated[int, Field(ge=0, le=100)]
    state: SiteState = "waiting"
    command: Annotated[str, Field(max_length=64)] = ""
    sent_ms: Annotated[int, Field(ge=0)] = 0
    why: Annotated[str, Field(max_length=400)] = ""

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.province}/{self.gateway}"


class Offer(_Stored):
    """A bundle that may be fetched.

    Attributes:
        url: HTTPS.
        sha256: Of the file.
        bytes: Of the file.
    """

    url: Annotated[str, Field(pattern=r"^https://[!-~]+$", max_length=1000)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=1, le=BUNDLE_BYTES)]


class Rollout(_Stored):
    """A release on its way.

    Attributes:
        v: Of this format.
        version: Of the release.
        offers: Architecture -> the bundle for it.
        percents: Of the rings, growing up to 100.
        sites: In the order in which they are taken.
    """

    v: Literal[1] = 1
    version: Annotated[str, Field(pattern=f"^{VERSION}$", max_length=64)]
    offers: dict[Architecture, Offer]
    percents: tuple[int, ...]
    sites: Annotated[list[Site], Field(min_length=1, max_length=MOST_SITES)]

    def rings(self) -> Iterator[list[Site]]:
        """Yield the rings, first to last."""
        for number in range(len(self.percents)):
            if ring := [site for site in self.sites if site.ring == number]:
                yield ring

    def failures(self) -> list[Site]:
        """Return the sites where it has failed."""
        return [site for site in self.sites if site.state == "failed"]

    def count(self, state: SiteState) -> int:
        """Return how many sites are in *state*."""
        return sum(site.state == state for site in self.sites)

    def retry(self) -> None:
        """Let those that have failed or were absent wait for another command."""
        for site in self.sites:
            if site.state in ("failed", "absent"):
                site.state, site.command, site.sent_ms, site.why = "waiting", "", 0, ""


def parse_percents(text: str) -> tuple[int, ...]:
    """Return the rings of ``1,10,50,100``. Raises ConfigRejected: they do not grow to 100."""
    words = text.split(",")
    percents = tuple(int(each) if each.isascii() and each.isdecimal() else 0 for each in words[:20])
    if (
        len(words) > 20
        or percents[-1] != 100
        or not all(low < high for low, high in zip((0, *percents), percents, strict=False))
    ):
        _refuse("rings", "rings are growing percentages up to 100, e.g. 1,10,50,100")
    return percents


def plan_rings(
    version: str,
    names: Sequence[tuple[str, str]],
    percents: Sequence[int],
    *,
    by_list: bool = False,
) -> list[Site]:
    """Return the sites *names*, province and id each, in their rings.

    Args:
        version: Of the release.
        names: No two alike.
        percents: See `parse_percents`. The first ring has at least one site.
        by_list: Take them in the order of *names*, and not by hash.

    Raises:
        ConfigRejected: There are none, two are alike, or one is no name of a site.
    """
    if not names or len(names) > MOST_SITES or len(set(names)) < len(names):
        _refuse("sites", f"there must be 1 to {MOST_SITES} sites, each once")
    ordered = list(names)
    if not by_list:
        ordered.sort(key=lambda name: hashlib.sha256(f"{version}\n{name}".encode()).digest())
    ends = [math.ceil(len(ordered) * percent / 100) for percent in percents]
    sites = []
    for place, (province, gateway) in enumerate(ordered):
        ring = next(number for number, end in enumerate(ends) if place < end)
        try:
            sites.append(Site(province=province, gateway=gateway, ring=ring))
        except ValidationError:
            name = f"{province}/{gateway}"[:80]
            _refuse("sites", f"{name!r} is no site; write 24/bacninh-ttpvhcc-01")
    return sites


def make_rollout(
    bundles: Sequence[Published],
    mirror: str,
    names: Sequence[tuple[str, str]],
    percents: tuple[int, ...],
    *,
    by_list: bool = False,
) -> Rollout:
    """Return the rollout of *bundles*, one release for one or more architectures.

    Args:
        bundles: As they are in the mirror.
        mirror: Its address, ``https://HOST[:PORT][/PATH]``.
        names: See `plan_rings`, as the rest.
        percents: Of the rings.
        by_list: Take the sites in order.

    Raises:
        ConfigRejected: They are no one release, or an argument is wrong.
    """
    versions = sorted({each.manifest.version for each in bundles})
    if len(versions) != 1 or len({each.manifest.arch for each in bundles}) < len(bundles):
        _refuse("bundles", f"they must be of one version, each for another machine: {versions}")
    try:
        offers = {
            each.manifest.arch: Offer(
                url=f"{mirror.rstrip('/')}/{each.path}", sha256=each.sha256, bytes=each.bytes
            )
            for each in bundles
        }
    except ValidationError:
        _refuse("mirror", "the mirror must be https://HOST, with port and path if need be")
    sites = plan_rings(versions[0], names, percents, by_list=by_list)
    return Rollout(version=versions[0], offers=offers, percents=percents, sites=sites)


def read_names(path: Path) -> list[tuple[str, str]]:
    """Return the sites in the file *path*, ``province/id`` a line; ``#`` begins a comment.

    Raises:
        ConfigRejected: It cannot be read, or a line names no site.
    """
    raw = _read(path)
    names = []
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        province, slash, gateway = said.partition("/")
        if not slash:
            _refuse("sites", f"{path}:{number}: write PROVINCE/ID, e.g. 24/bacninh-ttpvhcc-01")
        names.append((province, gateway))
    return names


def load_rollout(path: Path) -> Rollout | None:
    """Return the rollout in the file *path*; None: there is none yet.

    Raises:
        ConfigRejected: The file cannot be read, or holds no rollout.
    """
    if not path.exists():
        return None
    try:
        return Rollout.model_validate_json(_read(path), strict=True)
    except ValidationError as error:
        raise ConfigRejected(faults_of(error)) from None


@contextmanager
def rolling_out(path: Path) -> Iterator[None]:
    """Keep others from rolling out what stands in *path*: a site would be sent it by each.

    Raises:
        ConfigRejected: Another does, or the lock beside *path* cannot be made.
    """
    try:
        with alone(path.with_name(f".{path.name}.lock")):
            yield
    except BlockingIOError:
        _refuse("running", f"another is rolling {path} out; look with: release status")


def save_rollout(path: Path, rollout: Rollout) -> None:
    """Write *rollout*; a power cut leaves the former or this. Raises TransientError."""
    atomic_file.replace(path, rollout.model_dump_json().encode())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(STATE_BYTES + 1)
    except OSError as error:
        _refuse("file", unreadable(path, error))
    if len(raw) > STATE_BYTES:
        _refuse("file", f"{path} has more than {STATE_BYTES} bytes")
    return raw


def _refuse(code: str, message: str) -> NoReturn:
    raise ConfigRejected((Fault("", f"rollout.{code}", message),))
