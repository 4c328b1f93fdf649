"""The set-up of a box as a state machine: what is known, what comes next. No I/O, no clock.

Both faces, the page and the questions in the terminal, drive one `Setup`. Whatever is asked of it
at the wrong time or with values that cannot be is a `SetupMistake`, and changes nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from gateway.model.errors import GatewayError
from gateway.model.names import Profile
from gateway.model.reasons import Wording
from gateway.model.wording import WORDING
from gateway.runtime.plain_text import printable
from gateway.setup.advice import Advice
from gateway.setup.camera_ids import camera_id

StepName = Literal["enrol", "account", "channels", "test", "save", "survey"]
STEPS: tuple[StepName, ...] = ("enrol", "account", "channels", "test", "save", "survey")

Signal = Literal["live", "none", "unknown"]

MOST_DEVICES, MOST_CHANNELS = 32, 512
"""As many cameras as a site document has."""

LONGEST_NAME, LONGEST_PLACE = 120, 200


class SetupMistake(Exception):
    """What was asked for cannot be done; the state is as before.

    Attributes:
        wording: Why, and what to do instead.
    """

    def __init__(self, wording: Wording) -> None:
        super().__init__(wording.en)
        self.wording = wording


def mistake(vi: str, en: str, vi_todo: str = "", en_todo: str = "") -> SetupMistake:
    """Return a mistake with these words."""
    return SetupMistake(Wording(vi, en, vi_todo, en_todo))


def words_of(error: GatewayError) -> Wording:
    """Return *error* as people read it: its reason, and what exactly was said."""
    words, detail = WORDING[error.reason], printable(error.detail)
    return Wording(f"{words.vi}: {detail}", f"{words.en}: {detail}", words.vi_todo, words.en_todo)


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in at a device.

    Attributes:
        username: Empty: the device asks for no login.
        password: Never shown again.
    """

    username: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class FoundChannel:
    """One channel, as a device or a template tells of it.

    Attributes:
        number: On the device, from 1.
        name: As the device calls it; empty: it does not say.
        signal: Whether a camera is connected to it, as far as the device says.
        streams: Their URLs, best first; a channel without any cannot be a camera.
    """

    number: int
    name: str
    signal: Signal
    streams: tuple[tuple[Profile, str], ...]


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A recorder or a camera.

    Attributes:
        host: Its address.
        maker: As it says, or as the person has chosen.
        model: Empty: not known.
        channels: At least one.
    """

    host: str
    maker: str
    model: str
    channels: tuple[FoundChannel, ...]


@dataclass(frozen=True, slots=True)
class StreamTest:
    """What a probe has found of one stream.

    Attributes:
        profile: Which.
        ok: Whether it can be watched.
        wording: What is wrong or should be mended; None: nothing.
        fact: What was seen, in figures.
        measured: The stream on one line; empty: nothing was measured.
        advice: What to change on the device.
    """

    profile: Profile
    ok: bool
    wording: Wording | None
    fact: str
    measured: str = ""
    advice: tuple[Advice, ...] = ()


@dataclass(slots=True)
class SetupChannel:
    """One channel and what has been chosen for it.

    Attributes:
        key: Its name on the page, ``nvr1.3``.
        device: The id of its device.
        found: As it was found.
        picture: JPEG; empty: there is none.
        picture_number: Grows with each picture.
        trouble: Why there is no picture; None: there is one, or it was not looked at.
        chosen: Whether it becomes a camera.
        name: What people call it.
        place: Where it hangs.
        tests: Of its streams, from the last test.
    """

    key: str
    device: str
    found: FoundChannel
    picture: bytes = b""
    picture_number: int = 0
    trouble: Wording | None = None
    chosen: bool = False
    name: str = ""
    place: str = ""
    tests: tuple[StreamTest, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether one of its streams at least can be watched, by the last test."""
        return any(each.ok for each in self.tests)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was ticked and written for one channel."""

    key: str
    name: str
    place: str = ""


@dataclass(slots=True)
class Setup:
    """Everything that is known while a box is set up.

    Attributes:
        step: Where the person is.
        taken: Ids of cameras that the site has already.
        devices: By id, in the order in which they were added.
        accounts: Of those devices that ask for a login.
        channels: By key.
        site_name: As the centre has it; empty: not known.
        enrolled: As whom this box is enrolled; empty: it is not.
        saved: Whether the document on the disk is what was chosen.
    """

    step: StepName = "enrol"
    taken: frozenset[str] = frozenset()
    devices: dict[str, FoundDevice] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    channels: dict[str, SetupChannel] = field(default_factory=dict)
    site_name: str = ""
    enrolled: str = ""
    saved: bool = False

    def reachable(self) -> tuple[StepName, ...]:
        """Return the steps that may be gone to now."""
        steps: list[StepName] = ["enrol", "account"]
        if self.channels:
            steps.append("channels")
        if self.chosen:
            steps.append("test")
        if any(each.tests for each in self.chosen):
            steps.append("save")
        if self.saved:
            steps.append("survey")
        return tuple(steps)

    def go(self, step: StepName) -> None:
        """Go to *step*. Raises SetupMistake: something before it is missing."""
        if step not in self.reachable():
            missing = {
                "channels": ("Chưa có đầu ghi nào", "There is no recorder yet"),
                "test": ("Chưa chọn camera nào", "No camera has been ticked yet"),
                "save": ("Chưa kiểm tra camera", "The cameras have not been tested yet"),
                "survey": ("Chưa lưu", "Nothing has been saved yet"),
            }
            raise mistake(*missing[step])
        self.step = step

    @property
    def chosen(self) -> tuple[SetupChannel, ...]:
        """The channels that become cameras."""
        return tuple(each for each in self.channels.values() if each.chosen)

    def add_device(self, name: str, device: FoundDevice, account: Account | None) -> None:
        """Add *device* as *name*; what was known of its host is replaced.

        Raises:
            SetupMistake: There are too many, or it has no channel.
        """
        if not device.channels:
            raise mistake("Thiết bị không có kênh nào", "The device has no channel")
        others = {key: each for key, each in self.channels.items() if each.device != name}
        if name not in self.devices and len(self.devices) >= MOST_DEVICES:
            raise mistake(
                f"Nhiều nhất {MOST_DEVICES} thiết bị một lần", f"At most {MOST_DEVICES} devices"
            )
        if len(others) + len(device.channels) > MOST_CHANNELS:
            raise mistake(f"Nhiều nhất {MOST_CHANNELS} kênh", f"At most {MOST_CHANNELS} channels")
        self.devices[name] = device
        self.accounts.pop(name, None)
        if account is not None:
            self.accounts[name] = account
        before = {each.key: each for each in self.channels.values() if each.device == name}
        self.channels = others
        for found in device.channels:
            key = f"{name}.{found.number}"
            known = before.get(key)
            channel = SetupChannel(key, name, found)
            if known is not None:
                channel.chosen, channel.name = known.chosen, known.name
                channel.place, channel.picture_number = known.place, known.picture_number
            self.channels[key] = channel
        self.saved = False

    def set_picture(self, key: str, jpeg: bytes, trouble: Wording | None = None) -> None:
        """Note the picture of a channel, or why there is none. An unknown *key* is left out."""
        channel = self.channels.get(key)
        if channel is not None:
            channel.picture, channel.trouble = jpeg, trouble
            channel.picture_number += 1

    def choose(self, choices: Sequence[Choice]) -> None:
        """Make these channels, and no others, cameras.

        Raises:
            SetupMistake: None is chosen, one is unknown or comes twice, or a name is missing, too
                long or used twice.
        """
        cleaned = {each.key: _cleaned(each) for each in choices}
        if not choices:
            raise mistake("Hãy chọn ít nhất một camera", "Tick one camera at least")
        if len(cleaned) < len(choices) or not cleaned.keys() <= self.channels.keys():
            raise mistake("Kênh không có ở đây", "No such channel here")
        for key in cleaned:
            if not self.channels[key].found.streams:
                raise mistake(f"Kênh {key} không có luồng hình", f"Channel {key} has no stream")
        _check_names(cleaned.values())
        for key, channel in self.channels.items():
            choice = cleaned.get(key)
            channel.chosen = choice is not None
            if choice is not None:
                channel.name, channel.place = choice.name, choice.place
            else:
                channel.tests = ()
        self.saved = False

    def set_tests(self, key: str, tests: tuple[StreamTest, ...]) -> None:
        """Note what a test has found of a channel. An unknown *key* is left out."""
        channel = self.channels.get(key)
        if channel is not None:
            channel.tests = tests

    def ids(self, known: dict[str, str]) -> dict[str, str]:
        """Return an id for each chosen channel by its key; those in *known* keep theirs."""
        found = {each.key: known[each.key] for each in self.chosen if each.key in known}
        taken = {*self.taken, *self.devices, *found.values()}
        for channel in self.chosen:
            if channel.key not in found:
                found[channel.key] = camera_id(channel.name, taken)
                taken.add(found[channel.key])
        return found


def _cleaned(choice: Choice) -> Choice:
    """Return *choice* in NFC, with single spaces, and without what cannot be seen."""

    def clean(text: str) -> str:
        seen = "".join(char if char.isprintable() else " " for char in text)
        return " ".join(unicodedata.normalize("NFC", seen).split())

    return Choice(choice.key, clean(choice.name), clean(choice.place))


def _check_names(choices: Iterable[Choice]) -> None:
    used: set[str] = set()
    for choice in choices:
        where = choice.key
        if not choice.name:
            raise mistake(f"Kênh {where} chưa có tên", f"Channel {where} has no name yet")
        if len(choice.name) > LONGEST_NAME or len(choice.place) > LONGEST_PLACE:
            raise mistake(
                f"Tên hoặc vị trí của kênh {where} quá dài",
                f"The name or place of channel {where} is too long",
            )
        if choice.name.casefold() in used:
            raise mistake(
                f"Tên “{choice.name}” được dùng hai lần", f"The name “{choice.name}” is used twice"
            )
        used.add(choice.name.casefold())
