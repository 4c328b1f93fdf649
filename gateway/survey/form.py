"""The form of dispatch 10362 as it was sent out: every line of its appendix, order and wording.

Nothing here may be made better: who receives a filled form compares it with the one they sent.

Source: Appendix of dispatch 10362/VPCP-KSTT (10 December 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FORM = "10362/VPCP-KSTT"

TITLE = (
    "Phụ lục",
    "THÔNG TIN CÁN BỘ ĐẦU MỐI, HỆ THỐNG CAMERA",
    "VÀ HỆ THỐNG THÔNG TIN TẠI CÁC TỈNH, THÀNH PHỐ",
)
SUBTITLE = (
    "(Kèm theo Công văn số: /VPCP-KSTT ngày tháng 12 năm 2020",
    "của Văn phòng Chính phủ)",
)

PART_I = "I. Thông tin cán bộ đầu mối"
CONTACT_COLUMNS = (
    "STT",
    "Họ và tên",
    "Đơn vị công tác",
    "Chức vụ",
    "Số điện thoại di động",
    "Ghi chú",
)
CONTACT_HINT = "(đầu mối về tổng hợp dữ liệu, kỹ thuật, kết nối, IOC..)"
"""Stands in the first row's last column."""

PART_II = (
    "II. Thông tin về hệ thống camera tại Trung tâm Phục vụ Hành chính công"
    " (nếu tỉnh, thành phố có triển khai Trung tâm)"
)
QUESTION_COLUMNS = ("STT", "Nội dung", "Mô tả chi tiết", "Ghi chú")

PART_III = "III. Mô tả về những hệ thống thông tin đang triển khai tại Trung tâm điều hành – IOC"
SYSTEM_COLUMNS = (
    "STT",
    "Hệ thống thông tin",
    "Mô tả chung về chức năng",
    "Các thông tin dữ liệu cần quản lý",
)

Number = Literal[
    "II.I.1",
    "II.I.2",
    "II.I.3",
    "II.I.4",
    "II.I.5",
    "II.I.6",
    "II.I.7",
    "II.I.8",
    "II.II.1",
    "II.II.2",
    "II.III.1",
    "II.III.2",
]
"""Part, group and line of the appendix's second part, as they are numbered there."""

CONTACTS, SYSTEMS = "I", "III"
"""Names of the other two parts where a field is named."""


@dataclass(frozen=True, slots=True)
class Question:
    """One line of part II.

    Attributes:
        number: Its place.
        wording: Column "Nội dung".
        sums: Whether answers of several sites can be added up: so many of each.
    """

    number: Number
    wording: str
    sums: bool = True

    @property
    def line(self) -> str:
        """Column "STT"."""
        return self.number.rpartition(".")[2]


GROUPS: tuple[tuple[str, tuple[Question, ...]], ...] = (
    (
        "I. Thông tin Camera",
        (
            Question("II.I.1", "Loại Camera (Analog/IP/...)"),
            Question("II.I.2", "Model thiết bị"),
            Question("II.I.3", "Hãng sản xuất"),
            Question("II.I.4", "Số lượng Camera"),
            Question("II.I.5", "Vị trí Camera", sums=False),
            Question(
                "II.I.6",
                "Hệ thống camera sử dụng đầu ghi hay sử dụng hệ thống quản lý camera"
                " chuyên dụng (VMS)?",
            ),
            Question(
                "II.I.7",
                "Thông tin chi tiết thiết bị đầu ghi/VMS (hãng sản xuất, mã thiết bị)",
            ),
            Question(
                "II.I.8",
                "Thông tin luồng Camera kết nối ra Internet (Có/Không có)"
                " Ví dụ: luồng RTSP, HTTP,...",
            ),
        ),
    ),
    (
        "II. Hệ thống mạng",
        (
            Question(
                "II.II.1",
                "Mô hình kết nối Camera (Ví dụ: camera -> firewall -> Router/Modem -> Internet,"
                " nêu chi tiết tên, chủng loại thiết bị)",
                sums=False,
            ),
            Question("II.II.2", "Dải địa chỉ IP hệ thống Camera", sums=False),
        ),
    ),
    (
        "III. Đường truyền",
        (
            Question(
                "II.III.1",
                "Hệ thống đầu ghi/VMS server có được quản lý tập trung hoặc truy cập được"
                " từ mạng của Văn phòng UBND (mạng CPNet)",
            ),
            Question(
                "II.III.2",
                "Đường truyền từ Camera về đầu ghi/VMS là loại đường truyền gì"
                " (Internet/kênh thuê riêng/VPN over Internet,...), tốc độ đường truyền?",
            ),
        ),
    ),
)
"""Headings within part II, and the lines below each."""

QUESTIONS: Mapping[Number, Question] = {
    each.number: each for _, questions in GROUPS for each in questions
}
