"""The command line: parses arguments, prints results, sets exit codes.

Exit codes: 0 done; 1 a bug, or a probe that failed; 2 the configuration or the arguments are
wrong. No password is ever taken as an argument: other users of the machine can read those.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TextIO

import click
import structlog
from pydantic import SecretStr

from gateway.app import compose
from gateway.app.lifecycle import run_until_signal
from gateway.cameras.probe import Step, Transport, probe
from gateway.cli.command_group import CommandGroup
from gateway.cli.fault_lines import fault_json, fault_lines
from gateway.cli.output import echo
from gateway.commands.handlers.registry import command_faults
from gateway.config.check import CheckResult, check_files, has_viewing_key
from gateway.config.load import load_settings, probe_policy, settings_needed
from gateway.config.secrets import Secrets
from gateway.config.settings import DEFAULT_FILE
from gateway.fastpath import ADVICE, COMPILED, STALE
from gateway.model.errors import ConfigRejected, Fault
from gateway.model.reasons import Reason
from gateway.remote_config.startup import load_state, secret_bindings
from gateway.remote_config.store import ConfigStore
from gateway.runtime import logging
from gateway.runtime.build import FULL_VERSION
from gateway.runtime.clock import SystemClock
from gateway.runtime.descriptors import LEAST, raise_descriptor_limit
from gateway.runtime.minimum_version import MINIMUM_FILE, check_minimum, remember_minimum
from gateway.runtime.own_words import own_sentences, redact_foreign
from gateway.runtime.redact import Redactor
from gateway.runtime.systemd import SystemdNotifier
from gateway.transcoding.encoder_choice import EncoderChoice
from gateway.updates.state import is_tried

PROBE_FAILED, CONFIG_WRONG = 1, 2

WRONG_PAUSE_S = 10.0
"""So long a service with a wrong configuration waits before it ends and is started again."""

log = structlog.get_logger(__name__)

FAST_PATH = "compiled" if COMPILED else "not compiled (fallback)"
if STALE:
    FAST_PATH = f"not used (fallback): {ADVICE}"

CENTRE = {
    "add": "gateway.cli.add",
    "audit": "gateway.cli.audit",
    "backup": "gateway.cli.backup",
    "centre": "gateway.cli.centre",
    "config": "gateway.cli.config",
    "discover": "gateway.cli.discover",
    "doctor": "gateway.cli.doctor",
    "documents": "gateway.cli.documents",
    "enrol": "gateway.cli.enrol",
    "health": "gateway.cli.health",
    "keys": "gateway.cli.keys",
    "release": "gateway.cli.release",
    "restore": "gateway.cli.backup",
    "survey": "gateway.cli.survey",
    "setup": "gateway.cli.setup",
    "update": "gateway.cli.update",
    "viewing": "gateway.cli.viewing",
}
"""Commands, and groups of them, that the daemon does not need; and their modules."""


@click.group(
    cls=CommandGroup,
    modules=CENTRE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(
    FULL_VERSION,
    prog_name="camera-gateway",
    message=f"%(prog)s, version %(version)s\nfast path: {FAST_PATH}",
)
def main() -> None:
    """Relay the cameras of this site to the command centre.

    Chuyển hình ảnh camera của điểm này về trung tâm.
    """


@main.command("check")
@click.argument("config", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per fault.")
def check_command(config: tuple[Path, ...], *, as_json: bool) -> None:
    """Check CONFIG files: settings (.toml), site document (.json), or both together.

    With the settings, secrets and camera networks are checked as well. Default:
    /etc/camera-gateway/gateway.toml and the site document of its state folder. Exit code 0:
    no fault, 2: at least one; what is only odd changes nothing.

    Kiểm tra cấu hình; mỗi lỗi có tệp, dòng, tên camera, nguyên nhân và cách sửa.
    """
    redactor = Redactor()
    logging.configure_logging(redactor, level="warning", form="console")
    paths = config or (DEFAULT_FILE,)
    checked = check_files(paths, redactor=redactor, settings_faults=command_faults)
    faults = [*checked.faults, *_version_faults(checked)]
    if as_json:
        echo(*fault_json([*faults, *checked.oddities], redactor))
        raise SystemExit(CONFIG_WRONG if faults else 0)
    echo(*fault_lines([*faults, *checked.oddities], redactor), err=True)
    if faults:
        echo(f"{len(faults)} faults / lỗi", err=True)
        raise SystemExit(CONFIG_WRONG)
    for settings_path in (path for path in paths if path.suffix != ".json"):
        _warn_if_nobody_may_watch(settings_path, checked)
    echo(f"OK: {_summary(checked)}")
    if checked.settings is not None and checked.settings.transcoding.enabled:
        choice = EncoderChoice(asked=checked.settings.transcoding.encoder)
        asyncio.run(choice.choose())
        echo(f"transcoding / chuyển mã: {choice.name}", *(f"  - {each}" for each in choice.reasons))


@main.command("run")
@click.option(
    "--settings",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    help="Settings file (TOML).",
)
def run_command(path: Path) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; it then stops within 5 seconds."""
    redactor = Redactor(partial(own_sentences, compose.run))
    logging.configure_logging(redactor)
    _ensure_descriptors()
    where = path
    try:
        settings = load_settings(path)
        if faults := command_faults(settings):
            raise ConfigRejected(faults)
        logging.configure_logging(redactor, level=settings.log.level, form=settings.log.format)
        where = settings.state.dir / MINIMUM_FILE
        check_minimum(settings.state.dir)
        if not is_tried(FULL_VERSION):  # the one before must be able to start again
            remember_minimum(settings.state.dir)
        where = settings.state.dir / "site.json"
        disk = ConfigStore(settings.state.dir)
        state = load_state(settings, disk)
        secrets = Secrets(
            settings.secrets_folder, redactor=redactor, bindings=secret_bindings(settings, state)
        )
        compose.log_start()
        run_until_signal(compose.run(settings, state, disk, secrets))
    except ConfigRejected as error:
        echo(*fault_lines([(where, fault) for fault in error.faults], redactor), err=True)
        _wait_for_another(where, error.faults)
        raise SystemExit(CONFIG_WRONG) from None


