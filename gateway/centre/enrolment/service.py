"""Answers the requests of machines: bounded, counted, and with one reason for each refusal.

Whoever guesses codes has 10 wrong ones an hour from one address, and all together 1,000 an hour: in
the 72 hours of a code, with 1,000 codes open, a chance of 7 in 100,000 against its 40 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import structlog

from gateway.centre.enrolment.authority import Authority
from gateway.centre.enrolment.registry import Enrolled, SiteRegistry
from gateway.centre.enrolment.settings import EnrolmentSettings
from gateway.enrolment.code import CodeError, parse_code
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import (
    MAX_REQUEST_BYTES,
    CertificateAnswer,
    EnrolAnswer,
    EnrolRequest,
    IceInfo,
    MessageError,
    Refusal,
    RenewRequest,
    parse_message,
)
from gateway.model.errors import ConfigRejected, TransientError
from gateway.ports import Clock
from gateway.runtime.clock import now_ms
from gateway.runtime.log_limit import RateLimitedLog
from gateway.runtime.rate_limit import RateLimiter

WRONG_PER_H, WRONG_CLIENTS = 10, 100
"""Wrong codes of one address, an hour and at once; so many addresses' worth of all."""

REQUESTS_PER_MIN, REQUESTS_BURST = 30, 60
"""Of one address, which may be that of a whole province; four times as many of all."""

Reason = EnrolmentReason

log = structlog.get_logger(__name__)

_STATUS = {
    Reason.REQUEST: HTTPStatus.BAD_REQUEST,
    Reason.CODE_UNKNOWN: HTTPStatus.FORBIDDEN,
    Reason.CODE_EXPIRED: HTTPStatus.GONE,
    Reason.CODE_USED: HTTPStatus.CONFLICT,
    Reason.CODE_EXHAUSTED: HTTPStatus.GONE,
    Reason.KEY_UNKNOWN: HTTPStatus.FORBIDDEN,
    Reason.REVOKED: HTTPStatus.FORBIDDEN,
    Reason.TOO_OFTEN: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.CENTRE_FAULT: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Attributes:
        status: Of HTTP.
        body: JSON.
    """

    status: int
    body: bytes


class EnrolmentService:
    """Answers machines. Its methods block on the disk; one runs at a time.

    Args:
        settings: What machines are told.
        authority: That issues.
        registry: Of the sites.
        clock: Monotonic.

    Raises:
        ConfigRejected: A key or secret that machines are told cannot be read.
    """

    def __init__(
        self,
        settings: EnrolmentSettings,
        authority: Authority,
        registry: SiteRegistry,
        *,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._authority = authority
        self._registry = registry
        self._ice: tuple[IceInfo, ...] = settings.ice_info()
        settings.trusted_keys()  # told now, not to the first machine
        self._requests = RateLimiter(REQUESTS_PER_MIN, REQUESTS_BURST, clock=clock)
        self._wrong = RateLimiter(
            WRONG_PER_H / 60,
            WRONG_PER_H,
            clock=clock,
            total_factor=WRONG_CLIENTS,
            requesters=4096,
        )
        self._refused = RateLimitedLog("enrolment", "enrolment_refused", clock=clock)
        self._faults = RateLimitedLog("enrolment", "enrolment_fault", clock=clock)

    def authority_pem(self) -> bytes:
        """Return the root, which a machine checks by the fingerprint in its code."""
        return self._authority.root_pem.encode()

    def admits(self, client: str) -> bool:
        """Return whether *client* may make one more request now; it is counted."""
        return self._requests.try_acquire(client)

    def answer_enrol(self, raw: bytes, client: str) -> Answer:
        """Answer the request *raw* for an identity, from the address *client*."""
        if not self._wrong.try_acquire(client):
            return self._refuse(EnrolmentError(Reason.TOO_OFTEN), client)
        try:
            request = parse_message(raw, EnrolRequest, max_bytes=MAX_REQUEST_BYTES)
            code = parse_code(request.code)
            enrolled = self._registry.enrol(code, request.csr, self._authority, client=client)
            answer = self._enrol_answer(enrolled)
        except (MessageError, CodeError) as error:
            return self._refuse(EnrolmentError(Reason.REQUEST, str(error)), client)
        except EnrolmentError as error:
            return self._refuse(error, client)
        except (ConfigRejected, TransientError) as error:
            self._wrong.give_back(client)
            return self._refuse_ours(error, client)
        self._wrong.give_back(client)
        log.info("site_enrolled", site=enrolled.identity.id, client=client)
        return answer

    def answer_renew(self, raw: bytes, client: str) -> Answer:
        """Answer the request *raw* for a new certificate."""
        try:
            request = parse_message(raw, RenewRequest, max_bytes=MAX_REQUEST_BYTES)
            renewed = self._registry.renew(request.csr, self._authority, client=client)
        except MessageError as error:
            return self._refuse(EnrolmentError(Reason.REQUEST, str(error)), client)
        except EnrolmentError as error:
            return self._refuse(error, client)
        except (ConfigRejected, TransientError) as error:
            return self._refuse_ours(error, client)
        answer = CertificateAnswer(
            certificate=renewed.chain, ca=self._authority.root_pem, now_ms=now_ms()
        )
        return Answer(HTTPStatus.OK, answer.model_dump_json().encode())

    def _enrol_answer(self, enrolled: Enrolled) -> Answer:
        answer = EnrolAnswer(
            certificate=enrolled.chain,
            ca=self._authority.root_pem,
            now_ms=now_ms(),
            gateway=enrolled.identity,
            broker=self._settings.broker,
            trusted=self._settings.trusted_keys(),
            ice=self._ice,
        )
        return Answer(HTTPStatus.OK, answer.model_dump_json().encode())

    def _refuse_ours(self, error: ConfigRejected | TransientError, client: str) -> Answer:
        """Refuse for a fault of the centre, which its log tells in full and a machine does not."""
        self._faults.count(str(error))
        return self._refuse(EnrolmentError(Reason.CENTRE_FAULT, "its log says which"), client)

    def _refuse(self, error: EnrolmentError, client: str) -> Answer:
        if error.reason is Reason.CODE_USED:  # somebody else has the code
            log.warning("enrolment_code_reused", client=client)
        self._refused.count(f"{client}: {error}")
        refusal = Refusal(reason=error.reason, detail=error.detail)
        return Answer(_STATUS[error.reason], refusal.model_dump_json().encode())
