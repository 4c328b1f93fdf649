"""The encoder is chosen by trying it, and given up when it fails in use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.transcoding import encoder_choice
from gateway.transcoding.encoder_choice import FALLBACK, EncoderChoice, try_in_process
from tests.fixtures.transcoding import transcoding, use_fake_child

FAKE_TRIAL = Path(__file__).parents[2] / "fixtures/fake_encoder_trial.py"


def use_fake_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try encoders that are named for what they do."""
    monkeypatch.setattr(encoder_choice, "COMMAND", (sys.executable, str(FAKE_TRIAL)))


async def test_software_works() -> None:
    """Three pictures in, three that can be decoded out."""
    assert await try_in_process("libx264") == ""


@pytest.mark.parametrize("name", ["h264_v4l2m2m", "h264_vaapi", "h264_qsv", "h264_nvenc", "x"])
async def test_what_this_machine_does_not_have_says_why(name: str) -> None:
    """The real refusals of FFmpeg."""
    assert await try_in_process(name) != ""


async def test_without_hardware_software_is_chosen_and_the_reason_told() -> None:
    """For health and `check`."""
    choice = EncoderChoice()
    assert (choice.name, choice.why) == (FALLBACK, "nothing else has been tried yet")
    await choice.choose()

    assert choice.name == FALLBACK
    assert choice.why.startswith("h264_v4l2m2m: ")


async def test_the_first_that_works_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one that hangs, one that dies, and one that says what is wrong."""
    use_fake_trial(monkeypatch)
    monkeypatch.setattr(encoder_choice, "WITHIN_S", 2.0)
    monkeypatch.setattr(
        encoder_choice, "CANDIDATES", ("hangs", "dies", "complains", "works", "never")
    )
    choice = EncoderChoice()
    await choice.choose()

    assert choice.name == "works"
    assert choice.rejected == {
        "hangs": "does not answer within 2 s",
        "dies": "its trial ends with -9",
        "complains": "no device",
    }


async def test_an_encoder_that_fails_in_use_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two deaths within a minute software encodes, and the viewer stays."""
    use_fake_child(monkeypatch, "dies-with-hardware")
    choice = EncoderChoice("h264_v4l2m2m", tried=True)
    async with transcoding(encoder=choice) as made:
        await made.send_until(lambda: len(made.units) >= 3)

        assert made.source.deaths == 2
        assert made.source.state.encoder == FALLBACK
        assert made.stream.readers == 1
    assert choice.name == FALLBACK
    assert "failed in use: has ended" in choice.why
