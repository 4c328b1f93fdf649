"""The set-up as a state machine."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from gateway.setup.model import (
    Account,
    Choice,
    FoundChannel,
    FoundDevice,
    Setup,
    SetupMistake,
    StreamTest,
)

ACCOUNT = Account("viewer", SecretStr("canary-7391"))


def device(channels: int = 3, host: str = "10.0.0.9") -> FoundDevice:
    return FoundDevice(
        host,
        "Hikvision",
        "DS-7616",
        tuple(
            FoundChannel(n, f"Camera {n}", "live", (("main", f"rtsp://{host}/{n}01"),))
            for n in range(1, channels + 1)
        ),
    )


def with_device(channels: int = 3) -> Setup:
    setup = Setup()
    setup.add_device("nvr1", device(channels), ACCOUNT)
    return setup


def test_what_comes_next_opens_step_by_step() -> None:
    """Each step needs what the one before gives."""
    setup = Setup()
    assert setup.reachable() == ("enrol", "account")
    setup.add_device("nvr1", device(), ACCOUNT)
    assert setup.reachable()[-1] == "channels"
    setup.choose([Choice("nvr1.1", "Quầy 1")])
    assert setup.reachable()[-1] == "test"
    setup.set_tests("nvr1.1", (StreamTest("main", True, None, ""),))
    assert setup.reachable()[-1] == "save"
    setup.saved = True
    assert setup.reachable()[-1] == "survey"


def test_a_step_that_lacks_something_is_refused_with_what() -> None:
    """In both languages; the person stays where they are."""
    setup = Setup()

    with pytest.raises(SetupMistake) as refused:
        setup.go("save")

    assert refused.value.wording.vi == "Chưa kiểm tra camera"
    assert setup.step == "enrol"


@pytest.mark.parametrize(
    "choices",
    [
        [],
        [Choice("nvr1.9", "Quầy 9")],
        [Choice("nvr1.1", "Quầy 1"), Choice("nvr1.1", "Quầy 2")],
        [Choice("nvr1.1", " \u200b ")],
        [Choice("nvr1.1", "Quầy 1"), Choice("nvr1.2", "QUẦY 1")],
        [Choice("nvr1.1", "x" * 121)],
        [Choice("nvr1.1", "Quầy 1", "x" * 201)],
    ],
)
def test_a_choice_that_cannot_be_changes_nothing(choices: list[Choice]) -> None:
    """None, unknown, twice, without a name, a name twice, too long."""
    setup = with_device()

    with pytest.raises(SetupMistake):
        setup.choose(choices)

    assert setup.chosen == ()


def test_names_are_kept_in_nfc_and_on_one_line() -> None:
    """A phone may send NFD, a recorder control characters."""
    setup = with_device()

    setup.choose([Choice("nvr1.1", "  Qua\u0302\u0300y\t1\u202e ", "Ta\u0302\u0300ng 1")])

    assert (setup.chosen[0].name, setup.chosen[0].place) == ("Quầy 1", "Tầng 1")


def test_a_device_that_is_added_again_keeps_what_was_chosen() -> None:
    """With the right password now; its pictures are fetched anew."""
    setup = with_device()
    setup.choose([Choice("nvr1.2", "Quầy 2", "Tầng 1")])
    setup.set_picture("nvr1.2", b"\xff\xd8")

    setup.add_device("nvr1", device(), None)

    (kept,) = setup.chosen
    assert (kept.key, kept.name, kept.place, kept.picture) == ("nvr1.2", "Quầy 2", "Tầng 1", b"")
    assert setup.accounts == {}


def test_devices_and_channels_are_bounded() -> None:
    """As many cameras as a document has, and no more devices than people install at once."""
    setup = with_device(500)

    with pytest.raises(SetupMistake):
        setup.add_device("nvr2", device(13, "10.0.0.10"), None)
    with pytest.raises(SetupMistake):
        setup.add_device("nvr3", device(0, "10.0.0.11"), None)

    assert len(setup.channels) == 500


def test_ids_are_made_of_names_and_never_taken_twice() -> None:
    """Also not from cameras that the site has, nor from recorders."""
    setup = with_device(4)
    setup.taken = frozenset({"quay1"})
    setup.choose(
        [
            Choice("nvr1.1", "Quầy 1"),
            Choice("nvr1.2", "Đường vào (cổng chính)"),
            Choice("nvr1.3", "NVR 1"),
            Choice("nvr1.4", "大厅"),
        ]
    )

    ids = setup.ids({})

    assert list(ids.values()) == ["quay12", "duongvaocongchin", "nvr12", "camera"]


def test_no_password_is_in_what_a_log_would_show() -> None:
    """Of the account, and of all that holds it."""
    assert "canary" not in repr(with_device())
