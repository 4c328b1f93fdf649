"""The provinces of today, and of before July 2025."""

from __future__ import annotations

from gateway.model.provinces import FORMER_PROVINCES, PROVINCES, province_name, province_today


def test_the_63_are_parts_of_the_34() -> None:
    """Each of one, and each of the 34 has a part."""
    assert len(FORMER_PROVINCES) == 63
    assert len(PROVINCES) == 34
    assert {each.today for each in FORMER_PROVINCES.values()} == set(PROVINCES)


def test_a_code_means_what_its_list_says() -> None:
    """44 was Quảng Bình, and is Quảng Trị."""
    assert province_name("44") == "Quảng Trị"
    assert province_name("44", "vn-2020") == "Quảng Bình"
    assert province_today("45", "vn-2020") == "44"
