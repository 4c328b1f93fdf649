"""What the form of dispatch 10362 asks and nothing can measure, asked in the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from gateway.cli.output import echo
from gateway.model.errors import ConfigRejected, GatewayError
from gateway.setup.messages import Declare, read_request
from gateway.setup.model import SetupMistake
from gateway.setup.service import SetupService

Answers = dict[str, object]

_RECORDERS = {"NVR": "Đầu ghi IP (NVR)", "DVR": "Đầu ghi analog (DVR)", "VMS": "VMS"}
_CAMERAS = {
    **dict.fromkeys(("IP", "Analog", "HD-TVI", "HD-CVI", "AHD", "SDI"), ""),
    "other": "Khác · Other",
}
_LINES = {
    "lan": "Mạng nội bộ · LAN",
    "internet": "Internet",
    "leased": "Kênh thuê riêng · Leased line",
    "vpn_over_internet": "VPN qua Internet",
    "other": "Khác · Other",
}
_PERSON = {
    "name": "Họ và tên, trống: hết · Name, empty: no more",
    "unit": "    Đơn vị công tác · Unit",
    "position": "    Chức vụ · Position",
    "phone": "    Số điện thoại di động · Mobile phone",
    "note": "    Ghi chú · Note",
}
_SYSTEM = {
    "name": "Hệ thống thông tin tại IOC, trống: hết · Information system, empty: no more",
    "functions": "    Mô tả chung về chức năng · What it does",
    "data_managed": "    Dữ liệu cần quản lý · Data it manages",
}


def ask_survey(service: SetupService) -> None:
    """Ask for the form until what was said can be declared, or is left for another time."""
    while click.confirm("Điền phiếu 10362 bây giờ? · Fill in the survey form now?", default=False):
        try:
            asked = read_request(Declare, json.dumps(_filled()).encode())
            service.declare(asked.declared(service.before), asked.contacts)
        except ConfigRejected as error:
            echo(*(f"     {fault.at}: {fault.message}" for fault in error.faults))
        except SetupMistake as error:
            echo(f"     {error.wording.vi} · {error.wording.en}")
        except GatewayError as error:
            echo(f"     {error}")
        else:
            echo("Đã lưu phiếu · The form is saved")
            return


def _filled() -> Answers:
    """Ask each question; an empty answer is left out."""
    echo("Trống: bỏ qua · Empty: left out")
    centre = {
        "name": _ask("Tên trung tâm · The centre's name"),
        "address": _ask("Địa chỉ · Address"),
    }
    answers: Answers = {
        "centre": _given(centre),
        "vms_kind": _ask_one("Đầu ghi hay VMS · Recorder or VMS", _RECORDERS),
        "camera_type": _ask_one("Loại camera, nếu như nhau · Cameras, if all are alike", _CAMERAS),
        "exposed": _given({"declared": _ask_yes("Có luồng ra Internet · A stream is exposed")}),
        "reach_from_office": _reach(_ask_yes("Truy cập được từ CPNet · Reachable from CPNet")),
        "line": _given(
            {
                "type": _ask_one("Đường camera → đầu ghi · Line to the recorder", _LINES),
                "down_mbps": _ask_mbps("    Tốc độ, Mb/s · Speed"),
            }
        ),
        "uplink": _given(
            {
                "type": _ask_one("Đường ra ngoài · Line outwards", _LINES),
                "isp": _ask("    Nhà cung cấp · Provider"),
                "up_mbps": _ask_mbps("    Tốc độ lên, Mb/s · Speed upwards"),
            }
        ),
        "contacts": _ask_rows("Cán bộ đầu mối · Contact officers", _PERSON),
        "ioc": _ask_rows("Hệ thống tại IOC · Systems of the IOC", _SYSTEM),
    }
    return _given(answers)


def _reach(ok: bool | None) -> Answers:
    return {} if ok is None else {"ok": ok, "net": "CPNet"}


def _ask(question: str) -> str:
    answer: str = click.prompt(question, default="", show_default=False)
    return answer.strip()


def _ask_yes(question: str) -> bool | None:
    choice = click.Choice(("", "y", "n"))
    answer = click.prompt(f"{question} (y/n)", type=choice, default="", show_default=False)
    return {"y": True, "n": False}.get(answer)


def _ask_one(question: str, labels: Mapping[str, str]) -> str | None:
    """Ask for one of *labels* by its number."""
    listed = [f"{number}: {labels[key] or key}" for number, key in enumerate(labels, 1)]
    echo(f"  {', '.join(listed)}")
    chosen = click.IntRange(0, len(labels))
    number: int = click.prompt(f"{question} (0-{len(labels)})", type=chosen, default=0)
    return None if number == 0 else tuple(labels)[number - 1]


def _ask_mbps(question: str) -> float | None:
    """Ask for a rate; 2,5 is 2.5, and 0 is left out."""
    rate: float = click.prompt(question, value_proc=_rate_of, default="0", show_default=False)
    return rate or None


def _rate_of(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise click.UsageError("một số, ví dụ 40 · a number, e.g. 40") from None


def _ask_rows(title: str, fields: Mapping[str, str]) -> list[Answers]:
    """Ask for rows of *fields* until one has no name."""
    echo(title)
    rows: list[Answers] = []
    first, *more = fields
    while name := _ask(fields[first]):
        rows.append(_given({first: name, **{key: _ask(fields[key]) for key in more}}))
    return rows


def _given(answers: Mapping[str, object]) -> Answers:
    """Return *answers* without those that were left empty."""
    return {
        key: each for key, each in answers.items() if each is not None and each not in ("", {}, [])
    }
