"""What the centre answers to machines, by the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_pem_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from gateway.centre.enrolment.authority import new_key
from gateway.centre.enrolment.service import WRONG_PER_H, EnrolmentService
from gateway.centre.enrolment.tables import CodeRow
from gateway.enrolment.certificate import request_of
from gateway.enrolment.code import make_code
from gateway.enrolment.messages import MAX_REQUEST_BYTES
from gateway.model.errors import ConfigRejected
from tests.fixtures.clock import FakeClock
from tests.fixtures.enrolment import SITE, EnrolmentCentre, make_centre


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> EnrolmentCentre:
    """One for all: each test makes sites of its own."""
    return make_centre(tmp_path_factory.mktemp("centre"))


def service(centre: EnrolmentCentre) -> EnrolmentService:
    return EnrolmentService(centre.settings, centre.authority, centre.registry, clock=FakeClock())


def body(code: object, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    return json.dumps({"code": str(code), "csr": request_of(key or new_key())}).encode()


def reason(raw: bytes) -> str:
    return str(json.loads(raw).get("reason", "none"))


def code_of(centre: EnrolmentCentre, name: str) -> object:
    return centre.code(SITE.model_copy(update={"id": name}))


def test_a_code_ends_after_its_time(centre: EnrolmentCentre) -> None:
    """72 hours later it opens nothing, whoever has it."""
    code = code_of(centre, "site-expired")
    with Session(centre.registry.engine) as session, session.begin():
        session.execute(
            sa.update(CodeRow).where(CodeRow.site_id == "site-expired").values(expires_ms=1)
        )

    assert reason(service(centre).answer_enrol(body(code), "a").body) == "code.expired"


def test_a_newer_code_ends_the_older(centre: EnrolmentCentre) -> None:
    """Whoever has heard the first one comes too late."""
    site = SITE.model_copy(update={"id": "site-again"})
    old = centre.code(site)
    centre.code(site, again=True)

    assert reason(service(centre).answer_enrol(body(old), "a").body) == "code.expired"


def test_a_code_is_locked_after_many_attempts(centre: EnrolmentCentre) -> None:
    """Lost answers are a few; more is somebody who plays with it."""
    code, key, one = code_of(centre, "site-locked"), new_key(), service(centre)
    answers = [reason(one.answer_enrol(body(code, key), "a").body) for _ in range(21)]

    assert answers == ["none"] * 20 + ["code.exhausted"]


def test_wrong_codes_are_counted_by_address(centre: EnrolmentCentre) -> None:
    """Ten an hour from one address; another is served, and right ones do not count."""
    one, stranger = service(centre), make_code(b"another centre")
    answers = [reason(one.answer_enrol(body(stranger), "a").body) for _ in range(WRONG_PER_H + 1)]

    assert answers == ["code.unknown"] * WRONG_PER_H + ["too_often"]
    code, key = code_of(centre, "site-counted"), new_key()
    for _ in range(WRONG_PER_H + 1):
        assert reason(one.answer_enrol(body(code, key), "b").body) == "none"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"code": "x"}',
        b'{"code": "x", "csr": "y", "more": 1}',
        b'{"code": "x", "csr": "y", "csr": "z"}',
        b'{"code": 1, "csr": "y"}',
        b"{" + b" " * MAX_REQUEST_BYTES + b"}",
        b'{"code": ' + b"[" * 100 + b"]" * 100 + b"}",
    ],
    ids=["empty", "list", "missing", "unknown", "twice", "type", "size", "depth"],
)
def test_a_request_that_is_none_is_refused(centre: EnrolmentCentre, raw: bytes) -> None:
    """With a reason, and no code is looked for."""
    assert reason(service(centre).answer_enrol(raw, "a").body) == "request"


@given(st.binary(max_size=300))
def test_any_bytes_are_answered_with_a_reason(centre: EnrolmentCentre, raw: bytes) -> None:
    """Nothing that is sent ends in another error."""
    assert reason(service(centre).answer_enrol(raw, "a").body) == "request"
    assert reason(service(centre).answer_renew(raw, "a").body) == "request"


def test_a_request_for_another_kind_of_key_is_refused(centre: EnrolmentCentre) -> None:
    """P-256 alone: others cost the centre and the broker more, or are weak."""
    raw = body(code_of(centre, "site-p384"), ec.generate_private_key(ec.SECP384R1()))

    assert reason(service(centre).answer_enrol(raw, "a").body) == "request"


def test_a_box_cannot_serve_as_the_centre(centre: EnrolmentCentre) -> None:
    """Its certificate is for clients alone, so that a stolen box enrols nobody."""
    issued = centre.authority.issue_gateway(new_key().public_key(), "24/site-client")
    leaf = load_pem_x509_certificate(issued.chain.encode())
    usages = [each.value for each in leaf.extensions if each.oid.dotted_string == "2.5.29.37"]

    assert [list(each) for each in usages] == [[ExtendedKeyUsageOID.CLIENT_AUTH]]


def test_no_code_stands_in_the_database(centre: EnrolmentCentre) -> None:
    """A copy of it opens nothing."""
    code = centre.code(SITE.model_copy(update={"id": "site-hidden"}))
    raw = b"".join(path.read_bytes() for path in sorted(centre.settings.folder.glob("centre.db*")))

    assert code.secret.encode() not in raw


def test_a_site_of_no_province_is_not_made(centre: EnrolmentCentre) -> None:
    """The code would give a box that its own check refuses."""
    with pytest.raises(ConfigRejected):
        centre.code(SITE.model_copy(update={"id": "site-nowhere", "province": "99"}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cfg-2026a.pem", "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"),
        ("khoa.pem", "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"),
        ("cfg-2026a.pem", "-----BEGIN PUBLIC KEY-----\n" + "A" * 100_000),
        ("cfg-2026a.pem", "\udcff"),
    ],
    ids=["private", "name", "long", "bytes"],
)
def test_a_folder_of_keys_that_machines_cannot_be_told_is_refused(
    tmp_path: Path, name: str, content: str
) -> None:
    """When the console starts, with the file; a private key is told to nobody."""
    (tmp_path / name).write_text(content, errors="surrogateescape")
    centre = make_centre(tmp_path / "centre", trusted=tmp_path)

    with pytest.raises(ConfigRejected) as caught:
        service(centre)

    assert str(tmp_path) in caught.value.faults[0].message
    assert "MC4C" not in caught.value.faults[0].message
