"""The authority: an offline root, one of somebody else, and what is not taken for either."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509

from gateway.centre.enrolment.authority import (
    ISSUING_KEY,
    ROOT,
    ROOT_KEY,
    import_authority,
    init_authority,
    load_authority,
    new_key,
    request_authority,
    sign_authority,
)
from gateway.model.errors import ConfigRejected


def signed(root: Path, centre: Path) -> Path:
    """Return the file with what the root in *root* has signed for the centre in *centre*."""
    chain = centre / "chain.pem"
    chain.write_text(
        sign_authority(request_authority(centre, "Centre"), root / ROOT, root / ROOT_KEY)
    )
    return chain


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folder of a root, as on a machine without a network."""
    init_authority(tmp_path / "root", "Root")
    return tmp_path / "root"


def test_an_offline_root_signs_a_request(tmp_path: Path, root: Path) -> None:
    """The centre never has the root's key, and what it issues leads to the root."""
    centre = tmp_path / "centre"
    import_authority(centre, signed(root, centre))

    authority = load_authority(centre)

    issued = authority.issue_gateway(new_key().public_key(), "24/bacninh-01")
    leaf, issuing = x509.load_pem_x509_certificates(issued.chain.encode())
    leaf.verify_directly_issued_by(issuing)
    issuing.verify_directly_issued_by(authority.root)
    assert authority.root == load_authority(root).root
    assert not (centre / ROOT_KEY).exists()


def test_the_roots_key_goes_where_it_is_wanted(tmp_path: Path) -> None:
    """And nowhere else: a stick that is taken away."""
    init_authority(tmp_path / "ca", "Root", root_key=tmp_path / "usb" / "root.key")

    assert not (tmp_path / "ca" / ROOT_KEY).exists()
    assert (tmp_path / "usb" / "root.key").stat().st_mode & 0o777 == 0o600


def test_an_authority_is_never_overwritten(root: Path) -> None:
    """Every box would have to enrol anew."""
    with pytest.raises(ConfigRejected, match="never overwritten"):
        init_authority(root, "Root")


def test_another_centres_certificate_is_not_taken(tmp_path: Path, root: Path) -> None:
    """It is not for our key."""
    centre, other = tmp_path / "centre", tmp_path / "other"
    request_authority(centre, "Centre")

    with pytest.raises(ConfigRejected, match=ISSUING_KEY):
        import_authority(centre, signed(root, other))


def test_a_chain_without_its_root_is_not_taken(tmp_path: Path, root: Path) -> None:
    """Boxes would have nothing to trust."""
    centre = tmp_path / "centre"
    chain = signed(root, centre)
    chain.write_text(chain.read_text().split("-----END CERTIFICATE-----\n")[0] + _END)

    with pytest.raises(ConfigRejected, match="all up to the root"):
        import_authority(centre, chain)


_END = "-----END CERTIFICATE-----\n"


def test_a_revocation_list_does_not_end_before_the_authority(root: Path) -> None:
    """One that ends shuts every gateway out."""
    authority = load_authority(root)
    text = authority.revocation_list([("1f", 1_700_000_000_000)])
    found = x509.load_pem_x509_crl(text.encode())

    assert found.next_update_utc == authority.chain[0].not_valid_after_utc
    assert found.get_revoked_certificate_by_serial_number(0x1F) is not None


def test_nothing_outlives_the_authority(root: Path) -> None:
    """A certificate that did would be refused before its date."""
    authority = load_authority(root)
    issued = authority.issue_server(new_key().public_key(), ("localhost",), days=36_500)

    assert issued.ends_ms <= authority.chain[0].not_valid_after_utc.timestamp() * 1000
    assert dt.datetime.fromtimestamp(issued.begins_ms / 1000, dt.UTC) < dt.datetime.now(dt.UTC)
