"""A certificate is renewed by itself at a real centre, and used from then on."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509

from gateway.enrolment.renewal import Renewal, RenewalFiles, is_due
from gateway.mqtt.client.broker import Tls, certificate_file
from gateway.runtime.clock import SystemClock, now_ms
from tests.fixtures.enrolment import (
    SITE,
    EnrolmentCentre,
    age_certificates,
    enrolled,
    make_box,
)

pytestmark = pytest.mark.live
DAY_MS = 86_400_000


@pytest.fixture
async def box(centre: EnrolmentCentre, tmp_path: Path) -> Path:
    """The settings of a machine that was enrolled long ago."""
    settings = make_box(tmp_path / "box")
    await enrolled(centre.url, centre.code(), settings)
    age_certificates(centre, settings.parent / "tls" / "gateway.pem")
    return settings


def renewal(centre: EnrolmentCentre, box: Path) -> Renewal:
    tls = box.parent / "tls"
    files = RenewalFiles(
        tls / "gateway.pem",
        tls / "gateway.key",
        tls / "ca.pem",
        box.parent / "state" / "tls" / "gateway.pem",
    )
    return Renewal(centre.url, files, wall_ms=now_ms, clock=SystemClock())


async def test_a_certificate_is_renewed_and_preferred(centre: EnrolmentCentre, box: Path) -> None:
    """The key stays, the new one lies where the service may write, and is what is shown."""
    tls = box.parent / "tls"
    new = box.parent / "state" / "tls" / "gateway.pem"

    assert await renewal(centre, box).renew_if_due()

    files = Tls(cert_file=tls / "gateway.pem", key_file=tls / "gateway.key", renewed_file=new)
    assert certificate_file(files) == new
    assert not await renewal(centre, box).renew_if_due()


async def test_a_revoked_site_gets_none_and_says_so(centre: EnrolmentCentre, box: Path) -> None:
    """After three attempts the alarm about the certificate stands."""
    centre.registry.revoke(SITE.id, client="test")
    one = renewal(centre, box)

    for _ in range(3):
        assert not await one.renew_if_due()

    assert one.is_failing


async def test_a_machine_that_was_enrolled_anew_shows_its_new_certificate(
    centre: EnrolmentCentre, box: Path
) -> None:
    """A renewed certificate of the former key counts for nothing any more."""
    assert await renewal(centre, box).renew_if_due()
    await enrolled(centre.url, centre.code(again=True), box)

    tls = box.parent / "tls"
    new = box.parent / "state" / "tls" / "gateway.pem"
    files = Tls(cert_file=tls / "gateway.pem", key_file=tls / "gateway.key", renewed_file=new)
    assert certificate_file(files) == tls / "gateway.pem"


async def test_it_is_time_at_two_thirds(box: Path) -> None:
    """Not before, and at most a day later, so that many do not come at once."""
    raw = (box.parent / "tls" / "gateway.pem").read_bytes()
    certificate = x509.load_pem_x509_certificate(raw)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    moment_ms = round((begins + (ends - begins) * 2 / 3).timestamp() * 1000)

    assert not is_due(certificate, moment_ms - 1)
    assert is_due(certificate, moment_ms + DAY_MS)
    assert ends - begins > dt.timedelta(days=390)
