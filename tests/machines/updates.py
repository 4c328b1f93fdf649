"""Updates in the booted machine: what is installed, what is refused, what is undone by itself.

The order is left where the gateway leaves it once it has fetched a bundle; everything behind that
is the machine's own: path unit, root's installer, the gate, systemd.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gateway.config.signing import SigningKey, load_key, make_key
from tests.machines import trial_releases
from tests.machines.box import UNIT, Box
from tests.machines.facts import Look
from tests.machines.image import Arch
from tests.machines.site import CAMERAS
from tests.machines.trial_releases import PYTHON, write_release_bundle

INSTALLS_S = 600.0
ENDS_S = 1200.0
ORDERS = "/var/lib/camera-gateway/update"
REPORT = "/var/lib/camera-gateway-update/report.json"

TRIAL_S = 10.0
SETTINGS = f"""
[updates]
trial_s = {TRIAL_S}
patience_s = 300.0
connected_s = 5.0
crashes = 3
"""
"""Added to the machine's: a trial that ends soon, and patience with the emulated processor."""

LARGEST_BYTES = 2 << 30
LONG_TRIAL_S = 240.0

_SETTINGS = "/etc/camera-gateway/gateway.toml"
_TRYING = "/var/lib/camera-gateway-update/trying"
_LONG_TRIAL = f"sed -i 's/^trial_s = .*/trial_s = {LONG_TRIAL_S}/' {_SETTINGS}"
_SHORT_TRIAL = f"sed -i 's/^trial_s = .*/trial_s = {TRIAL_S}/' {_SETTINGS}"
_SAID = (
    "journalctl -o short-monotonic --no-pager -n 400 -u 'camera-gateway*' -u mosquitto |"
    " grep -v 'rtsp_\\|camera_' | tail -c 6000"
)
"""Why a release did not end as it must, as far as the journal tells."""

_UP_S = "cut -d. -f1 /proc/uptime"
_TRIED = f"for n in $(seq 300); do [ -e {_TRYING} ] && break; sleep 1; done"
# Ended or stopped while it unpacks, whatever the emulation's speed: what is large takes long.
_UNPACKING = f"for n in $(seq 3000); do grep -q applying {REPORT} && break; sleep 0.1; done"


@dataclass(frozen=True, slots=True)
class ReleaseCase:
    """One update and how it must end.

    Attributes:
        name: Of the fact.
        version: Of the release; each is newer than the one before, but the one that is older.
        change: What is wrong with the program.
        state: How it ends.
        reason: Why.
        arch: That it is for; None: this machine.
        python: That it is for.
        trusted: Whether its key is.
        said_bytes: That it says it takes; None: what it does.
        before: Done in the machine before it is ordered.
        meanwhile: Done once it is ordered; it may wait for something.
        after: Done once it has ended.
    """

    name: str
    version: str
    change: Callable[[Path], None] = trial_releases.good
    state: str = "rejected"
    reason: str = ""
    arch: Arch | None = None
    python: str = PYTHON
    trusted: bool = True
    said_bytes: int | None = None
    before: str = "true"
    meanwhile: str = "true"
    after: str = "true"


CASES = (
    ReleaseCase("bad signature", "8.0.1+g0000001", reason="UPDATE_SIGNATURE", trusted=False),
    ReleaseCase("older release", "0.0.1+g0000001", reason="UPDATE_OLDER"),
    ReleaseCase("no space", "8.0.3+g0000001", reason="DISK_FULL", said_bytes=LARGEST_BYTES),
    ReleaseCase("wrong Python", "8.0.4+g0000001", reason="UPDATE_PYTHON", python="3.12"),
    ReleaseCase(
        "disk full while unpacking",
        "8.0.5+g0000001",
        trial_releases.large,
        reason="DISK_FULL",
        meanwhile=f"{_UNPACKING}; systemctl kill -s STOP camera-gateway-update;"
        " fallocate -l $(( $(stat -f -c '%f * %S' /) - (16 << 20) )) /var/full;"
        " systemctl kill -s CONT camera-gateway-update",
        after="rm /var/full",
    ),
    ReleaseCase(
        "installer killed",
        "8.0.6+g0000001",
        trial_releases.large,
        reason="UPDATE_INTERRUPTED",
        meanwhile=f"{_UNPACKING}; systemctl kill -s KILL camera-gateway-update",
    ),
    ReleaseCase("good release", "8.1.0+g0000001", state="applied"),
    ReleaseCase(
        "line dead during the trial",
        "8.1.1+g0000001",
        state="applied",
        before=_LONG_TRIAL,
        meanwhile=f"{_TRIED}; for n in $(seq 300);"
        f" do grep -q 'connected\": true, \"decision' {_TRYING} && break; sleep 1; done;"
        f" systemctl stop mosquitto; test -e {_TRYING}",
        after=f"{_SHORT_TRIAL}; systemctl start mosquitto",
    ),
    ReleaseCase(
        "wrong clock",
        "8.1.2+g0000001",
        state="applied",
        before=f"date +%s > /run/clock; {_UP_S} > /run/up; date -s -20hours",
        # Within what certificates and the list of revoked ones allow.
        meanwhile=f"{_TRIED}; date -s +40hours",
        after=f"date -s @$(( $(cat /run/clock) + $({_UP_S}) - $(cat /run/up) ))",
    ),
    ReleaseCase(
        "import error",
        "8.2.0+g0000001",
        trial_releases.import_error,
        state="rolled_back",
        reason="UPDATE_CRASHED",
    ),
    ReleaseCase(
        "crash after a minute",
        "8.3.0+g0000001",
        trial_releases.crash,
        state="rolled_back",
        reason="UPDATE_CRASHED",
        before=_LONG_TRIAL,
        after=_SHORT_TRIAL,
    ),
    ReleaseCase(
        "never connects",
        "8.4.0+g0000001",
        trial_releases.no_connection,
        state="rolled_back",
        reason="UPDATE_UNCONNECTED",
    ),
    ReleaseCase(
        "kills cameras",
        "8.5.0+g0000001",
        trial_releases.no_cameras,
        state="rolled_back",
        reason="UPDATE_CAMERAS",
    ),
)


