"""The listener for machines and administrators, when its disk, its authority or a client is odd."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa

from gateway.centre.enrolment.admin_access import AdminAccess
from gateway.centre.enrolment.authority import ISSUING_DAYS
from gateway.centre.enrolment.broker_files import write_broker_files
from gateway.console.enrolment import RENEW_AGAIN_S, RENEW_S, REVOKED_S, EnrolmentServer
from gateway.console.server import Console
from gateway.console.settings import Settings
from gateway.console.site_registry import Change
from gateway.enrolment.client import trusting
from gateway.enrolment.messages import SERVER_NAME
from gateway.mqtt.client.broker import BrokerAddress
from gateway.mqtt.payloads.presence import encode_online
from gateway.mqtt.topics import Topics
from gateway.ports import InboundMessage
from gateway.runtime.clock import SystemClock
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.enrolment import SITE, EnrolmentCentre, enrolled, make_box, make_centre, serving
from tests.unit.console.centre import MACHINE, Site


class FewSleeps(SystemClock):
    """A clock by which so many sleeps end at once; *enough* is set at the one after them."""

    def __init__(self, most: int) -> None:
        self.slept: list[float] = []
        self.enough = asyncio.Event()
        self._most = most

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        if len(self.slept) > self._most:
            self.enough.set()
            await asyncio.Event().wait()


def server(centre: EnrolmentCentre, clock: SystemClock) -> EnrolmentServer:
    return EnrolmentServer(centre.settings, clock=clock, proxies=frozenset())


def rename_table(centre: EnrolmentCentre, old: str, new: str) -> None:
    """Have the database of *centre* not answer what it is asked, or answer it again."""
    with centre.registry.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))


@asynccontextmanager
async def talking(url: str, tls: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client that keeps its cookie, as the page's own scripts have it."""
    async with aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(ssl=tls),
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        headers={"Origin": url},
    ) as session:
        yield session


async def test_a_database_that_does_not_answer_ends_nothing(tmp_path: Path) -> None:
    """Who was shut out stays out, and what is revoked meanwhile is noticed afterwards."""
    centre = make_centre(tmp_path)
    clock = FewSleeps(1)
    watching = server(centre, clock)
    rename_table(centre, "sites", "hidden")

    async with asyncio.TaskGroup() as group, asyncio.timeout(HANG_S):
        task = group.create_task(watching.watch_revoked(), name="revoked")
        await clock.enough.wait()
        task.cancel()

    assert clock.slept == [REVOKED_S] * 2
    assert watching.revoked == frozenset()


async def test_an_authority_that_has_ended_ends_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener's own certificate is not renewed then; it is tried again."""
    centre = make_centre(tmp_path)
    clock = FewSleeps(2)
    renewing = server(centre, clock)
    later = int(centre.authority.chain[0].not_valid_after_utc.timestamp() * 1000) + 1
    monkeypatch.setattr("gateway.centre.enrolment.authority.now_ms", lambda: later)

    async with asyncio.TaskGroup() as group, asyncio.timeout(HANG_S):
        task = group.create_task(renewing.renew_own(), name="renew")
        await clock.enough.wait()
        task.cancel()

    assert clock.slept == [RENEW_S, RENEW_AGAIN_S, RENEW_AGAIN_S]
    assert ISSUING_DAYS * 86_400 > RENEW_S


def test_what_a_revoked_site_says_is_ignored_and_its_row_says_why(tmp_path: Path) -> None:
    """From the first message after a start on: its last state may stand at the broker for years."""
    centre = make_centre(tmp_path)
    centre.code()
    centre.registry.revoke(SITE.id, client="test")
    broker = BrokerAddress(host="127.0.0.1", port=1)
    console = Console(Settings(broker=broker, enrolment=centre.settings), clock=FakeClock())
    said = Site(Topics("24", SITE.id))

    for topic, encoded in (
        (said.topics.presence, encode_online(said.stamp(), MACHINE)),
        (Topics("24", "hue-01").presence, encode_online(said.stamp(), MACHINE)),
    ):
        console.deliver(InboundMessage(topic, encoded[1], retain=True, content_type=encoded[0]))

    views = [console._registry.view(Change(f"24/{gateway}")) for gateway in (SITE.id, "hue-01")]
    assert [each.invalid for each in views if each is not None] == ["presence:  revoked", ""]


