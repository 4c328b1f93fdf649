"""The command ``release``: signs releases at the centre, and lays them out for a web server.

Exit codes: 0 done; 1 a rollout has stopped, or not all sites have it; 2 a file, a key or an
argument is wrong.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.centre.releases import publish_release, sign_release, verify_release
from gateway.centre.rings import (
    Rollout,
    Site,
    SiteState,
    load_rollout,
    make_rollout,
    parse_percents,
    read_names,
    rolling_out,
    save_rollout,
)
from gateway.centre.rollout import Requester, Terms, run_rollout
from gateway.cli.broker_options import address_of, connection_options, validated_as
from gateway.cli.command_group import program_name
from gateway.cli.output import NOT_RUNNING, echo, report_errors
from gateway.config.signing import Keyring, load_key
from gateway.mqtt.client.broker import BrokerAddress
from gateway.runtime.clock import now_ms

PATH = click.Path(path_type=Path)

STATES: dict[SiteState, str] = {
    "waiting": "chưa gửi / waiting",
    "absent": "không kết nối / not connected",
    "sent": "đang cập nhật / under way",
    "applied": "xong / applied",
    "failed": "THẤT BẠI / FAILED",
}


@click.group("release")
def release_group() -> None:
    """Sign, publish and roll out releases. Ký, công bố và triển khai bản phát hành."""


@release_group.command("sign")
@click.argument("payload", type=PATH)
@click.option("--key", "key_path", type=PATH, required=True, help="Release key, rel-….key.")
@click.option(
    "--folder", type=PATH, default=Path(), help="Where the bundle goes.  [default: this one]"
)
@click.option("--min-version", help="The lowest version that may be installed after it.")
@click.option("--dirty", is_flag=True, help="Sign changes that were never committed, for a test.")
@report_errors
def sign_command(
    payload: Path, key_path: Path, folder: Path, min_version: str | None, *, dirty: bool
) -> None:
    """Sign PAYLOAD (camera-gateway_VERSION_ARCH.tar.xz) with a release key: an update bundle."""
    bundle, manifest = sign_release(
        payload,
        load_key(key_path, "rel"),
        folder,
        made_at=datetime.fromtimestamp(now_ms() / 1000, UTC),
        min_version=min_version,
        dirty=dirty,
    )
    echo(
        f"{bundle}",
        f"    {manifest.version}, {manifest.arch}, Python {manifest.python};"
        f" thấp nhất / lowest: {manifest.min_version}",
    )


@release_group.command("publish")
@click.argument("root", type=PATH)
@click.argument("bundles", type=PATH, nargs=-1, required=True)
@click.option(
    "--trusted",
    type=PATH,
    required=True,
    help="Folder with the public release keys; others' bundles are not published.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per bundle.")
@report_errors
def publish_command(root: Path, bundles: tuple[Path, ...], trusted: Path, *, as_json: bool) -> None:
    """Put BUNDLES into the mirror ROOT, a folder that any web server can serve by HTTPS."""
    keys = Keyring(trusted)
    for bundle in bundles:
        published, left_out = publish_release(bundle, root, keys)
        if as_json:
            facts = {"path": published.path, "bytes": published.bytes, "sha256": published.sha256}
            echo(json.dumps(facts))
        else:
            echo(f"{root / published.path}", f"    sha256 {published.sha256}")
        for each in left_out:
            echo(f"không có trong mục lục / left out of the index: {each}", err=True)


@release_group.command("verify")
@click.argument("bundle", type=PATH)
@click.option("--trusted", type=PATH, required=True, help="Folder with the public release keys.")
@report_errors
def verify_command(bundle: Path, trusted: Path) -> None:
    """Verify BUNDLE as a gateway does: form, signature, payload."""
    found = verify_release(bundle, Keyring(trusted))
    echo(f"OK: {found.manifest.version} {found.manifest.arch}", f"    sha256 {found.sha256}")


@release_group.command("plan")
@click.argument("state", type=PATH)
@click.option(
    "--bundle", "bundles", type=PATH, multiple=True, required=True, help="One per architecture."
)
@click.option(
    "--mirror", required=True, help="Where gateways fetch it: https://HOST[:PORT][/PATH]."
)
@click.option("--sites", type=PATH, required=True, help="File with PROVINCE/ID a line.")
@click.option("--rings", default="1,10,50,100", show_default=True, help="Growing percentages.")
@click.option("--by-list", is_flag=True, help="Take the sites in the order of the file.")
@click.option("--trusted", type=PATH, required=True, help="Folder with the public release keys.")
@report_errors
def plan_command(
    state: Path,
    bundles: tuple[Path, ...],
    mirror: str,
    sites: Path,
    rings: str,
    trusted: Path,
    *,
    by_list: bool,
) -> None:
    """Plan who is given a release when, in the new file STATE; nothing is sent.

    The first ring is the canary: by a hash of release and site, so that it is not always the same.
    """
    if state.exists():
        raise click.BadParameter(f"{state} is there already", param_hint="STATE")
    percents = parse_percents(rings)
    keys = Keyring(trusted)
    rollout = make_rollout(
        [verify_release(bundle, keys) for bundle in bundles],
        mirror,
        read_names(sites),
        percents,
        by_list=by_list,
    )
    save_rollout(state, rollout)
    for number, ring in enumerate(rollout.rings(), 1):
        first = ", ".join(site.name for site in ring[:5])
        echo(f"vòng / ring {number}: {len(ring)} điểm / sites: {first}{' …' * (len(ring) > 5)}")


@release_group.command("rollout")
@click.argument("state", type=PATH)
@click.option("--key", "key_path", type=PATH, required=True, help="Command key, cmd-….key.")
@click.option("--actor", default="release", show_default=True, callback=validated_as(Requester))
@click.option("--reason", default="", help="Why, for the audit.")
@click.option("--ttl", "ttl_s", type=click.IntRange(60, 86_400), default=3600, show_default=True)
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(1, 7 * 86_400),
    default=7200.0,
    show_default=True,
    help="Seconds until a site must have applied it.",
)
@click.option("--at-once", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--retry", is_flag=True, help="Try those again that have failed or were absent.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@connection_options
@report_errors
def rollout_command(
    state: Path,
    key_path: Path,
    actor: str,
    reason: str,
    ttl_s: int,
    deadline_s: float,
    at_once: int,
    broker: str,
    ca: Path | None,
    cert: Path | None,
    cert_key: Path | None,
    username: str | None,
    *,
    retry: bool,
    as_json: bool,
) -> None:
    """Roll out what is planned in STATE, ring by ring; stop at the first site that fails.

    It can be ended at any time, and goes on when it is called again. Exit code 0: all sites have
    it; 1: it has stopped, or some were not connected.
    """
    terms = Terms(
        load_key(key_path, "cmd"),
        actor,
        reason=reason,
        ttl_s=ttl_s,
        deadline_s=deadline_s,
        at_once=at_once,
    )
    address = address_of(broker, ca, cert, cert_key, username)
    with rolling_out(state):
        _roll_out(state, terms, address, retry=retry, as_json=as_json)


def _roll_out(
    state: Path, terms: Terms, address: BrokerAddress, *, retry: bool, as_json: bool
) -> None:
    rollout = load_rollout(state)
    if rollout is None:
        raise click.BadParameter(f"there is no {state}: {program_name()} release plan")
    if retry:
        rollout.retry()
    elif rollout.failures():
        _print_end(rollout, as_json=as_json)
        raise SystemExit(NOT_RUNNING)

    def tell(site: Site, said: str) -> None:
        _print_site(site, said, len(rollout.percents), as_json=as_json)

    def save() -> None:
        save_rollout(state, rollout)

    asyncio.run(run_rollout(address, rollout, terms, save=save, progress=tell))
    _print_end(rollout, as_json=as_json)
    if rollout.count("applied") < len(rollout.sites):
        raise SystemExit(NOT_RUNNING)


@release_group.command("status")
@click.argument("state", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per site.")
@report_errors
def status_command(state: Path, *, as_json: bool) -> None:
    """Show how far the rollout in STATE is."""
    rollout = load_rollout(state)
    if rollout is None:
        raise click.BadParameter(f"there is no {state}", param_hint="STATE")
    for site in rollout.sites:
        if as_json or site.state in ("sent", "failed", "absent"):
            _print_site(site, "", len(rollout.percents), as_json=as_json)
    _print_end(rollout, as_json=as_json)


def _print_site(site: Site, said: str, rings: int, *, as_json: bool) -> None:
    if as_json:
        facts = {"ring": site.ring + 1, "site": site.name, "st": site.state, "why": site.why}
        echo(json.dumps(facts | {"said": said}, ensure_ascii=False))
        return
    words = said or f"{STATES[site.state]}{': ' * bool(site.why)}{site.why}"
    echo(f"{site.ring + 1}/{rings}  {site.name}  {words}")


def _print_end(rollout: Rollout, *, as_json: bool) -> None:
    counts = {state: rollout.count(state) for state in STATES}
    if as_json:
        echo(json.dumps({"version": rollout.version, "total": len(rollout.sites), **counts}))
        return
    words = ", ".join(f"{count} {STATES[state]}" for state, count in counts.items() if count)
    echo(f"{rollout.version}: {words}")
    for site in rollout.failures()[:10]:
        echo(f"DỪNG / STOPPED: {site.name}: {site.why}", err=True)
    if rollout.failures():
        echo("Xem điểm đó rồi chạy lại với --retry / look there, then again with --retry", err=True)
