"""JPEG pictures of a camera over HTTP: a multipart stream, or one file again and again.

Which of both the camera does, its answer tells: ``multipart/x-mixed-replace`` or ``image/jpeg``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.model.errors import SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtp.jpeg import split_picture
from gateway.rtp.packet import Malformed
from gateway.rtp.picture import MAX_PICTURE_BYTES, CodedPicture
from gateway.rtsp.budget import PICTURES
from gateway.sources.http_client import HttpAnswer, HttpClient
from gateway.sources.http_container import container_of
from gateway.sources.jpeg_stream import JpegStream
from gateway.sources.multipart import MultipartParser, boundary_of

CORRUPT_PAUSE_S = 30.0
MOST_DAMAGED = 50
"""So many parts in a row that are no JPEG: the camera sends something else."""


class HttpPictures:
    """The pictures of one camera.

    Args:
        client: Asks the camera.
        every_s: From one single picture to the next, where the camera sends them so.
        stall_s: How long nothing may come.
        clock: Monotonic.

    Attributes:
        single: Whether the camera sends single pictures; known behind `accept`.
        discarded: Parts that were no JPEG.
        received_bytes: Of all bodies.
    """

    def __init__(self, client: HttpClient, *, every_s: float, stall_s: float, clock: Clock) -> None:
        self._client = client
        self._every_s = every_s
        self._stall_s = stall_s
        self._clock = clock
        self._answer: HttpAnswer | None = None
        self._damaged = 0
        self.single = False
        self.discarded = 0
        self.received_bytes = 0

    async def open(self) -> HttpAnswer:
        """Ask the camera; return the head of its answer.

        Raises:
            GatewayError: As `HttpClient.get` and `container_of`.
        """
        answer = await self._client.get()
        if await container_of(answer, self._stall_s) is not None:
            raise SourceStalled(Reason.SOURCE_ENDED, "the camera sends no pictures any more")
        self.accept(answer)
        return answer

    def accept(self, answer: HttpAnswer) -> None:
        """Take *answer*, for which `container_of` has found no container, for the camera's."""
        kind = answer.content_type.partition(";")[0].strip().lower()
        self.single = not kind.startswith("multipart/")
        self._answer = answer

    async def receive(self) -> AsyncGenerator[CodedPicture, None]:
        """Yield pictures for ever.

        Raises:
            GatewayError: The camera is silent, has hung up, sends no pictures or too many.
        """
        if self._answer is None:
            await self.open()
        while True:
            assert self._answer is not None
            answer, single = self._answer, self.single
            try:
                source = self._singles(answer) if single else self._parts(answer)
                async with aclosing(source) as pictures:
                    async for picture in pictures:
                        yield picture
            except Malformed as error:
                raise SourceUnavailable(
                    Reason.CORRUPT, str(error), pause_s=CORRUPT_PAUSE_S
                ) from error
            await self._clock.sleep(self._every_s)
            await self.open()

    async def _parts(self, answer: HttpAnswer) -> AsyncGenerator[CodedPicture, None]:
        parser = MultipartParser(boundary_of(answer.content_type))
        silent_since_s = self._clock.now()
        while piece := await answer.read(self._stall_s):
            self.received_bytes += len(piece)
            for part in parser.feed(piece):
                picture = self._picture(part)
                if picture is not None:
                    silent_since_s = self._clock.now()
                    yield picture
            if self._clock.now() - silent_since_s > 2 * self._stall_s:
                detail = f"bytes, but no picture in them for {2 * self._stall_s:g} s"
                raise SourceStalled(Reason.CORRUPT, detail)
        raise SourceStalled(Reason.SOURCE_ENDED, "the camera has ended the stream")

    async def _singles(self, answer: HttpAnswer) -> AsyncGenerator[CodedPicture, None]:
        """Yield the picture in *answer*, or those one behind the other in an endless one."""
        body = bytearray()
        stream = JpegStream() if answer.length is None else None
        found = 0
        if (answer.length or 0) > MAX_PICTURE_BYTES:
            raise Malformed(f"a picture of {answer.length} bytes")
        while piece := await answer.read(self._stall_s):
            self.received_bytes += len(piece)
            for whole in stream.feed(piece) if stream is not None else ():
                found += 1
                if picture := self._picture(whole):
                    yield picture
            if not found:
                body += piece
            if len(body) > MAX_PICTURE_BYTES:
                raise Malformed(f"a picture of more than {MAX_PICTURE_BYTES} bytes")
        if not found and (picture := self._picture(bytes(body))):
            yield picture

    def _picture(self, jpeg: bytes) -> CodedPicture | None:
        self._client.budget.charge(PICTURES)
        try:
            picture = split_picture(jpeg.lstrip(b"\r\n"))
        except Malformed:
            self.discarded += 1
            self._damaged += 1
            if self._damaged >= MOST_DAMAGED:
                raise
            return None
        self._damaged = 0
        return picture
