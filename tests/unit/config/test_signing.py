"""Signatures: made by the centre's key, refused by everything else."""

from __future__ import annotations

import base64
import errno
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import signing
from gateway.config.signing import (
    Keyring,
    SigningKey,
    canonical_json,
    digest,
    fingerprint,
    load_key,
    make_key,
    sign,
)
from gateway.model.errors import ConfigRejected, MessageRejected, TransientError
from gateway.model.reasons import Reason
from tests.fixtures.descriptors import none_free

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def key_in(folder: Path, key_id: str = "cfg-2026a") -> SigningKey:
    secret, _ = make_key(folder, key_id)
    return load_key(secret)


def codes(tree: dict[str, object], folder: Path) -> list[str]:
    with pytest.raises(MessageRejected) as caught:
        Keyring(folder).verify(tree, "cfg")
    return [fault.code for fault in caught.value.faults]


def test_a_signed_document_is_known_by_its_key(tmp_path: Path) -> None:
    """The id of the key comes back."""
    tree = sign({"ver": 1, "name": "Quầy 7", "x": 1.5}, key_in(tmp_path))

    assert Keyring(tmp_path).verify(tree, "cfg") == "cfg-2026a"


@settings(max_examples=50, deadline=None)
@given(tree=st.dictionaries(st.text(max_size=8).filter(lambda key: key != "sig"), JSON))
def test_any_json_can_be_signed_and_verified(
    tree: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands in it, in whatever order its keys come back."""
    folder = tmp_path_factory.mktemp("keys")
    signed = sign(tree, key_in(folder))
    turned = dict(reversed(signed.items()))

    assert Keyring(folder).verify(turned, "cfg") == "cfg-2026a"


def test_one_changed_value_is_noticed(tmp_path: Path) -> None:
    """So is one that is added or taken away."""
    signed = sign({"ver": 1, "gw": "hcm-q1-01"}, key_in(tmp_path))

    assert codes({**signed, "ver": 2}, tmp_path) == ["sig.value"]
    assert codes({**signed, "more": None}, tmp_path) == ["sig.value"]
    assert codes({k: v for k, v in signed.items() if k != "gw"}, tmp_path) == ["sig.value"]


def test_a_key_that_is_not_here_is_not_trusted(tmp_path: Path) -> None:
    """Nor is one whose file has been taken away."""
    signed = sign({"ver": 1}, key_in(tmp_path / "centre"))

    assert codes(signed, tmp_path / "gateway") == ["sig.key"]


def test_another_key_of_the_same_name_does_not_pass(tmp_path: Path) -> None:
    """The name is not the key."""
    signed = sign({"ver": 1}, key_in(tmp_path / "stranger"))
    key_in(tmp_path / "gateway")

    assert codes(signed, tmp_path / "gateway") == ["sig.value"]


def test_a_key_for_commands_signs_no_configuration(tmp_path: Path) -> None:
    """Its name says what it is for."""
    signed = sign({"ver": 1}, key_in(tmp_path, "cmd-2026a"))

    assert codes(signed, tmp_path) == ["sig.purpose"]


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (None, "sig.missing"),
        ("x", "sig.form"),
        ({"alg": "none", "kid": "cfg-2026a", "v": "A" * 86}, "sig.form"),
        ({"alg": "Ed25519", "kid": "../cfg-2026a", "v": "A" * 86}, "sig.form"),
        ({"alg": "Ed25519", "kid": "cfg-2026a", "v": "A" * 85}, "sig.form"),
        ({"alg": "Ed25519", "kid": "cfg-2026a", "v": "A" * 86}, "sig.value"),
    ],
)
def test_what_is_no_signature_is_said_so(tmp_path: Path, signature: object, code: str) -> None:
    """Each with its own code."""
    key_in(tmp_path)

    assert codes({"ver": 1, "sig": signature}, tmp_path) == [code]


def test_canonical_json_is_that_of_rfc_8785() -> None:
    """Section 3.2.4's example, in part: order by UTF-16, numbers as ECMAScript writes them."""
    tree = {"\u20ac": 1, "\r": 2, "1": 4.50, "\U0001f600": 2e-3, "a": 1e30, "\ufb33": 0.0}

    assert canonical_json(tree).decode() == (
        '{"\\r":2,"1":4.5,"a":1e+30,"\u20ac":1,"\U0001f600":0.002,"\ufb33":0}'
    )


@pytest.mark.parametrize("value", [2**53 + 1, float("inf"), "\ud800", object()])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    """Never a crash, never two forms."""
    with pytest.raises(MessageRejected) as caught:
        digest({"x": value})

    assert [fault.code for fault in caught.value.faults] == ["canonical"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """Making it again is refused, and the first still works."""
    key = key_in(tmp_path)
    with pytest.raises(ConfigRejected, match="it is there already"):
        make_key(tmp_path, "cfg-2026a")

    assert Keyring(tmp_path).verify(sign({}, key), "cfg") == "cfg-2026a"


def test_half_a_pair_is_never_left_behind(tmp_path: Path) -> None:
    """Where the public file is there already no private one is made, which would not fit it."""
    secret, _ = make_key(tmp_path, "cfg-2026a")
    secret.unlink()
    with pytest.raises(ConfigRejected, match="it is there already"):
        make_key(tmp_path, "cfg-2026a")

    assert not secret.exists()


def test_a_trusted_file_of_an_unknown_kind_trusts_nobody(tmp_path: Path) -> None:
    """A key that this machine's library does not know is no reason to end."""
    key = key_in(tmp_path)
    body = base64.b64encode(bytes.fromhex("300c300606042a03040503020001")).decode()
    pem = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    (tmp_path / "cfg-2026a.pem").write_text(pem)
    with pytest.raises(MessageRejected) as caught:
        Keyring(tmp_path).verify(sign({}, key), "cfg")

    assert [fault.code for fault in caught.value.faults] == ["sig.key"]


def test_the_private_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It is made so, and one that others can read is refused."""
    secret, public = make_key(tmp_path, "cfg-2026a")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(fingerprint(public)) == 16
    secret.chmod(0o644)
    with pytest.raises(ConfigRejected, match="chmod 600"):
        load_key(secret)


@pytest.mark.parametrize("key_id", ["", "x", "cfg-", "cfg-A", "cfg-../a", "log-1"])
def test_a_key_id_says_what_the_key_is_for(tmp_path: Path, key_id: str) -> None:
    """Others are refused with an example."""
    with pytest.raises(ConfigRejected, match="cfg-2026a"):
        make_key(tmp_path, key_id)


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_a_broken_key_file_is_no_key(tmp_path: Path, content: bytes) -> None:
    """Neither to sign with nor to verify with."""
    signed = sign({}, key_in(tmp_path / "centre"))
    (tmp_path / "cfg-2026a.pem").write_bytes(content)
    (tmp_path / "cfg-2026a.key").write_bytes(content)
    (tmp_path / "cfg-2026a.key").chmod(0o600)

    assert codes(signed, tmp_path) == ["sig.key"]
    with pytest.raises(ConfigRejected, match="holds no private key"):
        load_key(tmp_path / "cfg-2026a.key")


def test_half_a_pair_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a full disk the same name can be tried again."""
    really_open = os.open

    def fail_for_the_second(path: Path, *rest: int) -> int:
        if path.suffix == ".pem":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return really_open(path, *rest)

    with monkeypatch.context() as full:
        full.setattr("gateway.config.signing.os.open", fail_for_the_second)
        with pytest.raises(ConfigRejected):
            make_key(tmp_path, "cfg-2026a")

    assert list(tmp_path.iterdir()) == []
    make_key(tmp_path, "cfg-2026a")


def test_without_a_free_descriptor_nobody_knows_the_key(tmp_path: Path) -> None:
    """That says nothing against the signature: it is to be tried again."""
    signed = sign({"ver": 1}, key_in(tmp_path))
    keys = Keyring(tmp_path)

    with none_free(), pytest.raises(TransientError) as caught:
        keys.verify(signed, "cfg")

    assert caught.value.reason is Reason.DESCRIPTORS_LOW
    assert keys.verify(signed, "cfg") == "cfg-2026a"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every key file that is read."""
    files: list[Path] = []
    whole = signing._public

    def noting(path: Path) -> Ed25519PublicKey:
        files.append(path)
        return whole(path)

    monkeypatch.setattr(signing, "_public", noting)
    return files


def test_a_key_is_read_once_however_many_signatures_name_it(
    tmp_path: Path, read: list[Path]
) -> None:
    """A flood of tokens costs no reading."""
    tree, keys = sign({"a": 1}, key_in(tmp_path)), Keyring(tmp_path)

    for _ in range(100):
        keys.verify(tree, "cfg")

    assert read == [tmp_path / "cfg-2026a.pem"]


def test_a_key_that_is_exchanged_is_read_again(tmp_path: Path, read: list[Path]) -> None:
    """At the next signature; one that is taken away signs nothing, back again it does."""
    path, keys = tmp_path / "cfg-2026a.pem", Keyring(tmp_path)
    old = sign({"a": 1}, key_in(tmp_path))
    keys.verify(old, "cfg")
    new = sign({"a": 1}, key_in(tmp_path / "other"))
    path.write_bytes((tmp_path / "other" / path.name).read_bytes())

    assert keys.verify(new, "cfg") == "cfg-2026a"
    with pytest.raises(MessageRejected):
        keys.verify(old, "cfg")
    path.unlink()
    with pytest.raises(MessageRejected):
        keys.verify(new, "cfg")
    assert len(read) == 2
