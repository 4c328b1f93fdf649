"""Coverage: how many provinces are connected, of the 34 and of the 63. Pure functions.

A centre is connected while a picture of one of its cameras has reached the command centre within
the last 24 hours. That one has reached it is said by the viewer's own reports (RTCP), which the
gateway tells in the statistics of a session and at its end; that one was sent says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.model.provinces import FORMER_PROVINCES, PROVINCES, former_of
from gateway.survey.fill import time_text

CONNECTED_MS = 86_400_000
"""A day."""

DISPATCH_DAY = "2020-12-10"
"""Of the dispatch, with which the history begins."""

FOOTNOTE_COLUMNS = (
    "STT",
    "Tỉnh, thành phố (63, năm 2020)",
    "Mã 63",
    "Tỉnh, thành phố (34, từ 01/07/2025)",
    "Mã 34",
    "Công văn 10362 (2020)",
    "Đã kết nối",
    "Số điểm kết nối",
    "Hình gần nhất",
)


@dataclass(frozen=True, slots=True)
class SiteSeen:
    """When a picture of a site last reached the command centre.

    Attributes:
        province: Code of the 34.
        gateway: Id of the gateway.
        last_ms: Wall clock.
        former: Code of the 63 that the site says it belonged to; empty: it says none.
    """

    province: str
    gateway: str
    last_ms: int
    former: str = ""

    @property
    def former_province(self) -> str:
        """Code of the 63; empty: it says none, and its province was made of several."""
        origins = former_of(self.province)
        if self.former in origins:
            return self.former
        return origins[0] if len(origins) == 1 else ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which provinces are connected.

    Attributes:
        now_ms: Wall clock.
        today: Code of the 34 -> the connected sites.
        former: Code of the 63 -> likewise.
        unplaced: Connected sites whose former province is not known; they count among the 34 only.
    """

    now_ms: int
    today: Mapping[str, tuple[SiteSeen, ...]]
    former: Mapping[str, tuple[SiteSeen, ...]]
    unplaced: tuple[SiteSeen, ...]

    @property
    def text(self) -> str:
        """``n/34``, ``n/63`` and how many sites, on one line."""
        sites = sum(map(len, self.today.values()))
        return (
            f"{len(self.today)}/{len(PROVINCES)} tỉnh, thành phố"
            f" · {len(self.former)}/{len(FORMER_PROVINCES)} theo địa giới năm 2020 · {sites} điểm"
        )


def coverage_of(seen: Iterable[SiteSeen], now_ms: int) -> Coverage:
    """Return what is connected at *now_ms*; sites of unknown provinces are not counted."""
    connected = [
        each
        for each in seen
        if each.province in PROVINCES and now_ms - CONNECTED_MS <= each.last_ms <= now_ms
    ]
    today: dict[str, list[SiteSeen]] = {}
    former: dict[str, list[SiteSeen]] = {}
    for each in connected:
        today.setdefault(each.province, []).append(each)
        if each.former_province:
            former.setdefault(each.former_province, []).append(each)
    return Coverage(
        now_ms,
        {code: tuple(sites) for code, sites in sorted(today.items())},
        {code: tuple(sites) for code, sites in sorted(former.items())},
        tuple(each for each in connected if not each.former_province),
    )


def dispatch_coverage() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the dispatch's footnote listed: codes of the 63, and of where they are today."""
    former = tuple(code for code, each in FORMER_PROVINCES.items() if each.connected)
    return former, tuple(sorted({FORMER_PROVINCES[code].today for code in former}))


def footnote_rows(coverage: Coverage, *, everything: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield the dispatch's footnote as it would be today, as `FOOTNOTE_COLUMNS` has it.

    Args:
        coverage: What is connected.
        everything: Whether provinces are listed that were connected neither then nor now.
    """
    number = 0
    for code, each in FORMER_PROVINCES.items():
        sites = coverage.former.get(code, ())
        if not (everything or sites or each.connected):
            continue
        number += 1
        newest = max((site.last_ms for site in sites), default=None)
        yield (
            str(number),
            each.name,
            code,
            PROVINCES[each.today],
            each.today,
            _yes(each.connected),
            _yes(bool(sites)),
            str(len(sites)),
            "" if newest is None else time_text(newest),
        )
    for site in coverage.unplaced:
        number += 1
        name = PROVINCES[site.province]
        unknown = f"chưa rõ ({site.gateway})"
        when = time_text(site.last_ms)
        yield (str(number), unknown, "", name, site.province, "", _yes(True), "1", when)


def _yes(said: bool) -> str:
    return "Có" if said else "Không"