async def test_a_machine_is_told_of_a_fault_of_the_centre(tmp_path: Path) -> None:
    """Not of its own; and its code is good for it afterwards."""
    centre = make_centre(tmp_path / "centre")
    code = centre.code()
    async with serving(centre) as url:
        rename_table(centre, "codes", "hidden")
        async with (
            talking(url, trusting(centre.authority.root_pem)) as session,
            session.post("/enrol/v1/renew", data=b"{}") as answer,
        ):
            assert answer.status == 400
        with pytest.raises(Exception, match="centre_fault: its log says which"):
            await enrolled(url, code, make_box(tmp_path / "box"))

        rename_table(centre, "hidden", "codes")
        await enrolled(url, code, make_box(tmp_path / "other"))


@pytest.mark.parametrize(
    "header",
    [
        b"Origin: https://127.0.0.1\r\nCookie: __Secure-camera-gateway-admin=\xff\xfe",
        b"Origin: https://[",
        b"Host: [",
    ],
    ids=["cookie", "origin", "host"],
)
async def test_odd_headers_are_refused_as_any_stranger_is(tmp_path: Path, header: bytes) -> None:
    """No byte of a header is a fault of the server."""
    centre = make_centre(tmp_path)
    async with serving(centre) as url, asyncio.timeout(HANG_S):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            int(url.rpartition(":")[2]),
            ssl=trusting(centre.authority.root_pem),
            server_hostname=SERVER_NAME,
        )
        host = b"" if header.startswith(b"Host") else b"Host: 127.0.0.1\r\n"
        writer.write(b"POST /admin/api/sites HTTP/1.1\r\n" + host + header)
        writer.write(b"\r\nContent-Length: 0\r\n\r\n")
        answer = await reader.readline()
        writer.close()

    assert answer.split()[1] in (b"401", b"403", b"421")


async def test_a_site_that_gets_a_code_again_is_let_in_by_the_broker(tmp_path: Path) -> None:
    """What has shut it out is taken back with the code, without another command."""
    acl = tmp_path / "acl"
    acl.write_text("pattern read cgw/v1/%u/dn/#\n")
    centre = make_centre(tmp_path / "centre", acl_file=acl)
    centre.code()
    again = SITE.model_dump() | {"again": True}
    async with serving(centre) as url, talking(url, trusting(centre.authority.root_pem)) as session:
        token = AdminAccess(centre.registry.engine).make_link()
        for path, body in (("session", {"token": token}), ("revoke", {"id": SITE.id})):
            async with session.post(f"/admin/api/{path}", json=body) as answer:
                assert answer.status == 200
        assert "topic deny #" in acl.read_text()

        async with session.post("/admin/api/sites", json=again) as answer:
            assert answer.status == 200

    assert "deny" not in acl.read_text()


def test_the_broker_has_files_where_its_own_user_can_read_them(tmp_path: Path) -> None:
    """The centre's folder has keys: nobody but its owner enters it."""
    tls = tmp_path / "tls"
    tls.mkdir()
    files = {"ca_file": tls / "ca.pem", "crl_file": tls / "crl.pem"}
    centre = make_centre(tmp_path / "centre", **files)

    written = write_broker_files(centre.settings, centre.registry, centre.authority)

    assert set(files.values()) < set(written)
    assert files["ca_file"].read_text() == centre.authority.bundle_pem
    assert "X509 CRL" in files["crl_file"].read_text()
    assert {each.stat().st_mode & 0o777 for each in files.values()} == {0o644}
