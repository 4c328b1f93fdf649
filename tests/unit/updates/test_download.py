"""Downloads: whole and right in the end, from wherever they were broken off; else a reason."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.model.errors import MessageRejected, TransientError, UpdateRefused
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.updates.download import Download, part_name
from gateway.updates.order import BUNDLE
from gateway.updates.wanted import WantedRelease
from tests.fixtures.clock import HANG_S, FakeClock
from tests.fixtures.mirror import Mirror, mirror_of

CONTENT = bytes(range(256)) * 2_000

LOADING = """
import asyncio, sys, threading
from pathlib import Path

from gateway.model.errors import TransientError
from gateway.runtime.clock import SystemClock
from gateway.updates.download import Download, part_name
from gateway.updates.wanted import WantedRelease


def heard(event, arguments):
    if event == "import" and str(arguments[0]).startswith("aiohttp."):
        threads.add(threading.current_thread().name)


async def main():
    place = "localhost:1"
    folder = Path(sys.argv[1])
    download = Download(folder, hosts=(place,), ca_file=None, max_kbps=0, clock=SystemClock())
    facts = {"id": "1", "version": "0.2.0", "sha256": "0" * 64, "bytes": 1}
    wanted = WantedRelease(url=f"https://{place}/", **facts)
    try:
        await download.fetch(wanted, id)
    except TransientError:
        pass


threads = set()
sys.addaudithook(heard)
asyncio.run(main())
print(*threads)
"""
"""Says which thread loads aiohttp, in a process that has not got it yet."""


def wanted_of(mirror: Mirror, content: bytes = CONTENT) -> WantedRelease:
    return WantedRelease(
        id="o1",
        version="0.2.0",
        url=f"https://{mirror.host}/camera-gateway/arm64/0.2.0/x.update?sig=1",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )


def download_of(
    mirror: Mirror, folder: Path, *, kbps: int = 0, clock: Clock | None = None
) -> Download:
    return Download(
        folder / "update",
        hosts=(mirror.host,),
        ca_file=mirror.ca_file,
        max_kbps=kbps,
        clock=clock or FakeClock(),
    )


async def fetched(mirror: Mirror, folder: Path) -> list[int]:
    told: list[int] = []
    await download_of(mirror, folder).fetch(wanted_of(mirror), told.append)
    return told


async def test_a_bundle_is_fetched_whole(tmp_path: Path) -> None:
    """One request; how far it is is told on the way."""
    async with mirror_of(tmp_path, CONTENT) as mirror:
        told = await fetched(mirror, tmp_path)

    assert (tmp_path / "update" / BUNDLE).read_bytes() == CONTENT
    assert (mirror.asked, told[0], told[-1]) == ([0], 0, len(CONTENT))
    assert sorted(told) == told


async def test_a_download_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    """Also in another process: what is there is not asked for again."""
    async with mirror_of(tmp_path, CONTENT) as mirror:
        mirror.breaks_after = 200_000
        with pytest.raises(TransientError):
            await fetched(mirror, tmp_path)
        mirror.breaks_after = None
        await fetched(mirror, tmp_path)

    assert mirror.asked == [0, 200_000]
    assert (tmp_path / "update" / BUNDLE).read_bytes() == CONTENT


async def test_what_is_there_already_is_not_fetched(tmp_path: Path) -> None:
    """The program ended between the download and its request to root."""
    async with mirror_of(tmp_path, CONTENT) as mirror:
        await fetched(mirror, tmp_path)
        await fetched(mirror, tmp_path)

    assert mirror.asked == [0]


async def test_a_server_that_knows_no_ranges_sends_it_all_again(tmp_path: Path) -> None:
    """What was there is written over."""
    async with mirror_of(tmp_path, CONTENT) as mirror:
        mirror.breaks_after = 70_000
        with pytest.raises(TransientError):
            await fetched(mirror, tmp_path)
        mirror.breaks_after, mirror.ranges = None, False
        await fetched(mirror, tmp_path)

    assert (tmp_path / "update" / BUNDLE).read_bytes() == CONTENT


async def test_half_of_another_file_is_found_out(tmp_path: Path) -> None:
    """It is fetched again from the beginning, and then it is right."""
    (tmp_path / "update").mkdir()
    async with mirror_of(tmp_path, CONTENT) as mirror:
        (tmp_path / "update" / part_name(wanted_of(mirror))).write_bytes(bytes(100_000))
        with pytest.raises(TransientError, match="another SHA-256"):
            await fetched(mirror, tmp_path)
        await fetched(mirror, tmp_path)

    assert mirror.asked == [100_000, 0]


async def test_half_of_a_former_order_is_not_gone_on_with(tmp_path: Path) -> None:
    """It goes: the newer one begins at its beginning, and is right at once."""
    async with mirror_of(tmp_path, CONTENT[::-1]) as mirror:
        mirror.breaks_after = 200_000
        with pytest.raises(TransientError):
            await download_of(mirror, tmp_path).fetch(
                wanted_of(mirror, CONTENT[::-1]), lambda _: None
            )
        mirror.content, mirror.breaks_after = CONTENT, None
        await fetched(mirror, tmp_path)

    assert mirror.asked == [0, 0]
    assert [path.name for path in (tmp_path / "update").iterdir()] == [BUNDLE]


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_an_authority_that_cannot_be_read_is_named(
    tmp_path: Path, content: str | None
) -> None:
    """It is a line of the settings that is wrong, not the disk."""
    async with mirror_of(tmp_path, CONTENT) as mirror:
        mirror.ca_file = tmp_path / "other.pem"
        if content is not None:
            mirror.ca_file.write_text(content, encoding="ascii")
        with pytest.raises(TransientError, match=r"\[updates\] ca_file") as error:
            await fetched(mirror, tmp_path)

    assert error.value.reason == Reason.TLS_FAILED


def test_nobody_waits_while_the_library_is_loaded(tmp_path: Path) -> None:
    """It takes 0.2 s and more, in which no camera would be listened to."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )

    assert done.stdout.startswith("asyncio_")
    assert "MainThread" not in done.stdout


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CONTENT[:-1] + b"!", Reason.UPDATE_DAMAGED),
        (CONTENT + b"more", Reason.UPDATE_DOWNLOAD),
        (CONTENT[:-1], Reason.UPDATE_DOWNLOAD),
    ],
)
async def test_another_file_than_the_centre_has_signed_is_refused(
    tmp_path: Path, content: bytes, reason: Reason
) -> None:
    """Of another size not even its body is read."""
    async with mirror_of(tmp_path, content) as mirror:
        with pytest.raises(UpdateRefused) as error:
            await fetched(mirror, tmp_path)

    assert error.value.reason == reason
    assert not (tmp_path / "update" / BUNDLE).exists()


