"""The installer as a process of its own: what ``camera-gateway-update.service`` runs as root.

    python -m gateway.updates                  what the gateway has ordered
    python -m gateway.updates --bundle FILE    that file
    python -m gateway.updates --settle         nothing, but that one was killed is said

The release that runs installs; what it has installed is started by
``camera-gateway-update-gate.service``. Exit code 0: it is what starts next; 3: it was refused, and
the order is gone; 1: there was none that could be taken.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.config.load import load_settings
from gateway.config.settings import DEFAULT_FILE
from gateway.config.signing import Keyring
from gateway.model.errors import ConfigRejected, TransientError, UpdateRefused
from gateway.updates.installer import Installation
from gateway.updates.order import Order, open_plain, taken
from gateway.updates.state import (
    TRYING,
    Candidate,
    Decision,
    Limits,
    UpdateFolders,
    boot_id,
    report,
    say,
    settle_report,
)

ORDERS = Path("/var/lib/camera-gateway/update")
"""Where the gateway leaves what it has fetched, and its order."""

UNTAKEN, REFUSED = 1, 3
"""Exit codes; the first is also what Python gives for what was not foreseen (systemd.exec(5))."""


def installation(settings: Path, layout: UpdateFolders, order: Order) -> Installation:
    """Return an installation as the settings of this machine want it. Raises ConfigRejected."""
    loaded = load_settings(settings)
    given = loaded.updates
    limits = Limits(
        crashes=given.crashes,
        gate_s=given.trial_s,
        patience_s=given.patience_s,
        connect_s=given.connected_s,
        min_alive_percent=given.min_alive_percent,
    )
    return Installation(layout, Keyring(loaded.resolve_path(loaded.remote.keys)), limits, order)


def _installation(settings: Path, layout: UpdateFolders, order: Order) -> Installation:
    """As `installation`; that the settings are wrong is reported as well."""
    try:
        return installation(settings, layout, order)
    except ConfigRejected as error:
        layout.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        candidate = Candidate(order.id, "", layout.running(), "", boot=boot_id())
        why = Decision("rejected", "", error.reason, error.detail)
        if not (layout.state / TRYING).exists():
            report(layout, candidate, "rejected", why)
        raise


@contextmanager
def _asked(given: argparse.Namespace) -> Iterator[tuple[Order, BinaryIO]]:
    if given.bundle is None:
        with taken(given.orders) as (order, source):
            yield order, source
    else:
        with open_plain(given.bundle) as source:
            yield Order(id="technician", downgrade=given.downgrade), source


def main(arguments: Sequence[str] | None = None) -> None:
    """Install one release."""
    where = UpdateFolders()
    parser = argparse.ArgumentParser(description="Install a release.")
    parser.add_argument("--settings", type=Path, default=DEFAULT_FILE)
    parser.add_argument("--top", type=Path, default=where.top)
    parser.add_argument("--state", type=Path, default=where.state)
    parser.add_argument("--run", type=Path, default=where.run)
    parser.add_argument("--orders", type=Path, default=ORDERS)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--downgrade", action="store_true")
    parser.add_argument("--settle", action="store_true")
    given = parser.parse_args(arguments)
    layout = UpdateFolders(given.top, given.state, given.run)
    if given.settle:
        settle_report(layout)
        return
    code = UNTAKEN
    try:
        with _asked(given) as (order, source):
            code = REFUSED
            manifest = _installation(given.settings, layout, order).run(source)
    except (UpdateRefused, TransientError, ConfigRejected) as error:
        say(str(error))
        raise SystemExit(code) from None
    say(f"{manifest.version} is what starts next")


if __name__ == "__main__":
    main()
