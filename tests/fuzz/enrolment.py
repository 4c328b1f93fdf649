"""Requests damaged at random, and bytes that are none, into the centre's answers, until time is up.

    python -m tests.fuzz.enrolment SECONDS SEED

Only an answer with a status below 500 may come out, and no site may be enrolled by a request whose
code or key was damaged. Prints what was tried, and the seed of a failure.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from random import Random

import structlog

from gateway.centre.enrolment.authority import new_key
from gateway.centre.enrolment.service import EnrolmentService
from gateway.enrolment.certificate import request_of
from gateway.enrolment.code import CodeError, parse_code
from gateway.enrolment.errors import EnrolmentReason
from gateway.runtime.clock import SystemClock
from tests.fixtures.enrolment import EnrolmentCentre, make_centre
from tests.fuzz.rtsp import damaged


@cache
def good() -> tuple[EnrolmentCentre, bytes, str]:
    """Return a centre, a request that it would grant, and its code."""
    centre = make_centre(Path(tempfile.mkdtemp(prefix="enrolment-")))
    code = str(centre.code())
    return centre, json.dumps({"code": code, "csr": request_of(new_key())}).encode(), code


def made_up(random: Random) -> bytes:
    """Return what a stranger might send."""
    _, raw, code = good()
    kind = random.random()
    if kind < 0.1:
        return random.randbytes(random.randrange(9_000))
    if kind < 0.4:  # another code
        tree = json.loads(raw) | {"code": damaged(code.encode(), random).decode("latin-1")}
        return json.dumps(tree).encode()
    return damaged(raw, random)


def try_request(seed: int) -> bool:
    """Send one; return whether it was granted."""
    centre, _, code = good()
    service = EnrolmentService(
        centre.settings, centre.authority, centre.registry, clock=SystemClock()
    )
    sent = made_up(Random(seed))
    enrolled = service.answer_enrol(sent, "fuzz")
    renewed = service.answer_renew(sent, "fuzz")
    for answer in (enrolled, renewed):
        if answer.status != 200:
            EnrolmentReason(json.loads(answer.body)["reason"])
        assert answer.status < 500
    if enrolled.status != 200:
        return False
    try:
        assert parse_code(json.loads(sent)["code"]) == parse_code(code)
    except CodeError:
        raise AssertionError("a code that is none was taken") from None
    return True


def main() -> None:
    """Try requests for so many seconds."""
    until_s, seed, whole = time.monotonic() + float(sys.argv[1]), int(sys.argv[2]), 0
    first = seed
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    while time.monotonic() < until_s:
        try:
            whole += try_request(seed)
        except BaseException:
            print(f"seed {seed}")
            raise
        seed += 1
    print(f"{seed - first} requests, {whole} granted")


if __name__ == "__main__":
    main()
