"""Update bundles: what was signed comes out again, and nothing else does."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.signing import Keyring, SigningKey, load_key, make_key
from gateway.model.errors import UpdateRefused
from gateway.model.reasons import Reason
from gateway.updates.bundle import (
    MANIFEST,
    MANIFEST_BYTES,
    Bundle,
    order_of,
    read_bundle,
    verify_payload,
    verify_signature,
    write_bundle,
)
from tests.fixtures.releases import FACTS
from tests.fuzz.bundle import try_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def key(folder: Path) -> SigningKey:
    return load_key(make_key(folder, "rel-2026a")[0], "rel")


@pytest.fixture(scope="module")
def bundle(folder: Path, key: SigningKey) -> bytes:
    """A bundle whose payload is no archive: this module does not look into it."""
    (folder / "payload").write_bytes(bytes(range(256)) * 5_000)
    write_bundle(folder / "made.update", folder / "payload", key, **FACTS)
    return (folder / "made.update").read_bytes()


def verified(raw: bytes, folder: Path) -> Bundle:
    file = io.BytesIO(raw)
    found = read_bundle(file)
    verify_signature(found, Keyring(folder))
    verify_payload(file, found)
    return found


def refusal_of(raw: bytes, folder: Path) -> Reason:
    with pytest.raises(UpdateRefused) as error:
        verified(raw, folder)
    return error.value.reason


def test_what_was_signed_comes_out(bundle: bytes, folder: Path) -> None:
    """Manifest, signature and payload, to the last byte."""
    found = verified(bundle, folder)

    assert found.manifest.version == FACTS["version"]
    assert bundle[found.offset :].startswith(bytes(range(256)))
    assert found.manifest.payload.bytes == 256 * 5_000


def test_any_tar_shows_what_is_in_it(bundle: bytes) -> None:
    """A bundle can be looked into with the tools that are everywhere."""
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        names = archive.getnames()

    assert names == ["manifest.json", "manifest.sig", "payload.tar.xz"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw[:300], Reason.UPDATE_DAMAGED),
        (lambda raw: raw[:-30_000], Reason.UPDATE_DAMAGED),
        (lambda raw: raw[:400_000] + b"!" + raw[400_001:], Reason.UPDATE_DAMAGED),
        (lambda raw: raw.replace(b'"0.2.0+', b'"0.3.0+'), Reason.UPDATE_SIGNATURE),
        (lambda raw: raw.replace(b'"kid":"rel-', b'"kid":"cmd-'), Reason.UPDATE_SIGNATURE),
        (
            lambda raw: raw.replace(b'"kid":"rel-2026a', b'"kid":"rel-2026b'),
            Reason.UPDATE_SIGNATURE,
        ),
        (lambda raw: raw.replace(b'"v":1,"name"', b'"v":2,"name"'), Reason.UPDATE_FORM),
        (lambda raw: raw.replace(b'"arch":"', b'"name":"'), Reason.UPDATE_FORM),
        (lambda raw: raw.replace(b'"python":"3.11"', b'"python":"../x"'), Reason.UPDATE_FORM),
        (lambda raw: b"PK\x03\x04" + raw, Reason.UPDATE_FORM),
        (lambda raw: raw[1024:], Reason.UPDATE_FORM),
        (lambda _: b"", Reason.UPDATE_DAMAGED),
    ],
)
def test_a_bundle_that_was_changed_is_refused(
    bundle: bytes, folder: Path, change: Callable[[bytes], bytes], reason: Reason
) -> None:
    """Cut short, damaged, under another name or another key: each is told by its reason."""
    assert refusal_of(change(bundle), folder) == reason


def test_a_command_key_signs_no_release(folder: Path) -> None:
    """A key is for one purpose, also where somebody signs with the wrong one."""
    wrong = load_key(make_key(folder, "cmd-2026a")[0])
    write_bundle(folder / "wrong.update", folder / "payload", wrong, **FACTS)

    raw = (folder / "wrong.update").read_bytes()

    assert refusal_of(raw, folder) == Reason.UPDATE_SIGNATURE


@pytest.mark.parametrize("size", [0, MANIFEST_BYTES + 1, 1 << 33])
def test_a_manifest_that_is_too_large_is_not_read(size: int) -> None:
    """Its size is looked at first: nothing behind the header is asked for."""
    member = tarfile.TarInfo(MANIFEST)
    member.size = size
    file = io.BytesIO(member.tobuf(tarfile.GNU_FORMAT) + b"{}" * 300)

    with pytest.raises(UpdateRefused, match=r"manifest\.json has \d+ bytes"):
        read_bundle(file)

    assert file.tell() == 512


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_member_is_a_plain_file(kind: bytes) -> None:
    """No link, no extended header, nothing sparse."""
    member = tarfile.TarInfo(MANIFEST)
    member.size, member.type = 2, kind

    with pytest.raises(UpdateRefused, match="not where it should be"):
        read_bundle(io.BytesIO(member.tobuf(tarfile.GNU_FORMAT) + b"{}" + bytes(510)))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_in_a_file_it_is_refused_in_good_order(seed: int) -> None:
    """`python -m tests.fuzz.bundle` goes on for as long as one likes."""
    try_bundle(seed)


@given(st.tuples(*[st.integers(0, 999)] * 3), st.tuples(*[st.integers(0, 999)] * 3))
def test_versions_are_compared_by_their_numbers(one: tuple[int, ...], two: tuple[int, ...]) -> None:
    """0.10.0 is newer than 0.9.0, and the commit does not count."""
    first, second = ".".join(map(str, one)), ".".join(map(str, two)) + "+g1234567.dirty"

    assert (order_of(first) < order_of(second)) == (one < two)
