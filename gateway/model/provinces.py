"""The 34 provinces by their two digits, as in force since 1 July 2025, and the 63 before them.

A code may have passed to a province of another name (15, 24, 44, 52, 80, 82, 91): it says nothing
without its list. For showing and counting only; a site's identity does not depend on it.

Sources: Decision 19/2025/QD-TTg; the decision on the 63 before it; Resolution 60-NQ/TW on what was
merged; dispatch 10362/VPCP-KSTT of 10 December 2020, its footnote on the provinces connected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ProvinceScheme = Literal["vn-2025", "vn-2020"]
"""Which list a code is from."""


@dataclass(frozen=True, slots=True)
class FormerProvince:
    """One of the 63.

    Attributes:
        name: Its own.
        today: Code of the province, of the 34, that it is or is part of.
        connected: Whether the dispatch of 2020 lists its centre among those connected.
    """

    name: str
    today: str
    connected: bool = False


PROVINCES: Mapping[str, str] = {
    "01": "Hà Nội",
    "04": "Cao Bằng",
    "08": "Tuyên Quang",
    "11": "Điện Biên",
    "12": "Lai Châu",
    "14": "Sơn La",
    "15": "Lào Cai",
    "19": "Thái Nguyên",
    "20": "Lạng Sơn",
    "22": "Quảng Ninh",
    "24": "Bắc Ninh",
    "25": "Phú Thọ",
    "31": "Hải Phòng",
    "33": "Hưng Yên",
    "37": "Ninh Bình",
    "38": "Thanh Hóa",
    "40": "Nghệ An",
    "42": "Hà Tĩnh",
    "44": "Quảng Trị",
    "46": "Huế",
    "48": "Đà Nẵng",
    "51": "Quảng Ngãi",
    "52": "Gia Lai",
    "56": "Khánh Hòa",
    "66": "Đắk Lắk",
    "68": "Lâm Đồng",
    "75": "Đồng Nai",
    "79": "Hồ Chí Minh",
    "80": "Tây Ninh",
    "82": "Đồng Tháp",
    "86": "Vĩnh Long",
    "91": "An Giang",
    "92": "Cần Thơ",
    "96": "Cà Mau",
}
"""Code of the 34 -> name."""

FORMER_PROVINCES: Mapping[str, FormerProvince] = {
    "01": FormerProvince("Hà Nội", "01"),
    "02": FormerProvince("Hà Giang", "08"),
    "04": FormerProvince("Cao Bằng", "04"),
    "06": FormerProvince("Bắc Kạn", "19"),
    "08": FormerProvince("Tuyên Quang", "08"),
    "10": FormerProvince("Lào Cai", "15"),
    "11": FormerProvince("Điện Biên", "11", connected=True),
    "12": FormerProvince("Lai Châu", "12"),
    "14": FormerProvince("Sơn La", "14"),
    "15": FormerProvince("Yên Bái", "15"),
    "17": FormerProvince("Hoà Bình", "25"),
    "19": FormerProvince("Thái Nguyên", "19"),
    "20": FormerProvince("Lạng Sơn", "20"),
    "22": FormerProvince("Quảng Ninh", "22", connected=True),
    "24": FormerProvince("Bắc Giang", "24", connected=True),
    "25": FormerProvince("Phú Thọ", "25", connected=True),
    "26": FormerProvince("Vĩnh Phúc", "25"),
    "27": FormerProvince("Bắc Ninh", "24", connected=True),
    "30": FormerProvince("Hải Dương", "31", connected=True),
    "31": FormerProvince("Hải Phòng", "31"),
    "33": FormerProvince("Hưng Yên", "33"),
    "34": FormerProvince("Thái Bình", "33"),
    "35": FormerProvince("Hà Nam", "37"),
    "36": FormerProvince("Nam Định", "37"),
    "37": FormerProvince("Ninh Bình", "37"),
    "38": FormerProvince("Thanh Hóa", "38"),
    "40": FormerProvince("Nghệ An", "40"),
    "42": FormerProvince("Hà Tĩnh", "42"),
    "44": FormerProvince("Quảng Bình", "44"),
    "45": FormerProvince("Quảng Trị", "44"),
    "46": FormerProvince("Thừa Thiên Huế", "46", connected=True),
    "48": FormerProvince("Đà Nẵng", "48"),
    "49": FormerProvince("Quảng Nam", "48"),
    "51": FormerProvince("Quảng Ngãi", "51"),
    "52": FormerProvince("Bình Định", "52"),
    "54": FormerProvince("Phú Yên", "66"),
    "56": FormerProvince("Khánh Hòa", "56"),
    "58": FormerProvince("Ninh Thuận", "56"),
    "60": FormerProvince("Bình Thuận", "68"),
    "62": FormerProvince("Kon Tum", "51"),
    "64": FormerProvince("Gia Lai", "52"),
    "66": FormerProvince("Đắk Lắk", "66"),
    "67": FormerProvince("Đắk Nông", "68"),
    "68": FormerProvince("Lâm Đồng", "68"),
    "70": FormerProvince("Bình Phước", "75"),
    "72": FormerProvince("Tây Ninh", "80"),
    "74": FormerProvince("Bình Dương", "79"),
    "75": FormerProvince("Đồng Nai", "75"),
    "77": FormerProvince("Bà Rịa - Vũng Tàu", "79"),
    "79": FormerProvince("Hồ Chí Minh", "79"),
    "80": FormerProvince("Long An", "80"),
    "82": FormerProvince("Tiền Giang", "82"),
    "83": FormerProvince("Bến Tre", "86", connected=True),
    "84": FormerProvince("Trà Vinh", "86"),
    "86": FormerProvince("Vĩnh Long", "86"),
    "87": FormerProvince("Đồng Tháp", "82"),
    "89": FormerProvince("An Giang", "91"),
    "91": FormerProvince("Kiên Giang", "91"),
    "92": FormerProvince("Cần Thơ", "92"),
    "93": FormerProvince("Hậu Giang", "92"),
    "94": FormerProvince("Sóc Trăng", "92"),
    "95": FormerProvince("Bạc Liêu", "96"),
    "96": FormerProvince("Cà Mau", "96", connected=True),
}
"""Code of the 63 -> what it was."""


def province_name(code: str, scheme: ProvinceScheme = "vn-2025") -> str:
    """Return the name that *code* has in *scheme*; empty: it has none."""
    if scheme == "vn-2025":
        return PROVINCES.get(code, "")
    former = FORMER_PROVINCES.get(code)
    return "" if former is None else former.name


def province_today(code: str, scheme: ProvinceScheme = "vn-2025") -> str:
    """Return the code, of the 34, of where *code* of *scheme* is today; an unknown one as it is."""
    if scheme == "vn-2020" and code in FORMER_PROVINCES:
        return FORMER_PROVINCES[code].today
    return code


def former_of(code: str) -> tuple[str, ...]:
    """Return the codes, of the 63, of what the province *code* of the 34 was made of."""
    return tuple(former for former, each in FORMER_PROVINCES.items() if each.today == code)
