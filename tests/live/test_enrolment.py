"""A machine enrols at a centre over real TLS, and Mosquitto lets it in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config.load import load_settings
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from tests.fixtures.enrolment import (
    SITE,
    EnrolmentCentre,
    enrolled,
    make_box,
    make_centre,
    serving,
)

pytestmark = pytest.mark.live


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[EnrolmentCentre]:
    """A centre that serves."""
    made = make_centre(tmp_path / "centre")
    async with serving(made):
        yield made


async def test_a_code_gives_the_box_its_identity(centre: EnrolmentCentre, tmp_path: Path) -> None:
    """Settings, key and certificate are there, and all else is as the installer wrote it."""
    box = make_box(tmp_path / "box")

    steps = await enrolled(centre.url, centre.code(), box)

    assert steps[-1].identity == SITE
    settings = load_settings(box)
    assert (settings.gateway.id, settings.gateway.province) == (SITE.id, "24")
    assert settings.broker.host == "localhost"
    assert settings.enrolment.url == centre.url
    assert "# Mã thiết bị, duy nhất trên cả nước" in box.read_text()
    assert (box.parent / "tls" / "gateway.key").stat().st_mode & 0o777 == 0o640
    assert not list((box.parent / "tls").glob(".*key"))


async def test_the_same_command_again_gives_the_same_certificate(
    centre: EnrolmentCentre, tmp_path: Path
) -> None:
    """An answer that was lost, or a technician who is not sure, is no other machine."""
    box, code = make_box(tmp_path / "box"), centre.code()
    await enrolled(centre.url, code, box)
    first = (box.parent / "tls" / "gateway.pem").read_text()

    await enrolled(centre.url, code, box)

    assert (box.parent / "tls" / "gateway.pem").read_text() == first
    assert not centre.registry.sites()[0].reused


async def test_another_machine_with_the_same_code_is_refused_and_told(
    centre: EnrolmentCentre, tmp_path: Path
) -> None:
    """The centre sees that somebody else has the code; the other machine is as it was."""
    code = centre.code()
    await enrolled(centre.url, code, make_box(tmp_path / "box"))
    other = make_box(tmp_path / "other")
    before = other.read_bytes()

    with pytest.raises(EnrolmentError) as caught:
        await enrolled(centre.url, code, other)

    assert caught.value.reason is EnrolmentReason.CODE_USED
    assert other.read_bytes() == before
    assert centre.registry.sites()[0].reused


async def test_the_code_goes_to_no_other_centre(centre: EnrolmentCentre, tmp_path: Path) -> None:
    """A server whose authority the code does not name gets nothing but a request for its root."""
    elsewhere = make_centre(tmp_path / "elsewhere")
    code = elsewhere.code()

    with pytest.raises(EnrolmentError) as caught:
        await enrolled(centre.url, code, make_box(tmp_path / "box"))

    assert caught.value.reason is EnrolmentReason.WRONG_CA
