"""Certificates that are well-formed and cannot be used, wherever one of somebody else is read."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.centre.enrolment.authority import (
    Authority,
    import_authority,
    init_authority,
    load_authority,
    new_key,
    private_pem,
)
from gateway.enrolment.certificate import check_certificate
from gateway.enrolment.errors import EnrolmentError, EnrolmentReason
from gateway.enrolment.messages import CertificateAnswer
from gateway.model.errors import ConfigRejected
from gateway.mqtt.client.broker import Tls, certificate_file, own_certificate_info
from gateway.runtime.clock import now_ms

ODD = {
    "signature": ("06082a8648ce3d040302", "06082a8648ce3d04037f"),
    "key": ("06072a8648ce3d0201", "06072a8648ce3d027f"),
    "curve": ("06082a8648ce3d030107", "06082a8648ce3d03017f"),
    "extension twice": ("0603551d13", "0603551d0e"),
}
"""What of a certificate is replaced, by an object identifier that nobody knows or that is there."""

odd_parts = pytest.mark.parametrize(("part", "other"), ODD.values(), ids=ODD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority."""
    made = tmp_path_factory.mktemp("certificates") / "ca"
    init_authority(made, "Test")
    return made


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return load_authority(folder)


def odd(pem: str, part: str, other: str) -> str:
    """Return *pem*, whose first certificate has *other* wherever it had *part*."""
    first = x509.load_pem_x509_certificate(pem.encode())
    der = first.public_bytes(serialization.Encoding.DER)
    changed = der.replace(bytes.fromhex(part), bytes.fromhex(other))
    assert changed != der
    lines = base64.encodebytes(changed).decode()
    whole = first.public_bytes(serialization.Encoding.PEM).decode()
    begin, end = "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
    return pem.replace(whole, f"{begin}{lines}{end}")


@odd_parts
def test_an_answer_with_one_is_a_fault_of_the_centre(
    authority: Authority, part: str, other: str
) -> None:
    """Neither enrolment nor renewal ends otherwise."""
    key = new_key()
    chain = odd(authority.issue_gateway(key.public_key(), "24/x").chain, part, other)
    answer = CertificateAnswer(certificate=chain, ca=authority.root_pem, now_ms=now_ms())

    with pytest.raises(EnrolmentError) as caught:
        check_certificate(answer, key, "24/x", authority.root_pem, now_ms())

    assert caught.value.reason is EnrolmentReason.CENTRE_FAULT


@odd_parts
@pytest.mark.parametrize("which", ["issuing", "root"])
def test_an_authority_with_one_is_not_taken(
    authority: Authority, folder: Path, tmp_path: Path, which: str, part: str, other: str
) -> None:
    """The command says what is wrong with the file."""
    issuing = authority.bundle_pem.removesuffix(authority.root_pem)
    change: Callable[[str], str] = lambda pem: odd(pem, part, other)  # noqa: E731
    chain = tmp_path / "chain.pem"
    if which == "issuing":
        chain.write_text(change(issuing) + authority.root_pem)
    else:
        chain.write_text(issuing + change(authority.root_pem))

    with pytest.raises(ConfigRejected):
        import_authority(folder, chain)


@odd_parts
def test_a_damaged_renewal_leaves_the_first_in_use(
    authority: Authority, tmp_path: Path, part: str, other: str
) -> None:
    """A gateway starts whatever a worn card has made of the file."""
    key = new_key()
    chain = authority.issue_gateway(key.public_key(), "24/x").chain
    tls = Tls(
        cert_file=tmp_path / "gateway.pem",
        key_file=tmp_path / "gateway.key",
        renewed_file=tmp_path / "renewed.pem",
    )
    (tmp_path / "gateway.pem").write_text(chain)
    (tmp_path / "gateway.key").write_bytes(private_pem(key))
    (tmp_path / "renewed.pem").write_text(odd(chain, part, other))

    assert certificate_file(tls) == tls.cert_file
    assert own_certificate_info(tls) is not None
