"""``camera-gateway doctor``: what is wrong with this machine, and what to do about it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import click

from gateway.app.doctor import Finding, examine
from gateway.cli.output import echo, print_fault
from gateway.commands.handlers.registry import command_faults
from gateway.config.check import check_files
from gateway.config.secrets import Secrets
from gateway.config.settings import DEFAULT_FILE, Settings
from gateway.runtime import logging
from gateway.runtime.clock import SystemClock
from gateway.runtime.redact import Redactor

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
def doctor_group(path: Path, *, as_json: bool) -> None:
    """Look at this machine as a gateway would: disk, clock, broker, sandbox, encoder.

    A line each, with cause and cure. Exit code 0: nothing keeps a gateway from working; 1:
    something does; 2: the settings are wrong. Cameras are checked by `camera-gateway probe`.

    Kiểm tra máy này: ổ đĩa, giờ, máy chủ MQTT, hộp cát, bộ mã hóa; mỗi mục một dòng.
    """
    redactor = Redactor()
    logging.configure_logging(redactor, level="error", form="console")
    checked = check_files((path,), redactor=redactor, settings_faults=command_faults)
    for _, fault in checked.faults:
        print_fault(fault.at, redactor.redact_text(fault.message), fault.code)
    if checked.settings is None:
        raise SystemExit(CONFIG_WRONG)
    found = asyncio.run(_examine(checked.settings, redactor, as_json=as_json))
    if not as_json:
        echo(_summary(found))
    if found["fail"] or checked.faults:
        raise SystemExit(FOUND if found["fail"] else CONFIG_WRONG)


async def _examine(settings: Settings, redactor: Redactor, *, as_json: bool) -> Counter[str]:
    """Print each finding as it comes; return how many there are of each status."""
    found: Counter[str] = Counter()
    secrets = Secrets(settings.secrets_folder, redactor=redactor)
    async for finding in examine(settings, secrets, SystemClock()):
        found[finding.status] += 1
        lines = [_as_json(finding)] if as_json else _as_text(finding)
        echo(*map(redactor.redact_text, lines))
    return found


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


def _summary(found: Counter[str]) -> str:
    if found["fail"]:
        return f"{found['fail']} lỗi phải sửa · to be mended before a gateway can work"
    if found["warn"]:
        return (
            f"Chạy được, {found['warn']} điểm nên xem · it works, {found['warn']} to be looked at"
        )
    return "Tốt · all is well"