def _wait_for_another(where: Path, faults: tuple[Fault, ...]) -> None:
    """Under systemd, show there what is wrong and wait, so that it is not read again at once."""
    clock = SystemClock()
    systemd = SystemdNotifier(os.environ, clock=clock)
    if systemd.listens:
        systemd.status(f"cấu hình sai / wrong configuration: {where}: {faults[0]}")
        asyncio.run(clock.sleep(WRONG_PAUSE_S))


def _ensure_descriptors() -> None:
    """Take as many descriptors as the machine allows; exit where that is too few."""
    before, now = raise_descriptor_limit()
    if 0 <= now < LEAST:  # infinity is negative
        echo(
            f"this process may open {now} files and sockets; at least {LEAST} are needed:"
            " raise LimitNOFILE= in the systemd unit, or ulimit -n",
            f"    Tiến trình chỉ được mở {now} tệp và kết nối; cần ít nhất {LEAST}:"
            " hãy tăng LimitNOFILE= trong tệp systemd, hoặc ulimit -n.",
            err=True,
        )
        raise SystemExit(CONFIG_WRONG)
    if before != now:
        log.info("descriptor_limit_raised", before=before, now=now)


@main.command("probe")
@click.argument("url")
@click.option("--username", "-u", help="For cameras that ask for a login.")
@click.option(
    "--password-file",
    type=click.File("r", encoding="utf-8"),
    help="File with the password, or - for standard input.  [env: CAMERA_PASSWORD instead]",
)
@click.option(
    "--network",
    multiple=True,
    help="Camera network that may be opened.  [default: the private ranges]",
)
@click.option(
    "--transport",
    type=click.Choice(["auto", "tcp", "udp"]),
    default="auto",
    show_default=True,
    help="RTP over TCP or UDP.",
)
@click.option(
    "--allow-basic",
    is_flag=True,
    help="Allow Basic authentication, which sends the password in clear.",
)
@click.option(
    "--watch",
    "watch_s",
    type=click.FloatRange(1, 120),
    default=10.0,
    show_default=True,
    help="Seconds to watch.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per step.")
