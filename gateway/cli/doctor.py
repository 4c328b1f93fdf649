"""``camera-gateway doctor``: what is wrong with this machine, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import click

from gateway.app.doctor import Finding, examine
from gateway.cli.output import echo, print_faults
from gateway.cli.support_bundle import write_bundle
from gateway.commands.handlers.registry import command_faults
from gateway.config.check import check_files
from gateway.config.secrets import Secrets
from gateway.config.settings import DEFAULT_FILE, Settings
from gateway.model.errors import ConfigRejected
from gateway.runtime import logging
from gateway.runtime.clock import SystemClock
from gateway.runtime.own_words import redact_foreign
from gateway.runtime.redact import Redactor
from gateway.runtime.status_query import DEFAULT_FOLDER

FOUND, CONFIG_WRONG = 1, 2
_MARKS = {"ok": "ok  ", "warn": "??  ", "fail": "NO  "}


@click.command("doctor")
@click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    help="Settings file (TOML).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per finding.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Write FILE.tar.gz for support.")
def doctor_group(path: Path, bundle: Path | None, *, as_json: bool) -> None:
    """Look at this machine as a gateway would: disk, clock, broker, line, cameras, encoder.

    A line each, with cause and cure. Exit code 0: nothing keeps a gateway from working; 1:
    something does; 2: the settings are wrong. Cameras are told by the gateway that runs; nobody
    logs in for it. The line is measured with 3.4 MB at most, on a weak one with less than 0.1 MB.
    The bundle holds findings, settings, document and log, without secrets.

    Kiểm tra máy này: ổ đĩa, giờ, máy chủ MQTT, đường truyền, camera, bộ mã hóa; mỗi mục một dòng.
    """
    redactor = Redactor()
    logging.configure_logging(redactor, level="error", form="console")
    checked = check_files((path,), redactor=redactor, settings_faults=command_faults)
    print_faults(checked.faults, redactor)
    if checked.settings is None:
        raise SystemExit(CONFIG_WRONG)
    seen = asyncio.run(_examine(checked.settings, redactor, as_json=as_json))
    found: Counter[str] = Counter(each.status for each in seen)
    verdict = _verdict(found)
    echo(_as_json(verdict) if as_json else f"{verdict.vi} · {verdict.en}")
    if bundle is not None:
        _write(bundle, path, checked.settings, [*seen, verdict], redactor)
    if found["fail"] or checked.faults:
        raise SystemExit(FOUND if found["fail"] else CONFIG_WRONG)


def _write(
    bundle: Path, path: Path, settings: Settings, seen: list[Finding], redactor: Redactor
) -> None:
    try:
        write_bundle(bundle, path, settings, map(_as_json, seen), redactor)
    except ConfigRejected as error:
        print_faults(((bundle, fault) for fault in error.faults), redactor)
        raise SystemExit(FOUND) from None
    echo(f"{bundle}: gửi tệp này cho đơn vị hỗ trợ · send it to support", err=True)


async def _examine(settings: Settings, redactor: Redactor, *, as_json: bool) -> list[Finding]:
    """Print each finding as it comes; return them."""
    seen: list[Finding] = []
    secrets = Secrets(settings.secrets_folder, redactor=redactor)
    runtime = Path(os.environ.get("RUNTIME_DIRECTORY") or DEFAULT_FOLDER)
    async for finding in examine(settings, secrets, SystemClock(), runtime):
        seen.append(finding)
        lines = [_as_json(finding)] if as_json else _as_text(finding)
        echo(*(redact_foreign(redactor, line, examine) for line in lines))
    return seen


def _as_json(finding: Finding) -> str:
    return json.dumps(
        {
            "name": finding.name,
            "status": finding.status,
            "vi": finding.vi,
            "en": finding.en,
            "vi_todo": finding.vi_todo,
            "en_todo": finding.en_todo,
            "details": finding.details,
        },
        ensure_ascii=False,
    )


def _as_text(finding: Finding) -> list[str]:
    lines = [f"{_MARKS[finding.status]}{finding.name:<12} {finding.vi} · {finding.en}"]
    lines += [f"                 - {detail}" for detail in finding.details]
    if finding.status != "ok" and finding.vi_todo:
        lines.append(f"                 → {finding.vi_todo} · {finding.en_todo}")
    return lines


def _verdict(found: Counter[str]) -> Finding:
    """Return what all of it comes to."""
    if count := found["fail"]:
        vi, en = f"{count} lỗi phải sửa", f"{count} to be mended before a gateway can work"
        return Finding("verdict", "fail", vi, en)
    if count := found["warn"]:
        vi, en = f"Chạy được, {count} điểm nên xem", f"it works, {count} to be looked at"
        return Finding("verdict", "warn", vi, en)
    return Finding("verdict", "ok", "Tốt", "all is well")
