"""Nobody is locked out by people who try passwords."""

from __future__ import annotations

import asyncio
import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.demo.scripted_recorder import ACCOUNT, OnRefusal, ScriptedRecorder
from gateway.discovery.causes import CauseCode
from gateway.discovery.discovery import Discovery
from gateway.discovery.refused_logins import FILE, MOST, MOST_WITH_CAMERAS, RefusedLogins
from gateway.rtsp.auth import Login
from tests.fixtures.clock import HANG_S


async def type_passwords(
    path: Path, hosts: tuple[str, ...], on_refusal: OnRefusal = "say"
) -> ScriptedRecorder:
    """Ask a recorder five times with other wrong passwords, each in a new program."""
    async with ScriptedRecorder("isapi", on_refusal=on_refusal) as recorder:
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


@pytest.mark.parametrize(("hosts", "most"), [((), MOST), (("127.0.0.1",), MOST_WITH_CAMERAS)])
async def test_a_device_that_hangs_up_at_a_wrong_password_is_left_alone_too(
    tmp_path: Path, hosts: tuple[str, ...], most: int
) -> None:
    """It has counted the login, whatever it says."""
    recorder = await type_passwords(tmp_path, hosts, "hang_up")

    assert (recorder.counts.refused, recorder.locked) == (most, False)


async def test_a_device_that_hangs_up_at_a_login_is_asked_by_no_other_means(
    tmp_path: Path,
) -> None:
    """It has RTSP as well, whose login would be the second."""
    async with ScriptedRecorder("isapi", video=True, on_refusal="hang_up") as recorder:
        discovery = Discovery(
            (ip_network("127.0.0.0/8"),),
            extra_ports=recorder.ports,
            refused=RefusedLogins(tmp_path / FILE),
        )
        told = await discovery.examine(recorder.host, Login(ACCOUNT.username, SecretStr("sai")))

    assert told.reason is not None
    assert told.reason.code is CauseCode.BROKEN
    assert recorder.counts.refused == 1


async def test_a_login_counts_though_nobody_waits_for_the_answer(tmp_path: Path) -> None:
    """Whoever ends the command has tried a password all the same."""
    async with ScriptedRecorder("isapi", on_refusal="never_answer") as recorder:
        discovery = Discovery(
            (ip_network("127.0.0.0/8"),),
            extra_ports=recorder.ports,
            refused=RefusedLogins(tmp_path / FILE),
        )
        login = Login(ACCOUNT.username, SecretStr("sai"))
        asked = asyncio.create_task(discovery.examine(recorder.host, login))
        async with asyncio.timeout(HANG_S):
            await recorder.was_refused.wait()
        asked.cancel()
        await asyncio.wait([asked])

    assert not RefusedLogins(tmp_path / FILE).may_try(recorder.host, most=1)


async def test_a_right_password_is_no_refusal_whatever_comes_after_it(tmp_path: Path) -> None:
    """A device that is asked often and answers rubbish is not left alone for it."""
    answers = {"/ISAPI/Streaming/channels": b"<a>" * 100}
    async with ScriptedRecorder("isapi", answers=answers) as recorder:
        discovery = Discovery(
            (ip_network("127.0.0.0/8"),),
            extra_ports=recorder.ports,
            refused=RefusedLogins(tmp_path / FILE),
        )
        await discovery.examine(recorder.host, Login(ACCOUNT.username, ACCOUNT.password))

    assert recorder.counts.logins == 1
    assert RefusedLogins(tmp_path / FILE).may_try(recorder.host, most=1)


def test_what_root_has_counted_belongs_to_the_service(tmp_path: Path) -> None:
    """Whoever runs the command by root counts in a file that the service reads and replaces."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 65_534, 65_534)
    RefusedLogins(tmp_path / FILE).record("10.0.0.1")

    owner, found = tmp_path.stat(), (tmp_path / FILE).stat()
    assert (found.st_uid, found.st_gid) == (owner.st_uid, owner.st_gid)
    assert found.st_mode & 0o777 == 0o600


def test_a_damaged_file_counts_for_nothing(tmp_path: Path) -> None:
    """It is written anew with the next refusal."""
    (tmp_path / FILE).write_bytes(b'{"devices": {"10.0.0.1": "x"}}')
    RefusedLogins(tmp_path / FILE).record("10.0.0.1")

    assert RefusedLogins(tmp_path / FILE).may_try("10.0.0.1", most=2)
    assert not RefusedLogins(tmp_path / FILE).may_try("10.0.0.1", most=1)
