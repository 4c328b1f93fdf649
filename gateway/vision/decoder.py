"""Decodes keyframes of all cameras in one worker process, one at a time.

A caller gets a picture or a reason. A worker that crashes is replaced; the crash is the reason that
the caller gets. The worker runs only while there is work, since it holds 60 MB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import structlog

from gateway.model.errors import NoPicture
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.runtime.bugs import report_bug
from gateway.vision.circuit_breaker import CircuitBreaker
from gateway.vision.metrics import PictureAnalysis, unpack_analysis
from gateway.vision.pipe import MAX_CODED_BYTES, MAX_REPLY_BYTES, MAX_WIDTH, Request, Status
from gateway.vision.worker_process import WorkerLost, WorkerProcess

QUEUE_TASKS = 8
TASK_S = 5.0
"""A keyframe of 4K takes 0.1 s on a desktop and ten times that on the smallest board."""
IDLE_S = 60.0
"""Twice the interval of picture checks: a gateway with open cameras keeps its worker."""
RESTART_S = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Task:
    camera: str
    request: Request
    reply: asyncio.Future[bytes]


class Decoder:
    """Decodes keyframes in a worker process while `run` runs.

    Attributes:
        deaths: Workers that died or had to be killed.

    Args:
        start: Starts a worker.
    """

    def __init__(
        self, *, clock: Clock, start: Callable[[], Awaitable[WorkerProcess]] | None = None
    ) -> None:
        self._clock = clock
        self._start = start or partial(WorkerProcess.start, answers_within_s=TASK_S)
        self._tasks: asyncio.Queue[_Task] = asyncio.Queue(QUEUE_TASKS)
        self._breaker = CircuitBreaker()
        self._worker: WorkerProcess | None = None
        self._lost_s: float | None = None
        self.deaths = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id; None while there is none."""
        return None if self._worker is None else self._worker.pid

    async def run(self) -> NoReturn:
        """Serve requests until cancelled. The worker has ended when this returns."""
        try:
            while True:
                task = await self._next_task()
                try:
                    await self._serve(task)
                except Exception as error:  # ends this picture only, and the worker that made it
                    report_bug("camera", error, task.camera)
                    _refuse(task, Reason.INTERNAL_ERROR, "a fault of the gateway's own program")
                    await self._stop_worker()
                finally:
                    _refuse(task, Reason.OVERLOADED, "the gateway is stopping")
        finally:
            while not self._tasks.empty():
                _refuse(self._tasks.get_nowait(), Reason.OVERLOADED, "the gateway is stopping")
            await self._stop_worker()

    async def analyze(
        self, camera: str, codec: Codec, coded: bytes, reference: bytes
    ) -> PictureAnalysis:
        """Return the analysis of *coded*, a keyframe in Annex B form.

        Args:
            camera: Its id, for the circuit breaker.
            codec: Of the keyframe.
            coded: Access unit with its parameter sets.
            reference: Thumbnail to compare with; empty if there is none.

        Raises:
            NoPicture: It cannot be decoded, or the decoder is busy or its circuit is open.
        """
        body = await self._request(camera, codec, coded, reference=reference)
        try:
            return unpack_analysis(body)
        except ValueError as error:
            raise NoPicture(Reason.CORRUPT, f"the decoder answers with {error}") from error

    async def encode_jpeg(
        self, camera: str, codec: Codec, coded: bytes, *, width: int, at_most_bytes: int
    ) -> bytes:
        """Return *coded* as JPEG, at most *width* pixels wide, within *at_most_bytes*.

        Quality is lowered first, then the size. Other arguments and errors as in `analyze`.
        """
        width = max(1, min(width, MAX_WIDTH))
        at_most_bytes = min(at_most_bytes, MAX_REPLY_BYTES)
        body = await self._request(camera, codec, coded, width=width, at_most_bytes=at_most_bytes)
        if not (body.startswith(b"\xff\xd8") and len(body) <= at_most_bytes):
            raise NoPicture(Reason.CORRUPT, "the decoder answers with what is no JPEG")
        return body

    async def _request(
        self,
        camera: str,
        codec: Codec,
        coded: bytes,
        *,
        width: int = 0,
        at_most_bytes: int = MAX_REPLY_BYTES,
        reference: bytes = b"",
    ) -> bytes:
        if not 0 < len(coded) <= MAX_CODED_BYTES:
            raise NoPicture(Reason.CORRUPT, f"a keyframe of {len(coded)} bytes is not decoded")
        request = Request(codec, coded, width, at_most_bytes, reference)
        task = _Task(camera, request, asyncio.get_running_loop().create_future())
        try:
            self._tasks.put_nowait(task)
        except asyncio.QueueFull:
            raise NoPicture(Reason.OVERLOADED, "too many pictures wait to be decoded") from None
        return await task.reply

    async def _next_task(self) -> _Task:
        """Return the next task; stop a worker that has been idle for `IDLE_S`."""
        if self._worker is not None:
            try:
                async with asyncio.timeout(IDLE_S):
                    return await self._tasks.get()
            except TimeoutError:
                await self._stop_worker()
        return await self._tasks.get()

    async def _serve(self, task: _Task) -> None:
        if task.reply.done():  # the caller was cancelled
            return
        if self._breaker.is_open_for_all(self._clock.now()):
            _refuse(task, Reason.OVERLOADED, "the decoder has crashed too often and rests")
            return
        if self._breaker.is_open(task.camera, self._clock.now()):
            _refuse(task, Reason.CORRUPT, "its pictures have crashed the decoder; left alone")
            return
        try:
            worker = await self._running_worker()
        except WorkerLost as error:
            self._record_loss(None, str(error))
            _refuse(task, Reason.OVERLOADED, f"the decoder {error}")
            return
        try:
            status, body = await worker.request(task.request)
        except WorkerLost as error:
            self._worker = None
            self._record_loss(task.camera, str(error))
            _refuse(task, Reason.CORRUPT, f"the decoder died of this picture: {error}")
            return
        if status is Status.DONE:
            if not task.reply.done():
                task.reply.set_result(body)
        else:
            _refuse(task, Reason.CORRUPT, body.decode("utf-8", "replace")[:200])

    async def _running_worker(self) -> WorkerProcess:
        """Return a running worker, a new one if need be. Raises WorkerLost."""
        if self._worker is not None and not self._worker.alive:
            await self._stop_worker()
            self._record_loss(None, "has ended unasked")
        if self._worker is None:
            if self._lost_s is not None:
                await self._clock.sleep(max(0.0, self._lost_s + RESTART_S - self._clock.now()))
            self._worker = await self._start()
        return self._worker

    async def _stop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.shield(worker.stop())

    def _record_loss(self, camera: str | None, why: str) -> None:
        now_s = self._lost_s = self._clock.now()
        self.deaths += 1
        self._breaker.record_crash(camera, now_s)
        log.warning(
            "decoder_worker_lost",
            camera=camera,
            detail=why,
            camera_circuit_open=camera is not None and self._breaker.is_open(camera, now_s),
            all_circuits_open=self._breaker.is_open_for_all(now_s),
        )


def _refuse(task: _Task, reason: Reason, detail: str) -> None:
    if not task.reply.done():
        task.reply.set_exception(NoPicture(reason, detail))