def probe_command(
    url: str,
    username: str | None,
    password_file: TextIO | None,
    network: tuple[str, ...],
    transport: Transport,
    allow_basic: bool,
    watch_s: float,
    as_json: bool,
) -> None:
    """Check one camera step by step, from its name to its pictures, and say which step fails.

    Exit code 0: every step succeeded; 1: one failed. The camera is connected once, with at most
    one login, and the session is closed.
    """
    redactor = Redactor()
    logging.configure_logging(redactor, level="error", form="console")
    password = _password(password_file)
    if password is not None:
        redactor.add_secret(password.get_secret_value(), username=username)
    try:
        policy = probe_policy(url, network)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--network") from None
    steps = probe(
        url,
        username=username,
        password=password,
        allow_basic=allow_basic,
        policy=policy,
        transport=transport,
        watch_s=watch_s,
        looks=True,
    )
    all_ok = asyncio.run(_print(steps, redactor, as_json=as_json))
    if not as_json:
        echo(*settings_needed(url))
    if not all_ok:
        raise SystemExit(PROBE_FAILED)


def _password(file: TextIO | None) -> SecretStr | None:
    given = os.environ.get("CAMERA_PASSWORD") if file is None else file.readline().rstrip("\r\n")
    return SecretStr(given) if given else None


async def _print(steps: AsyncIterator[Step], redactor: Redactor, *, as_json: bool) -> bool:
    """Print each of *steps* as it ends; return whether all succeeded."""
    all_ok = True
    async for step in steps:
        all_ok = all_ok and step.ok
        shown = replace(step, fact=redact_foreign(redactor, step.fact, probe))
        echo(*([_as_json(shown)] if as_json else _as_text(shown)))
    return all_ok


def _as_json(step: Step) -> str:
    line = {"step": step.name, "ok": step.ok, "reason": step.reason, "took_ms": step.took_ms}
    code = {"code": step.fault.code} if step.fault is not None else {}
    return json.dumps(line | {"fact": step.fact} | code, ensure_ascii=False)


def _as_text(step: Step) -> list[str]:
    fact = f"{step.fact} [{step.fault.code}]" if step.fault is not None else step.fact
    mark = "NO " if not step.ok else "ok " if step.reason is Reason.OK else "?? "
    line = f"{mark} {step.name:<15} {step.took_ms:8.1f} ms  {fact}"
    wording = step.wording
    if wording is None:
        return [line]
    advice = [
        wording.vi,
        wording.vi_todo,
        wording.en if step.fault is None else "",
        wording.en_todo,
    ]
    return [line, *(f"    {each}" for each in advice if each)]


def _version_faults(checked: CheckResult) -> list[tuple[Path, Fault]]:
    """Return whether this version is too old for the machine, where the settings say its folder."""
    if checked.settings is None:
        return []
    folder = checked.settings.state.dir
    try:
        check_minimum(folder)
    except ConfigRejected as error:
        return [(folder / MINIMUM_FILE, fault) for fault in error.faults]
    return []


def _warn_if_nobody_may_watch(path: Path, checked: CheckResult) -> None:
    """Say where the key for view tokens goes, if they are required and there is none."""
    settings = checked.settings
    if settings is None or has_viewing_key(settings):
        return
    key = settings.resolve_path(settings.remote.keys) / "view-*.pem"
    echo(
        f"{path}: /webrtc/require_token: nobody may watch: put the centre's key at {key}"
        " (camera-gateway keys make view-NAME) [viewing.key]",
        f"    Chưa ai xem được: hãy đặt khóa cấp quyền xem của trung tâm vào {key}.",
        err=True,
    )


def _summary(checked: CheckResult) -> str:
    parts = []
    if checked.settings is not None:
        parts.append(f"gateway {checked.settings.gateway.id}")
    if checked.site is not None:
        streams = sum(len(camera.streams) for camera in checked.site.cameras)
        parts.append(f"{len(checked.site.cameras)} cameras, {streams} streams")
    else:
        parts.append("no site document yet")
    return ", ".join(parts)
