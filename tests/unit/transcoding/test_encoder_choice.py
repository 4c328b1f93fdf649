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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("h264_v4l2m2m", "does not open (Invalid argument)"),
        ("ffmpeg/h264_vaapi", "No VA display found for device /dev/dri/renderD128"),
        ("ffmpeg/h264_qsv", "Error initializing an internal MFX session"),
        ("ffmpeg/h264_v4l2m2m", "can't configure encoder"),
        ("ffmpeg/drm", "Device creation failed"),
    ],
)
async def test_the_refusal_is_told_in_its_own_words(name: str, said: str) -> None:
    """What is wrong, and with which device, so that somebody can look for it."""
    assert said in await try_in_process(name)


async def test_the_programs_software_works() -> None:
    """The same way as that of hardware: four pictures, a keyframe when asked."""
    assert await try_in_process("ffmpeg/libx264") == ""


async def test_what_the_settings_ask_for_is_tried_alone() -> None:
    """And used, if it works; or else software, with the reason."""
    chosen, refused = EncoderChoice(asked="ffmpeg/libx264"), EncoderChoice(asked="ffmpeg/h264_qsv")
    await chosen.choose()
    await refused.choose()

    assert (chosen.name, chosen.why) == ("ffmpeg/libx264", "the first that was tried works")
    assert refused.name == FALLBACK
    assert refused.rejected.keys() == {"ffmpeg/h264_qsv"}


async def test_one_for_some_codecs_is_used_for_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Raspberry Pi 5 decodes H.265 in hardware, and has no encoder."""
    use_fake_trial(monkeypatch)
    monkeypatch.setattr(encoder_choice, "CANDIDATES", ("ffmpeg/drm", "works"))
    choice = EncoderChoice()
    await choice.choose()

    assert [choice.name_for(codec) for codec in ("h265", "h264")] == ["ffmpeg/drm", "works"]
    assert choice.why == "ffmpeg/drm works"
    choice.reject("ffmpeg/drm", "has ended")
    assert choice.name_for("h265") == "works"


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
    monkeypatch.setattr(encoder_choice, "WITHIN_S", (2.0,))
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


async def test_an_encoder_that_is_slow_the_first_time_gets_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A card that takes long to load the libraries."""
    use_fake_trial(monkeypatch)
    monkeypatch.setattr(encoder_choice, "WITHIN_S", (0.1, 60.0))

    assert await try_in_process("slow") == ""


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
