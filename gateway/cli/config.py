"""``camera-gateway config``: the centre's side of a configuration.

Exit codes: 0 done; 1 the gateway does not run what was sent, or the broker cannot be reached; 2 a
document, a key or the arguments are wrong.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import click

from gateway.centre.client import connect_gateway
from gateway.centre.documents import (
    Envelope,
    compare_documents,
    load_tree,
    parse_signed,
    sign_document,
    verify_document,
)
from gateway.cli.broker_options import address_of, broker_options, named
from gateway.cli.output import NOT_RUNNING, print_fault, report_errors
from gateway.config.signing import Keyring, read_key
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.names import GatewayId
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.payloads.config import Reported

PATH = click.Path(path_type=Path)


@click.group("config")
def config_group() -> None:
    """Sign configurations, look them over, send them. Ký, kiểm tra và gửi cấu hình."""


@config_group.command("sign")
@click.argument("file", type=PATH)
@click.option("--key", type=PATH, required=True, help="Private key, cfg-….key.")
@click.option(
    "--gateway", required=True, callback=named(GatewayId), help="Id of the gateway it is for."
)
@click.option("--version", type=click.IntRange(1, 2**53 - 1), required=True)
@click.option("--base", type=click.IntRange(0), help="Refused if another version runs.")
@click.option("--issuer", default="", help="Who answers for it.")
@click.option("--reason", default="", help="Why, for the audit.")
@click.option("--rollback-s", type=click.IntRange(0, 3600), default=300, show_default=True)
@click.option("--min-alive", type=click.IntRange(0, 100), default=80, show_default=True)
@click.option("--output", "-o", type=PATH, help="Without: standard output.")
@report_errors
def sign_command(
    file: Path,
    key: Path,
    gateway: str,
    version: int,
    base: int | None,
    issuer: str,
    reason: str,
    rollback_s: int,
    min_alive: int,
    output: Path | None,
) -> None:
    """Sign FILE, a site document or one with "site" and "broker", for one gateway."""
    around = Envelope(
        gateway=gateway,
        version=version,
        base=base,
        issuer=issuer,
        reason=reason,
        rollback_s=rollback_s,
        min_alive_percent=min_alive,
        issued_ms=round(time.time() * 1000),
    )
    text = json.dumps(
        sign_document(load_tree(file), around, read_key(key)), ensure_ascii=False, indent=2
    )
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        message = f"cannot write {output}: {error.strerror}"
        raise ConfigRejected((Fault("", "output", message),)) from None


@config_group.command("verify")
@click.argument("file", type=PATH)
@click.option("--keys", "folder", type=PATH, required=True, help="Folder of public keys.")
@report_errors
def verify_command(file: Path, folder: Path) -> None:
    """Say who has signed FILE, and everything that a gateway would refuse."""
    desired, key_id = verify_document(load_tree(file), Keyring(folder))
    click.echo(
        f"OK: {desired.gateway} version {desired.version}, {desired.schema_id}, signed by {key_id}"
    )


@config_group.command("diff")
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@report_errors
def diff_command(old: Path, new: Path) -> None:
    """Say where NEW differs from OLD, place by place; each may be signed or not."""
    places = compare_documents(load_tree(old), load_tree(new))
    for place in places:
        click.echo(place)
    if not places:
        click.echo("không khác / no difference", err=True)


@config_group.command("push")
@click.argument("file", type=PATH)
@click.option("--confirm", is_flag=True, help="Confirm it as soon as it runs.")
@click.option("--wait", "wait_s", type=click.FloatRange(1, 4000), default=120.0, show_default=True)
@broker_options
@report_errors
def push_command(file: Path, confirm: bool, wait_s: float, province: str, **broker: Any) -> None:
    """Send FILE, signed, and follow what becomes of it; 0: the gateway runs it."""
    document = load_tree(file)
    gateway = parse_signed(document).gateway
    state = asyncio.run(
        _push(
            address_of(**broker),
            document,
            province=province,
            gateway=gateway,
            confirm=confirm,
            wait_s=wait_s,
        )
    )
    if state != "applied" and not (state == "pending_confirm" and not confirm):
        raise SystemExit(NOT_RUNNING)


@config_group.command("status")
@click.argument("gateway", callback=named(GatewayId))
@broker_options
@report_errors
def status_command(gateway: str, province: str, **broker: Any) -> None:
    """Say what GATEWAY runs and what became of the last configuration sent to it."""

    async def status() -> Reported | None:
        async with connect_gateway(
            address_of(**broker), province=province, gateway=gateway
        ) as correspondence:
            return await correspondence.status(within_s=5.0)

    said = asyncio.run(status())
    if said is None:
        click.echo(f"{gateway}: chưa có báo cáo / nothing reported", err=True)
        raise SystemExit(NOT_RUNNING)
    _print(said)


async def _push(
    address: BrokerAddress,
    document: dict[str, object],
    *,
    province: str,
    gateway: str,
    confirm: bool,
    wait_s: float,
) -> str:
    state = "unanswered"
    async with connect_gateway(address, province=province, gateway=gateway) as correspondence:
        await correspondence.status(within_s=1.0)  # what was said before is not the answer
        correspondence.push(document)
        try:
            async with asyncio.timeout(wait_s):
                async for said in correspondence.follow(document):
                    _print(said)
                    state = said.state
                    if state == "pending_confirm" and not confirm:
                        break
                    if state == "pending_confirm":
                        correspondence.confirm(document)
        except TimeoutError:
            click.echo(f"{state} sau / after {wait_s:.0f} s", err=True)
    return state


def _print(said: Reported) -> None:
    line = f"version {said.version if said.version is not None else '?'}: {said.state}"
    if said.why:
        line += f" ({said.why}{': ' + said.detail if said.detail else ''})"
    if said.until_s is not None:
        line += f", {said.until_s} s left to confirm"
    click.echo(f"{line}; runs {said.running}, goes back to {said.last_known_good}")
    for place in said.applied:
        click.echo(f"    {place}")
    for fault in said.errors:
        print_fault(fault.at, fault.message, fault.code)
