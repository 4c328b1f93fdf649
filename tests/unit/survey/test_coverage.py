"""Coverage: n of 34 and n of 63."""

from __future__ import annotations

from gateway.survey.coverage import (
    CONNECTED_MS,
    FOOTNOTE_COLUMNS,
    SiteSeen,
    coverage_of,
    dispatch_coverage,
    footnote_rows,
)

NOW_MS = 1_795_000_000_000


def test_the_nine_provinces_of_2020_are_eight_today() -> None:
    """Bắc Giang and Bắc Ninh are one."""
    former, today = dispatch_coverage()

    assert former == ("11", "22", "24", "25", "27", "30", "46", "83", "96")
    assert today == ("11", "22", "24", "25", "31", "46", "86", "96")


def test_a_picture_counts_for_a_day() -> None:
    """Then the centre is not connected any more; nor by a clock that is ahead."""
    seen = [
        SiteSeen("24", "a", NOW_MS - CONNECTED_MS, "27"),
        SiteSeen("01", "b", NOW_MS - CONNECTED_MS - 1),
        SiteSeen("04", "c", NOW_MS + 1),
    ]

    coverage = coverage_of(seen, NOW_MS)

    assert (list(coverage.today), list(coverage.former)) == (["24"], ["27"])
    assert coverage.text.startswith("1/34 tỉnh, thành phố · 1/63")


def test_a_site_of_a_merged_province_counts_where_it_says_it_was() -> None:
    """Of one that was never merged it is known; of others it must be said, and be possible."""
    seen = [
        SiteSeen("01", "a", NOW_MS),
        SiteSeen("79", "b", NOW_MS),
        SiteSeen("86", "c", NOW_MS, "27"),
    ]

    coverage = coverage_of(seen, NOW_MS)

    assert list(coverage.former) == ["01"]
    assert [each.gateway for each in coverage.unplaced] == ["b", "c"]


def test_the_footnote_lists_who_was_and_who_is_connected() -> None:
    """Nine of the dispatch, one that is new, and one that does not say what it was."""
    seen = [
        SiteSeen("01", "a", NOW_MS),
        SiteSeen("86", "b", NOW_MS, "83"),
        SiteSeen("79", "c", NOW_MS),
    ]
    rows = [
        dict(zip(FOOTNOTE_COLUMNS, row, strict=True))
        for row in footnote_rows(coverage_of(seen, NOW_MS))
    ]
    connected = [row["Mã 63"] for row in rows if row["Đã kết nối"] == "Có"]

    assert len(rows) == 11
    assert connected == ["01", "83", ""]