def update_facts(box: Box, arch: Arch, private: Path) -> Iterator[Look]:
    """Yield what tries each release, in order; *private* is the centre's own folder."""
    look = _Updates(box, arch, private)
    yield Look("updates", look.prepare, always=True)
    other: Arch = "amd64" if arch == "arm64" else "arm64"
    wrong = ReleaseCase(
        "wrong architecture", "8.0.2+g0000001", reason="UPDATE_ARCHITECTURE", arch=other
    )
    for case in (wrong, *CASES):
        yield Look(f"update: {case.name}", partial(look.try_one, case))


class _Updates:
    def __init__(self, box: Box, arch: Arch, private: Path) -> None:
        self._box = box
        self._arch = arch
        self._keys: dict[bool, SigningKey] = {}
        for trusted, folder in ((True, "release-keys"), (False, "strangers-keys")):
            secret, public = make_key(private / folder, "rel-machine")
            self._keys[trusted] = load_key(secret)
            if trusted:
                (box.site.share / "release.pem").write_bytes(public.read_bytes())

    def prepare(self) -> None:
        """Trust the key, shorten the trial, let the units watch."""
        box = self._box
        (box.site.share / "updates.toml").write_text(SETTINGS)
        box.must(
            "install -m 644 /mnt/host/release.pem /etc/camera-gateway/trusted/rel-machine.pem;"
            " grep -q '^.updates' /etc/camera-gateway/gateway.toml ||"
            " cat /mnt/host/updates.toml >> /etc/camera-gateway/gateway.toml;"
            " systemctl enable --now camera-gateway-update.path;"
            f" systemctl restart --no-block {UNIT}"
        )
        live = box.live_cameras(within_s=INSTALLS_S)
        box.facts.fact("updates can begin", live == len(CAMERAS), running=self._running())

    def try_one(self, case: ReleaseCase) -> None:
        """Order one release and follow it to its end."""
        before = self._running()
        self._box.must(case.before)
        try:
            self._order(case)
            self._box.must(case.meanwhile, within_s=INSTALLS_S)
            report = self._until_ended(case.version)
        finally:
            self._box.must(case.after)
        ended = report.get("state") == case.state and case.reason in ("", report.get("reason"))
        wanted = case.version if case.state == "applied" else before
        running = self._box.until(self._running, wanted.__eq__, 60)
        holds = ended and running == wanted
        self._box.facts.fact(
            f"update: {case.name}",
            holds,
            **({} if holds else {"said": self._box.ask(_SAID)}),
            state=report.get("state"),
            reason=report.get("reason"),
            detail=str(report.get("detail"))[:120],
            running=running,
        )
        if case.state == "rolled_back":
            live = self._box.live_cameras(within_s=INSTALLS_S)
            name = f"update: cameras are live after: {case.name}"
            self._box.facts.fact(name, live == len(CAMERAS), live=live)

    def _order(self, case: ReleaseCase) -> None:
        bundle = self._box.site.share / "bundle.update"
        write_release_bundle(
            bundle,
            case.version,
            case.arch or self._arch,
            self._keys[case.trusted],
            case.change,
            python=case.python,
            said_bytes=case.said_bytes,
        )
        own = "-o camera-gateway -g camera-gateway"
        self._box.must(
            f"install -d -m 700 {own} {ORDERS} && rm -f {REPORT} &&"
            f" install -m 600 {own} /mnt/host/bundle.update {ORDERS}/bundle.update &&"
            f' echo \'{{"id":"machine-test"}}\' > /run/order.json &&'
            f" install -m 600 {own} /run/order.json {ORDERS}/request.json",
            within_s=INSTALLS_S,
        )

    def _until_ended(self, version: str) -> dict[str, Any]:
        """Return the report once it is about *version*, or about none, and nothing is tried."""

        def ended(report: dict[str, Any]) -> bool:
            ours = report.get("version") in (version, "")
            return ours and report.get("state") in ("applied", "rolled_back", "rejected")

        return self._box.until(self._report, ended, ENDS_S)

    def _report(self) -> dict[str, Any]:
        try:
            tree = json.loads(self._box.ask(f"cat {REPORT} 2>/dev/null || echo '{{}}'"))
        except ValueError:
            return {}
        return tree if isinstance(tree, dict) else {}

    def _running(self) -> str:
        return self._box.ask("basename $(readlink /opt/camera-gateway/current)")
