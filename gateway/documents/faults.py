"""What is wrong with a monthly document, where, and what to do: in Vietnamese and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.runtime.plain_text import printable

MOST_FAULTS = 20
"""So many of one file are told; whoever mends these finds the others next time."""

SHOWN_CHARS = 40
"""Of what stands in a cell."""

_SENTENCES: Mapping[str, tuple[str, str]] = {
    "size": (
        "tệp có {got} byte, nhiều nhất {most}: chia nhỏ, hoặc bỏ hình và định dạng thừa",
        "the file has {got} bytes, at most {most}: split it, or leave out pictures and formats",
    ),
    "empty": (
        "tệp trống: lưu lại từ phần mềm",
        "the file is empty: save it again",
    ),
    "form": (
        "không phải tệp {form}, hoặc bị hỏng: mở lại rồi lưu đúng định dạng {form}",
        "this is no {form} file, or it is damaged: open it and save it as {form}",
    ),
    "locked": (
        "tệp có mật khẩu: lưu lại không đặt mật khẩu",
        "the file has a password: save it without one",
    ),
    "cost": (
        "tệp quá lớn khi mở ra: chỉ giữ bảng số liệu, bỏ hình, trang và định dạng thừa",
        "the file is too large once opened: keep the table only, without pictures, sheets, formats",
    ),
    "sheet": (
        'không có trang "{key}": đổi tên trang cho đúng',
        'there is no sheet "{key}": rename the sheet',
    ),
    "encoding": (
        "không phải UTF-8: trong Excel chọn Lưu thành > CSV UTF-8",
        "not UTF-8: in Excel choose Save As > CSV UTF-8",
    ),
    "quotes": (
        "dấu ngoặc kép mở mà không đóng: đóng lại",
        "a quotation mark is opened and not closed: close it",
    ),
    "json": (
        "JSON sai ({got}): sửa tại chỗ đó",
        "wrong JSON ({got}): mend it there",
    ),
    "json.rows": (
        'phải là một danh sách các dòng, hoặc {{"rows": [...]}}',
        'it must be a list of rows, or {{"rows": [...]}}',
    ),
    "json.row": (
        "mỗi dòng phải là một đối tượng {{...}}",
        "each row must be an object {{...}}",
    ),
    "rows.few": (
        "có {got} dòng số liệu, ít nhất {least}: điền thêm",
        "there are {got} rows of figures, at least {least}: fill them in",
    ),
    "rows.many": (
        "nhiều hơn {most} dòng: xoá dòng thừa",
        "more than {most} rows: delete what is too much",
    ),
    "hash": (
        "tệp đến trung tâm không đúng mã băm: lưu lại tệp để gửi lại",
        "what came to the centre has another hash: save the file again, it is sent anew",
    ),
    "kind": (
        'trung tâm không có mẫu "{key}": báo trung tâm',
        'the centre has no template "{key}": tell the centre',
    ),
    "month": (
        "trung tâm không nhận báo cáo của tháng {got}: kiểm tra ngày giờ của thiết bị",
        "the centre takes no document of {got}: check the clock of the box",
    ),
    "column.missing": (
        'thiếu cột "{key}": thêm vào dòng đầu, viết đúng tên',
        'the column "{key}" is missing: add it to the first row, spelt so',
    ),
    "column.unknown": (
        'cột "{key}" không có trong mẫu: xoá, hoặc sửa tên',
        'the template has no column "{key}": delete it, or correct its name',
    ),
    "column.twice": (
        'cột "{key}" có hai lần: giữ một',
        'the column "{key}" stands twice: keep one',
    ),
    "value.missing": (
        'cột "{key}" bắt buộc mà ô trống: điền vào',
        'the column "{key}" is required and the cell is empty: fill it in',
    ),
    "value.integer": (
        'cột "{key}" phải là số nguyên, đang là "{got}"',
        'the column "{key}" must be a whole number, it is "{got}"',
    ),
    "value.number": (
        'cột "{key}" phải là số, phần lẻ viết sau dấu "{decimal}", đang là "{got}"',
        'the column "{key}" must be a number with its fraction behind "{decimal}", it is "{got}"',
    ),
    "value.date": (
        'cột "{key}" phải là ngày như 31/12/2026, đang là "{got}"',
        'the column "{key}" must be a date like 31/12/2026, it is "{got}"',
    ),
    "value.text": (
        'cột "{key}" phải là chữ, đang là "{got}"',
        'the column "{key}" must be text, it is "{got}"',
    ),
    "value.long": (
        'cột "{key}" có {got} ký tự, nhiều nhất {most}: rút gọn',
        'the column "{key}" has {got} characters, at most {most}: shorten it',
    ),
    "value.low": (
        'cột "{key}" là {got}, ít nhất {least}: kiểm tra số và đơn vị',
        'the column "{key}" is {got}, at least {least}: check figure and unit',
    ),
    "value.high": (
        'cột "{key}" là {got}, nhiều nhất {most}: kiểm tra số và đơn vị',
        'the column "{key}" is {got}, at most {most}: check figure and unit',
    ),
}


@dataclass(frozen=True, slots=True)
class DocumentFault:
    """One thing that is wrong.

    Attributes:
        at: Where in the file: ``C7``, ``Trang1!C7``, ``/3/Tổng số``; empty: all of it.
        code: What; a key of the sentences of this module.
        args: What the sentences show.
    """

    at: str
    code: str
    args: Mapping[str, str] = field(default_factory=dict)

    @property
    def vi(self) -> str:
        """What is wrong and what to do, in Vietnamese."""
        return _SENTENCES[self.code][0].format_map(self.args)

    @property
    def en(self) -> str:
        """The same in English."""
        return _SENTENCES[self.code][1].format_map(self.args)


class DocumentRefused(Exception):
    """A document of which no rows can be read.

    Attributes:
        fault: Why.
    """

    def __init__(self, fault: DocumentFault) -> None:
        super().__init__(fault.code)
        self.fault = fault


def fault(at: str, code: str, **args: object) -> DocumentFault:
    """Return what is wrong at *at*; what strangers have written in *args* is cut and printable."""
    return DocumentFault(at, code, {name: _shown(value) for name, value in args.items()})


def refuse_document(code: str, at: str = "", **args: object) -> DocumentRefused:
    """Return the error that says that nothing can be read because of *code*."""
    return DocumentRefused(fault(at, code, **args))


def parse_fault(at: str, code: str, args: Mapping[str, str]) -> DocumentFault | None:
    """Return a fault that somebody else has told, or None: its sentence cannot be made."""
    found = DocumentFault(at, code, args)
    try:
        return found if found.vi and found.en else None
    except (KeyError, ValueError, IndexError, AttributeError):
        return None


def _shown(value: object) -> str:
    text = printable(str(value)[: SHOWN_CHARS + 1])
    return f"{text[:SHOWN_CHARS]}…" if len(text) > SHOWN_CHARS else text