async def test_an_endless_body_ends_at_the_size_that_was_signed(tmp_path: Path) -> None:
    """A server that does not say how much it sends."""
    async with mirror_of(tmp_path, CONTENT) as mirror:
        mirror.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + CONTENT + bytes(900_000)
        with pytest.raises(UpdateRefused, match="more comes"):
            await fetched(mirror, tmp_path)

        part = tmp_path / "update" / part_name(wanted_of(mirror))

    assert part.stat().st_size <= len(CONTENT)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: https://localhost/x\r\n\r\n", UpdateRefused),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", UpdateRefused),
        (b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", TransientError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9_000 + b"\r\n\r\n", TransientError),
        (b"SSH-2.0-x\r\n", TransientError),
        (b"", TransientError),
    ],
)
async def test_an_answer_that_is_no_file_is_no_file(
    tmp_path: Path, answer: bytes, kind: type[Exception]
) -> None:
    """No redirect is followed; what may be right later is tried later."""
    async with mirror_of(tmp_path, CONTENT) as mirror:
        mirror.answer, mirror.breaks_after = answer, 0
        with pytest.raises(kind):
            await fetched(mirror, tmp_path)

    assert len(mirror.asked) == 1


async def test_a_server_of_another_authority_is_not_believed(tmp_path: Path) -> None:
    """TLS, with the authority of the settings and the name in the URL."""
    async with mirror_of(tmp_path, CONTENT) as mirror, mirror_of(tmp_path / "b", b"") as other:
        mirror.ca_file = other.ca_file
        with pytest.raises(TransientError) as error:
            await fetched(mirror, tmp_path)

    assert (error.value.reason, mirror.asked) == (Reason.TLS_FAILED, [])


@pytest.mark.parametrize(
    "url", ["http://localhost/x", "https://elsewhere.example/x", "https://u:p@localhost/x", "x"]
)
async def test_other_hosts_are_not_asked(tmp_path: Path, url: str) -> None:
    """The settings of this machine say from where releases may come."""
    async with mirror_of(tmp_path, CONTENT) as mirror:
        with pytest.raises(MessageRejected):
            download_of(mirror, tmp_path).parse_url(url)


async def test_the_viewers_keep_their_line(tmp_path: Path) -> None:
    """512 kB at 1,000 kbit/s take four seconds of the clock."""
    clock = FakeClock()
    async with mirror_of(tmp_path, CONTENT) as mirror:
        download = download_of(mirror, tmp_path, kbps=1_000, clock=clock)
        await download.fetch(wanted_of(mirror), lambda _: None)

    assert sum(clock.slept) == pytest.approx(len(CONTENT) * 8 / 1_000_000)
