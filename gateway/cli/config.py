"""The command ``config``: signs configurations at the centre, sends them, shows the reports.

Exit codes: 0 done; 1 the gateway does not run what was sent, or the broker cannot be reached; 2 a
document, a key or an argument is wrong.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import click

from gateway.centre.client import connect_gateway
from gateway.centre.documents import (
    Decision,
    Envelope,
    compare_documents,
    load_tree,
    parse_signed,
    sign_document,
    verify_document,
)
from gateway.cli.broker_options import address_of, broker_options, validated_as
from gateway.cli.output import NOT_RUNNING, echo, print_faults, report_errors
from gateway.config.signing import Keyring, SigningKey, load_key
from gateway.model.errors import ConfigRejected, Fault, faults_in
from gateway.model.names import GatewayId
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.payloads.config import LONGEST_S, ROLLBACK_S, UNDATED_S, Reported
from gateway.runtime.clock import now_ms
from gateway.runtime.given_path import write_given

PATH = click.Path(path_type=Path)

Act = Literal["confirm", "cancel", "extend"]

OUTCOME = {"confirm": "applied", "cancel": "rolled_back", "extend": "pending_confirm"}

DECIDED_S = 30.0
"""How long the outcome of a decision is waited for."""


@click.group("config")
def config_group() -> None:
    """Sign, check and send configurations. Ký, kiểm tra và gửi cấu hình."""


@config_group.command("sign")
@click.argument("file", type=PATH)
@click.option("--key", type=PATH, required=True, help="Private key, cfg-….key.")
@click.option(
    "--gateway",
    required=True,
    callback=validated_as(GatewayId),
    help="Id of the gateway it is for.",
)
@click.option(
    "--version",
    type=click.IntRange(1, 2**53 - 1),
    required=True,
    help="Greater than every one before.",
)
@click.option(
    "--base", type=click.IntRange(0), help="Version it was made from; refused if another one runs."
)
@click.option("--issuer", default="", help="Who is responsible for it.")
@click.option("--reason", default="", help="Why, for the audit.")
@click.option(
    "--rollback-s",
    type=click.IntRange(0, 3600),
    default=300,
    show_default=True,
    help="Seconds until it is rolled back unless confirmed; 0: no confirmation needed.",
)
@click.option(
    "--min-alive",
    type=click.IntRange(0, 100),
    default=80,
    show_default=True,
    help="Percent of the working cameras that must work afterwards.",
)
@click.option(
    "--valid-days",
    type=click.IntRange(1, LONGEST_S // 86_400),
    default=UNDATED_S // 86_400,
    show_default=True,
    help="Days within which the gateway may begin with it.",
)
@click.option("--output", "-o", type=PATH, help="File to write.  [default: standard output]")
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
    valid_days: int,
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
        issued_ms=now_ms(),
        valid_s=valid_days * 86_400,
    )
    signing_key = load_key(key, "cfg")
    with faults_in(file):
        signed = sign_document(load_tree(file), around, signing_key)
    text = json.dumps(signed, ensure_ascii=False, indent=2)
    if output is None:
        echo(*text.split("\n"))
        return
    write_given(output, f"{text}\n".encode(), mode=0o644)


@config_group.command("verify")
@click.argument("file", type=PATH)
@click.option("--keys", "folder", type=PATH, required=True, help="Folder of public keys.")
@report_errors
def verify_command(file: Path, folder: Path) -> None:
    """Print who has signed FILE, or every reason why a gateway would refuse it."""
    with faults_in(file):
        desired, key_id = verify_document(load_tree(file), Keyring(folder))
    echo(
        f"OK: {desired.gateway} version {desired.version}, {desired.schema_id}, signed by {key_id}"
    )


@config_group.command("diff")
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@report_errors
def diff_command(old: Path, new: Path) -> None:
    """Print where NEW differs from OLD, as pointers; each may be signed or not."""
    places = compare_documents(load_tree(old), load_tree(new))
    for place in places:
        echo(place)
    if not places:
        echo("không khác / no difference", err=True)


@config_group.command("push")
@click.argument("file", type=PATH)
@click.option("--confirm", is_flag=True, help="Confirm it as soon as it is in effect and healthy.")
@click.option("--key", type=PATH, help="Private key, cfg-….key; needed to confirm.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(1, 4000),
    default=120.0,
    show_default=True,
    help="Seconds to wait for the outcome.",
)
@broker_options
@report_errors
def push_command(
    file: Path, confirm: bool, key: Path | None, wait_s: float, province: str, **broker: Any
) -> None:
    """Send FILE, signed, and print the reports about it. Exit code 0: the gateway runs it."""
    if confirm and key is None:
        message = "a confirmation is signed as well: --key cfg-….key"
        raise ConfigRejected((Fault("", "sig.missing", message),))
    signing_key = load_key(key, "cfg") if confirm and key is not None else None
    with faults_in(file):
        document = load_tree(file)
        gateway = parse_signed(document).gateway
    state = asyncio.run(
        _push(
            address_of(**broker),
            document,
            province=province,
            gateway=gateway,
            key=signing_key,
            wait_s=wait_s,
            file=file,
        )
    )
    if state != "applied" and not (state == "pending_confirm" and not confirm):
        raise SystemExit(NOT_RUNNING)


@config_group.command("decide")
@click.argument("file", type=PATH)
@click.argument("act", type=click.Choice(["confirm", "cancel", "extend"]))
@click.option("--key", type=PATH, required=True, help="Private key, cfg-….key.")
@click.option(
    "--rollback-s",
    type=click.IntRange(*ROLLBACK_S),
    default=300,
    show_default=True,
    help="Seconds that extend gives.",
)
@broker_options
@report_errors
def decide_command(
    file: Path, act: Act, key: Path, rollback_s: int, province: str, **broker: Any
) -> None:
    """Confirm, cancel or extend FILE, which runs and waits. Exit code 0: the gateway did it."""
    signing_key = load_key(key, "cfg")
    with faults_in(file):
        document = load_tree(file)
        gateway = parse_signed(document).gateway

    async def decide() -> Reported | None:
        async with connect_gateway(
            address_of(**broker), province=province, gateway=gateway
        ) as client:
            report = await client.status(within_s=5.0)
            if report is None or report.nonce is None or report.version != document["ver"]:
                return report
            client.decide(document, Decision(act, report.nonce, signing_key, rollback_s))
            with suppress(TimeoutError):
                async with asyncio.timeout(DECIDED_S):
                    async for report in client.follow(document):
                        if report.state == OUTCOME[act]:
                            return report
            return report

    report = asyncio.run(decide())
    if report is None or report.version != document["ver"]:
        echo("không có cấu hình nào chờ / nothing waits for it", err=True)
        raise SystemExit(NOT_RUNNING)
    _print(report, file)
    if report.state != OUTCOME[act]:
        raise SystemExit(NOT_RUNNING)


@config_group.command("status")
@click.argument("gateway", callback=validated_as(GatewayId))
@broker_options
@report_errors
def status_command(gateway: str, province: str, **broker: Any) -> None:
    """Print what GATEWAY runs, and what became of the last configuration sent to it."""

    async def status() -> Reported | None:
        async with connect_gateway(
            address_of(**broker), province=province, gateway=gateway
        ) as client:
            return await client.status(within_s=5.0)

    report = asyncio.run(status())
    if report is None:
        echo(f"{gateway}: chưa có báo cáo / nothing reported", err=True)
        raise SystemExit(NOT_RUNNING)
    _print(report)


async def _push(
    address: BrokerAddress,
    document: dict[str, object],
    *,
    province: str,
    gateway: str,
    key: SigningKey | None,
    wait_s: float,
    file: Path,
) -> str:
    """Send *document* and follow it; with a *key* it is confirmed. Return its last state."""
    state = "unanswered"
    async with connect_gateway(address, province=province, gateway=gateway) as client:
        await client.status(within_s=1.0)  # what was reported before is not the answer
        client.push(document)
        try:
            async with asyncio.timeout(wait_s):
                async for report in client.follow(document):
                    _print(report, file)
                    state = report.state
                    if state == "pending_confirm" and key is None:
                        break
                    if state == "pending_confirm" and key is not None and report.nonce:
                        client.decide(document, Decision("confirm", report.nonce, key))
        except TimeoutError:
            echo(f"{state} sau / after {wait_s:.0f} s", err=True)
    return state


def _print(report: Reported, file: Path | None = None) -> None:
    """Print *report*; its faults are places in *file*, if that is what it is about."""
    line = f"version {report.version if report.version is not None else '?'}: {report.state}"
    if report.why:
        line += f" ({report.why}{': ' + report.detail if report.detail else ''})"
    if report.until_s is not None:
        line += f", {report.until_s} s left to confirm"
    echo(f"{line}; runs {report.running}, goes back to {report.last_known_good}")
    for place in report.applied:
        echo(f"    {place}")
    print_faults(
        (file, Fault(each.at, each.code, each.message, dict(each.args or {})))
        for each in report.errors
    )
