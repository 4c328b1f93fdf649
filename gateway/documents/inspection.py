"""Has a document looked into by a child: what is in it can cost or break that child only."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress

import structlog

from gateway.documents.faults import DocumentFault, fault
from gateway.documents.messages import READY, REPLY_BYTES, pack_request, parse_faults
from gateway.model.document_template import DOCUMENT_BYTES, DocumentKind
from gateway.model.errors import TransientError
from gateway.model.reasons import Reason
from gateway.vision.child_process import start_child

WITHIN_S = 120.0
"""For the whole child. It has 6 s of processor time, which a busy machine may spread."""

log = structlog.get_logger(__name__)


async def inspect_document(content: bytes, kind: DocumentKind) -> tuple[DocumentFault, ...]:
    """Return what is wrong with *content*, the file of a document of *kind*; nothing: it is good.

    Raises:
        TransientError: No child can be started, or it does not answer.
    """
    if len(content) > DOCUMENT_BYTES:
        return (fault("", "size", got=len(content), most=DOCUMENT_BYTES),)
    try:
        process = await start_child(
            *(sys.executable, "-I", "-B", "-m", "gateway.documents.worker", str(os.getpid())),
            stdin=PIPE,
        )
    except OSError as error:
        detail = f"no child for documents: {error.strerror}"
        raise TransientError(Reason.DESCRIPTORS_LOW, detail) from None
    try:
        async with asyncio.timeout(WITHIN_S):
            reply, _ = await process.communicate(pack_request(kind, content))
    except TimeoutError:
        raise TransientError(Reason.TIMEOUT, "the child for documents does not answer") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if not reply.startswith(READY):
        raise TransientError(Reason.INTERNAL_ERROR, "the child for documents does not start")
    found = parse_faults(reply) if len(reply) <= REPLY_BYTES else None
    if found is None:  # ended by a limit: the file asks for too much; else it does what none does
        code = process.returncode or 0
        log.warning("document_child_lost", kind=kind.id, code=code)
        return (fault("", "cost"),) if code < 0 else (fault("", "form", form=kind.format.upper()),)
    return found
