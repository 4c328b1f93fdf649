"""The set-up as questions in the terminal: the same steps as the page's, driven by the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import click

from gateway.cli.output import NOT_RUNNING, echo
from gateway.cli.setup_survey import ask_survey
from gateway.model.errors import GatewayError
from gateway.model.reasons import Wording
from gateway.setup.devices import AUTO, MAKERS
from gateway.setup.model import Choice, SetupChannel, SetupMistake
from gateway.setup.service import SetupService

_PROFILES = {"main": "luồng chính · main", "sub": "luồng phụ · sub"}


async def ask_all(service: SetupService) -> int:
    """Ask for everything, save it, and return the exit code: 0 if it was saved."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(service.run(), name="setup")
        try:
            await _ask_enrolment(service)
            await _find_devices(service)
            await _ask_devices(service)
            await _ask_cameras(service)
            if not _save(service):
                return NOT_RUNNING
            ask_survey(service)
            await _ask_restart(service)
            return 0
        finally:
            running.cancel()


async def _ask_enrolment(service: SetupService) -> None:
    """Enrol this box unless it is; without an address it is left for another time."""
    while service.can_enrol and not service.setup.enrolled:
        address = click.prompt(
            "Địa chỉ trung tâm, trống: đăng ký sau · Address of the centre, empty: enrol later",
            default="",
            show_default=False,
        ).strip()
        if not address:
            return
        code = click.prompt("Mã đăng ký · Enrolment code").strip()
        if _try(partial(service.enrol, address, code)):
            await service.wait()
            if service.notice is not None:
                _print_words(service.notice)
    if service.setup.enrolled:
        echo(f"Đã đăng ký · Enrolled: {service.setup.enrolled}")


async def _find_devices(service: SetupService) -> None:
    """List what answers in the camera networks, if that is wished for."""
    if not click.confirm("Tìm thiết bị trong mạng? · Look for devices?", default=True):
        return
    echo("Đang tìm… · Looking…")
    if _try(service.find):
        await service.wait()
        for device in service.found.values():
            name = f"{device.maker} {device.model}".strip() or "chưa rõ hãng · maker unknown"
            echo(f"  {device.address:<15} {name}")


async def _ask_devices(service: SetupService) -> None:
    """Ask for recorders until there is no more; each is looked at."""
    echo(
        f"Thiết bị · Box: {service.gateway}",
        f"Dải mạng camera · Camera networks: {', '.join(service.networks)}",
    )
    while True:
        if _ask_device(service):
            echo("Đang lấy hình… · Fetching pictures…")
            await service.wait()
            if service.notice is not None:
                _print_words(service.notice)
            _print_channels(service)
        if service.setup.channels and not click.confirm("Thêm đầu ghi? · Another recorder?"):
            return


def _ask_device(service: SetupService) -> bool:
    """Ask for one recorder and its account; return whether it is being looked at."""
    host = click.prompt("Địa chỉ IP đầu ghi · IP address of the recorder").strip()
    echo("  0. hỏi thiết bị · ask the device")
    for number, each in enumerate(MAKERS, start=1):
        echo(f"  {number}. {each.label}")
    chosen = click.prompt("Hãng · Maker", type=click.IntRange(0, len(MAKERS)), default=0)
    maker, channels, port = AUTO, 1, 554
    if chosen:
        maker = MAKERS[chosen - 1].family
        if MAKERS[chosen - 1].channels:
            channels = click.prompt("Số kênh · Channels", type=click.IntRange(1, 512), default=16)
        port = click.prompt("Cổng RTSP · Port", type=click.IntRange(1, 65535), default=554)
    username = click.prompt("Tên đăng nhập · User", default="", show_default=False).strip()
    password = click.prompt("Mật khẩu · Password", hide_input=True) if username else ""
    added = _try(
        lambda: service.add_device(
            host,
            port=port,
            maker=maker,
            channels=channels,
            username=username,
            password=password,
        )
    )
    network = service.missing_network
    wanted = f"Thêm dải mạng · Add the network {network}?"
    if not added and network is not None and click.confirm(wanted):
        _try(lambda: service.add_network(str(network)))
    return added


def _print_channels(service: SetupService) -> None:
    for channel in service.setup.channels.values():
        state = "có hình · picture" if channel.picture else _short(channel.trouble)
        echo(f"  {channel.key:<10} {channel.found.name} {state}")


async def _ask_cameras(service: SetupService) -> None:
    """Ask which channels become cameras and how they are called; test them until it will do."""
    while True:
        if not any(each.picture for each in service.setup.channels.values()):
            echo("Không kênh nào có hình · No channel has a picture", err=True)
            raise SystemExit(NOT_RUNNING)
        if not _choose(service):
            continue
        echo("Đang kiểm tra… · Testing…")
        await service.wait()
        _print_tests(service)
        if click.confirm("Dùng như vậy? · Take it as it is?", default=True):
            return


def _choose(service: SetupService) -> bool:
    """Ask for each channel with a picture; return whether the choice can be."""
    choices: list[Choice] = []
    for channel in service.setup.channels.values():
        if channel.picture or channel.chosen:
            choices += _ask_name(channel)
    return _try(lambda: service.choose(choices))


def _ask_name(channel: SetupChannel) -> list[Choice]:
    """Ask for the name and place of a channel; an empty name leaves it out."""
    name = click.prompt(
        f"{channel.key}: tên, trống là bỏ qua · name, empty leaves it out",
        default=channel.name or channel.found.name,
        show_default=bool(channel.name or channel.found.name),
    ).strip()
    if not name:
        return []
    place = click.prompt("    vị trí · place", default=channel.place, show_default=False).strip()
    return [Choice(channel.key, name, place)]


def _print_tests(service: SetupService) -> None:
    for channel in service.setup.chosen:
        echo(f"{channel.name} ({channel.key})")
        for test in channel.tests:
            echo(f"  {'ok' if test.ok else 'NO'} {_PROFILES[test.profile]}: {test.measured}")
            if test.wording is not None:
                _print_words(test.wording)
            for each in test.advice:
                echo(f"     → {each.vi} · {each.en}: {each.now} → {each.to}")


def _save(service: SetupService) -> bool:
    for kind, name, called in service.planned():
        echo(f"{kind} {name} {called}")
    if not click.confirm("Lưu? · Save?", default=True) or not _try(service.save):
        return False
    assert service.saved is not None
    echo(f"Đã lưu · Saved: {service.saved.path}", *service.saved.secrets)
    if service.saved.ruled_by_centre:
        echo(
            "Trung tâm đã cấu hình thiết bị này: tệp vừa lưu chưa được dùng ·"
            " the centre has configured this box: what was saved does not run",
        )
    return True


async def _ask_restart(service: SetupService) -> None:
    if service.can_restart and click.confirm("Khởi động lại dịch vụ? · Restart?", default=True):
        try:
            await service.restart_service()
        except SetupMistake as error:
            _print_words(error.wording)
            return
        echo("Đã khởi động lại · Restarted")
    else:
        echo("sudo systemctl restart camera-gateway")


def _try(act: Callable[[], None]) -> bool:
    """Return whether *act* could be done; what was wrong is printed."""
    try:
        act()
    except SetupMistake as error:
        _print_words(error.wording)
        return False
    except GatewayError as error:
        echo(str(error), err=True)
        return False
    return True


def _print_words(words: Wording) -> None:
    echo(f"     {words.vi} · {words.en}")
    if words.vi_todo:
        echo(f"     → {words.vi_todo} · {words.en_todo}")


def _short(words: Wording | None) -> str:
    return "không có hình · no picture" if words is None else f"{words.vi} · {words.en}"
