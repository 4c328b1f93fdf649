"""Nobody is locked out by people who try passwords."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

from pydantic import SecretStr

from gateway.demo.scripted_recorder import ACCOUNT, ScriptedRecorder
from gateway.discovery.causes import CauseCode
from gateway.discovery.discovery import Discovery
from gateway.discovery.refused_logins import FILE, MOST, MOST_WITH_CAMERAS, RefusedLogins
from gateway.rtsp.auth import Login


async def type_passwords(path: Path, hosts: tuple[str, ...]) -> ScriptedRecorder:
    """Ask a recorder five times with other wrong passwords, each in a new program."""
    async with ScriptedRecorder("isapi") as recorder:
        for number in range(5):
            discovery = Discovery(
                (ip_network("127.0.0.0/8"),),
                extra_ports=recorder.ports,
                known=lambda: hosts,
                refused=RefusedLogins(path / FILE),
            )
            login = Login(ACCOUNT.username, SecretStr(f"sai-{number}"))
            told = await discovery.examine(recorder.host, login)

    assert told.reason is not None
    assert told.reason.code is CauseCode.NOT_TRIED
    return recorder


async def test_a_device_is_left_alone_after_three_wrong_passwords(tmp_path: Path) -> None:
    """Whatever they were, and over restarts: recorders lock a caller out after five."""
    recorder = await type_passwords(tmp_path, ())

    assert (recorder.counts.refused, recorder.locked) == (MOST, False)


async def test_a_device_with_cameras_is_left_alone_after_one(tmp_path: Path) -> None:
    """The gateway's own cameras there may have been refused three times already."""
    recorder = await type_passwords(tmp_path, ("127.0.0.1",))

    assert recorder.counts.refused == MOST_WITH_CAMERAS


def test_a_damaged_file_counts_for_nothing(tmp_path: Path) -> None:
    """It is written anew with the next refusal."""
    (tmp_path / FILE).write_bytes(b'{"devices": {"10.0.0.1": "x"}}')
    RefusedLogins(tmp_path / FILE).record("10.0.0.1")

    assert RefusedLogins(tmp_path / FILE).may_try("10.0.0.1", most=2)
    assert not RefusedLogins(tmp_path / FILE).may_try("10.0.0.1", most=1)
