"""Fetches a bundle by HTTPS into a file, and goes on with it after a line or a machine that died.

One GET for what is missing (RFC 9110 section 14, ``Range``), from a host that the settings name; no
redirect is followed. What comes is bounded by the size that the centre has signed, and is worth
something only if its SHA-256 is the one that the centre has signed.

Sources: RFC 9110 sections 14 and 15, RFC 9112.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.model.errors import TransientError, UpdateRefused
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.runtime import atomic_file
from gateway.runtime.https_client import CHUNK_BYTES, get_at, https_session
from gateway.runtime.https_url import HttpsTarget, parse_https_url
from gateway.runtime.resolver import addresses_of
from gateway.updates.order import BUNDLE
from gateway.updates.wanted import WantedRelease

if TYPE_CHECKING:
    import aiohttp

PART = ".part"
"""Ends the name of what is not whole yet; before it stands of what."""

HEAD_S = 20.0
"""For the connection and the head of the answer."""

STALLED_S = 30.0
SYNC_BYTES = 16 << 20
"""After so many bytes they are brought to the disk: what is resumed after a power cut is there."""

MARGIN_BYTES = 64 << 20
"""What has to be free besides: other things are written here as well."""

GONE = frozenset({301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410})
"""Answers that asking again does not change."""

_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15})")


class Download:
    """Fetches bundles into one folder.

    Args:
        folder: Of the gateway's own.
        hosts: Where they may come from.
        ca_file: Authority of those hosts; None: the system's.
        max_kbps: So fast at most, on the average; 0: no limit.
        clock: Monotonic.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hosts: tuple[str, ...],
        ca_file: Path | None,
        max_kbps: int,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._hosts = frozenset(each.lower() for each in hosts)
        self._ca_file = ca_file
        self._max_kbps = max_kbps
        self._clock = clock

    def parse_url(self, url: str) -> HttpsTarget:
        """Return where *url* leads to. Raises MessageRejected: that is not allowed."""
        return parse_https_url(url, self._hosts, at="/args/url", setting="[updates] hosts")

    async def fetch(self, wanted: WantedRelease, progress: Callable[[int], None]) -> None:
        """Have the whole of *wanted* as `BUNDLE` in the folder, from wherever that stopped.

        Args:
            wanted: What, from where.
            progress: Is told how many bytes are there.

        Raises:
            MessageRejected: The settings do not allow its URL any more.
            UpdateRefused: It is not there, or not what was signed.
            TransientError: The line, the server or the disk fails; it can be gone on with.
        """
        if await asyncio.to_thread(_is, self._folder / BUNDLE, wanted.sha256):
            return
        part = self._folder / part_name(wanted)
        try:
            await asyncio.to_thread(_remove_others, part)
            have = await asyncio.to_thread(_size_of, part, wanted.bytes)
            self._ensure_space(wanted.bytes - have)
            progress(have)
            if have < wanted.bytes:
                await self._fetch_rest(wanted, part, have, progress)
            if not await asyncio.to_thread(_is, part, wanted.sha256):
                part.unlink()
                detail = "what came has another SHA-256 than the centre has said"
                if have:  # some of it was from before: from the beginning it may be right
                    raise TransientError(Reason.UPDATE_DAMAGED, detail)
                raise UpdateRefused(Reason.UPDATE_DAMAGED, detail)
            await asyncio.to_thread(_finish, part, self._folder / BUNDLE)
        except OSError as error:
            raise atomic_file.disk_error(part, error) from None

    def _ensure_space(self, missing: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < missing + MARGIN_BYTES:
            detail = f"{(missing + MARGIN_BYTES) >> 20} MiB must be free: {free >> 20}"
            raise TransientError(Reason.DISK_FULL, detail)

    async def _fetch_rest(
        self, wanted: WantedRelease, part: Path, have: int, progress: Callable[[int], None]
    ) -> None:
        target = self.parse_url(wanted.url)
        async with self._session() as session, _errors_of(target):
            async with asyncio.timeout(HEAD_S):
                answer = await self._ask(session, target, have)
            try:
                at = _begins_at(answer, wanted.bytes, have, part)
                await self._write(answer, part, at, wanted.bytes, progress)
            finally:
                answer.close()

    def _session(self) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
        return https_session(self._ca_file, setting="[updates] ca_file", reason=Reason.TLS_FAILED)

    async def _ask(
        self, session: aiohttp.ClientSession, target: HttpsTarget, have: int
    ) -> aiohttp.ClientResponse:
        address = str((await addresses_of(target.host))[0])
        headers = {"Accept": "*/*"}
        if have:
            headers["Range"] = f"bytes={have}-"
        return await get_at(session, target, address, headers=headers)

    async def _write(
        self,
        answer: aiohttp.ClientResponse,
        part: Path,
        at: int,
        most: int,
        progress: Callable[[int], None],
    ) -> None:
        """Append the body of *answer* to the first *at* bytes of *part*; *most* in all."""
        begun_s, begun_at, synced_at = self._clock.now(), at, at
        with part.open("ab") as file:
            file.truncate(at)
            while at < most:
                async with asyncio.timeout(STALLED_S):
                    piece = await answer.content.read(CHUNK_BYTES)
                if not piece:
                    raise TransientError(Reason.STALLED, f"{most - at} bytes are missing")
                if at + len(piece) > most:
                    detail = f"more comes than the {most} bytes that the centre has said"
                    raise UpdateRefused(Reason.UPDATE_DOWNLOAD, detail)
                file.write(piece)
                at += len(piece)
                progress(at)
                if at - synced_at >= SYNC_BYTES or at == most:
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
                    synced_at = at
                await self._keep_pace(at - begun_at, self._clock.now() - begun_s)

    async def _keep_pace(self, received: int, took_s: float) -> None:
        if self._max_kbps and (ahead_s := received / self._max_kbps / 125 - took_s) > 0:
            await self._clock.sleep(ahead_s)


def part_name(wanted: WantedRelease) -> str:
    """Return the name of the file that holds what has come of *wanted* so far."""
    return f"{wanted.sha256[:16]}{PART}"


@asynccontextmanager
async def _errors_of(target: HttpsTarget) -> AsyncIterator[None]:
    """Turn the errors of the line into ours, once there is a session."""
    import aiohttp

    place = target.authority
    try:
        yield
    except TimeoutError:
        raise TransientError(Reason.TIMEOUT, f"{place} does not answer in time") from None
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise TransientError(Reason.TLS_FAILED, f"{place}: {type(error).__name__}") from None
    except aiohttp.ClientConnectorError as error:
        detail = f"{place}: {error.os_error.strerror or 'cannot be connected to'}"
        raise TransientError(Reason.UNREACHABLE, detail) from None
    except aiohttp.ClientError as error:
        raise TransientError(Reason.STALLED, f"{place}: {type(error).__name__}") from None


def _begins_at(answer: aiohttp.ClientResponse, size: int, have: int, part: Path) -> int:
    """Return where what *answer* brings belongs to, if it is what was asked for."""
    if answer.status == 206 and have:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is not None and (int(found[1]), int(found[2])) == (have, size):
            return have
        part.unlink()
        raise TransientError(Reason.CORRUPT, "the rest that came is not the one asked for")
    if answer.status == 416:
        part.unlink()
        raise TransientError(Reason.CORRUPT, "the server has less than what is here")
    if answer.status != 200:
        detail = f"the server answers {answer.status}"
        if answer.status in GONE:
            raise UpdateRefused(Reason.UPDATE_DOWNLOAD, detail)
        raise TransientError(Reason.UPDATE_DOWNLOAD, detail)
    if answer.content_length not in (None, size):
        detail = f"it has {answer.content_length} bytes, the centre has said {size}"
        raise UpdateRefused(Reason.UPDATE_DOWNLOAD, detail)
    return 0


def _remove_others(part: Path) -> None:
    """Remove what has come of other bundles, which nobody wants any more."""
    for other in part.parent.glob(f"*{PART}"):
        if other != part:
            other.unlink(missing_ok=True)


def _size_of(part: Path, most: int) -> int:
    """Return how much is there of *part*; what has more than *most* goes."""
    part.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        size = part.stat().st_size
    except FileNotFoundError:
        return 0
    if size > most:
        part.unlink()
        return 0
    return size


def _is(path: Path, sha256: str) -> bool:
    """Return whether *path* is there and has that digest. Reads it all."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _finish(part: Path, whole: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(whole)
    atomic_file.sync_folder(whole.parent)
