"""When the end of a certificate is told, and when replaced files are taken up."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from gateway.model.errors import BrokerUnavailable
from gateway.model.event import Event
from gateway.model.reasons import Reason
from gateway.mqtt.client.broker import certificate_info, own_certificate_fault, own_certificate_info
from gateway.mqtt.client.certificates import CertificateWatcher
from tests.fixtures.broker import Authority
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.presence import EventLog

DAY_MS = 86_400_000


async def warned(folder: Path, *days: float) -> list[Event]:
    """Return what is told when our certificate, of 100 days, is looked at with *days* left."""
    tls = Authority.create(folder).issue("79/x", days=(-1, 100))
    paper, told = own_certificate_info(tls), EventLog()
    assert paper is not None
    left = iter(days)
    clock = FakeClock()
    done = asyncio.Event()

    def wall_ms() -> int:
        try:
            return paper.ends_ms - round(next(left) * DAY_MS)
        except StopIteration:
            done.set()
            return paper.ends_ms - 99 * DAY_MS

    watch = CertificateWatcher(
        tls, events=told, reconnect=lambda _: None, clock=clock, wall_ms=wall_ms
    )
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        watching = group.create_task(watch.run(), name="certificates")
        await done.wait()
        watching.cancel()
    return told.events


@pytest.mark.parametrize(("left", "said"), [(30, 30), (14, 14), (7, 7), (1, 1), (-3, 0)])
async def test_the_end_is_told_in_advance(tmp_path: Path, left: float, said: int) -> None:
    """30, 14, 7 and 1 days before, and after it."""
    (event,) = await warned(tmp_path, left, left)

    assert (event.kind, event.facts["whose"], event.facts["days"]) == ("cert.ends", "gateway", said)


async def test_there_is_time_enough_at_31_days(tmp_path: Path) -> None:
    """Nothing is told too early."""
    assert await warned(tmp_path, 31, 50) == []


async def test_each_warning_comes_once(tmp_path: Path) -> None:
    """However often the dates are looked at."""
    events = await warned(tmp_path, 40, 29, 28.5, 13, 12, 6, 5, 4, 0.5, 0.4)

    assert [each.facts["days"] for each in events] == [29, 13, 6, 0]


async def test_the_birth_says_which_certificate_it_is(tmp_path: Path) -> None:
    """By serial and last moment, in UTC."""
    tls = Authority.create(tmp_path).issue("79/x", days=(-1, 100))
    watch = CertificateWatcher(tls, events=EventLog(), reconnect=lambda _: None, clock=FakeClock())
    own, paper = watch.birth_certificate(), own_certificate_info(tls)

    assert own is not None
    assert paper is not None
    assert own.serial == paper.serial
    assert own.not_after.endswith("Z")


def test_a_brokers_certificate_has_ended_though_the_clock_was_set_back(tmp_path: Path) -> None:
    """T22: TLS asks the machine's clock; we ask the least time that it can be."""
    authority = Authority.create(tmp_path)
    paper = own_certificate_info(authority.issue("broker", days=(-30, -1)))
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "broker.pem").read_text())
    assert paper is not None

    def watcher(wall_ms: int) -> CertificateWatcher:
        return CertificateWatcher(
            None,
            events=EventLog(),
            reconnect=lambda _: None,
            clock=FakeClock(),
            wall_ms=lambda: wall_ms,
        )

    watcher(paper.ends_ms - DAY_MS).on_peer_certificate(der)
    with pytest.raises(BrokerUnavailable) as caught:
        watcher(paper.ends_ms + DAY_MS).on_peer_certificate(der)

    assert caught.value.reason is Reason.TLS_EXPIRED


async def test_a_renewed_certificate_is_taken_up(tmp_path: Path) -> None:
    """It comes beside the first one, which stays where it is; the connection is made anew."""
    authority = Authority.create(tmp_path)
    first = authority.issue("79/x", days=(-90, 10))
    assert first.cert_file is not None
    tls = first.model_copy(update={"renewed_file": tmp_path / "state.pem"})
    asked, clock = asyncio.Event(), FakeClock()
    watch = CertificateWatcher(
        tls, events=EventLog(), reconnect=lambda _: asked.set(), clock=clock, check_s=1.0
    )
    begins = watch.ends_ms
    later = same_key_later(authority, first.cert_file)
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        watching = group.create_task(watch.run(), name="certificates")
        (tmp_path / "state.pem").write_bytes(later)
        await asked.wait()
        watching.cancel()

    assert begins is not None
    assert watch.ends_ms is not None
    assert watch.ends_ms > begins


def same_key_later(authority: Authority, path: Path) -> bytes:
    """Return a certificate for the key of that in *path*, which ends a year later."""
    old = x509.load_pem_x509_certificate(path.read_bytes())
    made = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc + dt.timedelta(days=365))
        .sign(authority.key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


async def test_without_tls_there_is_nothing_to_watch() -> None:
    """The component is done at once."""
    watch = CertificateWatcher(None, events=EventLog(), reconnect=lambda _: None, clock=FakeClock())
    async with asyncio.timeout(HANG_S):
        await watch.run()

    assert watch.birth_certificate() is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_certificate_that_is_none_has_no_dates(tmp_path: Path, content: bytes) -> None:
    """Neither ours in a file nor the broker's on the line."""
    tls = Authority.create(tmp_path).issue("79/x")
    assert tls.cert_file is not None
    tls.cert_file.write_bytes(content)

    assert own_certificate_info(tls) is None
    assert certificate_info(content) is None


def test_a_clock_that_is_behind_is_asked_again_soon(tmp_path: Path) -> None:
    """Within 15 s of being set the gateway is connected: the next try is 12 s away at most."""
    tls = Authority.create(tmp_path).issue("79/x")
    fault = own_certificate_fault(tls, 0)

    assert fault is not None
    assert fault.reason is Reason.TLS_NOT_YET_VALID
    assert fault.longest_s <= 12
