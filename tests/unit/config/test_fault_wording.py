"""Faults on a page and in the log: the words that `check` has for them."""

from __future__ import annotations

from gateway.config.fault_wording import NAMED, joined, wording_of
from gateway.model.errors import Fault

CAMERAS = {"cameras": [{"id": "c01", "name": "Quầy 3", "streams": [{"url": "x"}]}]}


def test_the_place_is_named_as_people_name_it() -> None:
    """With cause and cure in Vietnamese; the pointer stands in English beside it."""
    fault = Fault("/cameras/0/streams/0/url", "url.userinfo", "credentials in the URL")

    said = wording_of(fault, CAMERAS)

    assert said.vi.startswith("cameras[0] “Quầy 3” streams[0].url: Địa chỉ chứa tên đăng nhập")
    assert "Xóa phần đứng trước dấu @" in said.vi_todo
    assert said.en == "/cameras/0/streams/0/url: credentials in the URL [url.userinfo]"


def test_many_faults_are_told_with_each_cure_once() -> None:
    """The first few; of the others their number."""
    faults = [Fault(f"/cameras/{each}/url", "url.userinfo", "x") for each in range(NAMED + 2)]

    said = joined(faults)

    assert said.vi.endswith("(+2)")
    assert said.vi_todo.count("Xóa phần") == 1
