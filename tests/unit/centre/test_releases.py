"""A release is signed only if a box would take it, and a mirror never changes what it has."""

from __future__ import annotations

import json
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.centre import releases
from gateway.centre.releases import publish_release, read_payload, sign_release, verify_release
from gateway.cli.main import main
from gateway.config.signing import Keyring, SigningKey, load_key, make_key
from gateway.model.errors import ConfigRejected
from gateway.runtime.file_lock import alone
from gateway.updates.bundle import order_of
from tests.fixtures.clock import HANG_S
from tests.fixtures.locks import wait_for_a_waiter
from tests.fixtures.payloads import SITE, release_files, write_payload

WHEN = datetime(2026, 11, 28, tzinfo=UTC)
NAME = "camera-gateway_0.2.0+g1a2b3c4_arm64.update"


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return load_key(make_key(tmp_path / "keys", "rel-2026a")[0], "rel")


def signed(tmp_path: Path, key: SigningKey, version: str = "0.2.0+g1a2b3c4", **how: object) -> Path:
    payload = write_payload(tmp_path / "payload.tar.xz", release_files(version))
    return sign_release(payload, key, tmp_path / "out", made_at=WHEN, **how)[0]  # type: ignore[arg-type]


def test_a_signed_release_is_what_a_box_reads(tmp_path: Path, key: SigningKey) -> None:
    """Named for version and architecture; the minimum is what its own program says."""
    bundle = signed(tmp_path, key)
    found = verify_release(bundle, Keyring(tmp_path / "keys"))

    assert bundle.name == NAME
    assert (found.manifest.version, found.manifest.min_version) == ("0.2.0+g1a2b3c4", "0.1.0")
    assert found.manifest.installed_bytes == sum(map(len, release_files().values()))
    assert found.manifest.made_at == "2026-11-28T00:00:00Z"


def device() -> tarfile.TarInfo:
    member = tarfile.TarInfo("dev/null")
    member.type = tarfile.CHRTYPE
    return member


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def without(name: str) -> dict[str, bytes]:
    files = release_files()
    del files[name]
    return files


BAD_RELEASE = {"release.json": b'{"name":"other","version":"1","arch":"mips","python":"2.7"}'}

BROKEN = [
    ({"README": b"x"}, (), "no release.json at its top"),
    (without("bin/camera-gateway"), (), "lacks bin/camera-gateway"),
    (without(f"{SITE}/gateway/model/version.py"), (), "the version that its program says"),
    (release_files() | BAD_RELEASE, (), "release.json: name"),
    (release_files() | {"release.json": b"{"}, (), "release.json: "),
    (release_files() | {"release.json": b" " * 5000}, (), "at most 4096 bytes"),
    (release_files() | {"../../etc/passwd": b"x"}, (), "leads out"),
    (release_files() | {"/etc/passwd": b"x"}, (), "leads out"),
    (release_files(), (device(),), "is no file, folder or symbolic link"),
    (release_files(), (link("lib/etc", "/etc"),), "lib/etc leads outside"),
    (release_files(), (link("bin/python", "/usr/bin/python3.12"),), "leads to another"),
    (release_files() | {"b\u1ea3n": b"x"}, (), "it holds the name"),
    (release_files() | {"release.json/x": b"x"}, (), "leads through a link or a file"),
]


@pytest.mark.parametrize(("files", "others", "why"), BROKEN, ids=[each[2] for each in BROKEN])
def test_what_is_no_release_is_not_signed(
    tmp_path: Path, files: dict[str, bytes], others: tuple[tarfile.TarInfo, ...], why: str
) -> None:
    """It says what is wrong."""
    payload = write_payload(tmp_path / "payload.tar.xz", files, others)

    with pytest.raises(ConfigRejected, match=why):
        read_payload(payload)


@pytest.mark.parametrize("content", [b"", b"text", b"\xfd7zXZ\x00 and no more"])
def test_what_is_no_archive_is_not_signed(tmp_path: Path, content: bytes) -> None:
    """Nor is half of one."""
    broken = tmp_path / "payload.tar.xz"
    broken.write_bytes(content)
    half = write_payload(tmp_path / "half.tar.xz", release_files())
    half.write_bytes(half.read_bytes()[:-40])

    for path in (broken, half):
        with pytest.raises(ConfigRejected):
            read_payload(path)


def test_a_payload_may_not_be_larger_than_a_box_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unpacked or by number; it is found while it is read."""
    payload = write_payload(tmp_path / "payload.tar.xz", release_files())
    for bound, why in (("INSTALLED_BYTES", "unpacked"), ("MEMBERS", "members")):
        with monkeypatch.context() as patched:
            patched.setattr(releases, bound, 2)
            with pytest.raises(ConfigRejected, match=why):
                read_payload(payload)


@pytest.mark.parametrize(
    ("version", "how", "why"),
    [
        ("0.2.0+g1a2b3c4.dirty", {}, "never committed"),
        ("0.2.0+g1a2b3c4", {"min_version": "0.0.9"}, "nothing below 0.1.0"),
        ("0.2.0+g1a2b3c4", {"min_version": "0.3.0"}, "above the version itself"),
        ("0.2.0+g1a2b3c4", {"min_version": "latest"}, "."),
    ],
)
def test_versions_must_fit(
    tmp_path: Path, key: SigningKey, version: str, how: dict[str, str], why: str
) -> None:
    """A release that would lock all out, or open an old hole again, is not signed."""
    with pytest.raises(ConfigRejected, match=why):
        signed(tmp_path, key, version, **how)

    assert not list((tmp_path / "out").glob("*")) or why == "."


def test_only_a_release_key_signs(tmp_path: Path) -> None:
    """By the command as well; nothing is written."""
    secret, _ = make_key(tmp_path, "cmd-2026a")
    payload = write_payload(tmp_path / "payload.tar.xz", release_files())
    words = ["release", "sign", str(payload), "--key", str(secret), "--folder", str(tmp_path / "o")]
    said = CliRunner().invoke(main, words)

    assert said.exit_code == 2
    assert "must be named rel-" in said.output
    assert not (tmp_path / "o").exists()


def test_a_mirror_is_files_that_a_web_server_serves(tmp_path: Path, key: SigningKey) -> None:
    """Readable by all; sha256sum agrees; the newest is first in the index."""
    root, keys = tmp_path / "mirror", Keyring(tmp_path / "keys")
    for version in ("0.10.0+g0000010", "0.9.0+g0000009"):
        publish_release(signed(tmp_path, key, version), root, keys)
    where = root / "camera-gateway" / "arm64" / "0.10.0+g0000010"
    index = json.loads((root / "camera-gateway" / "index.json").read_text())
    subprocess.run(["sha256sum", "--check", "--quiet", "sha256"], cwd=where, check=True)

    assert [each["version"] for each in index["releases"]] == ["0.10.0+g0000010", "0.9.0+g0000009"]
    assert sorted(each.name for each in where.iterdir()) == [
        "camera-gateway_0.10.0+g0000010_arm64.update",
        "manifest.json",
        "sha256",
    ]
    assert all(each.stat().st_mode & 0o777 == 0o644 for each in where.iterdir())
    assert (root / "camera-gateway" / index["releases"][0]["path"]).is_file()
    assert order_of(index["releases"][0]["version"]) == (0, 10, 0)


def test_two_who_publish_leave_no_release_out(tmp_path: Path, key: SigningKey) -> None:
    """The second waits: an index of before the first was there would lack it."""
    root, bundle = tmp_path / "mirror", signed(tmp_path, key)
    root.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with alone(root):
            second = pool.submit(publish_release, bundle, root, Keyring(tmp_path / "keys"))
            wait_for_a_waiter(root)
        published, left_out = second.result(HANG_S)

    assert (root / published.path).exists()
    assert left_out == []


def test_a_published_release_is_never_replaced(tmp_path: Path, key: SigningKey) -> None:
    """The same again is no fault; other bytes under its name are."""
    root, keys = tmp_path / "mirror", Keyring(tmp_path / "keys")
    bundle = signed(tmp_path, key)
    publish_release(bundle, root, keys)
    publish_release(bundle, root, keys)
    bundle.unlink()
    files = release_files() | {"another": b"file"}
    payload = write_payload(tmp_path / "payload.tar.xz", files)
    other, _ = sign_release(payload, key, tmp_path / "out", made_at=WHEN)

    with pytest.raises(ConfigRejected, match="never replaced"):
        publish_release(other, root, keys)


def test_what_nobody_trusted_has_signed_is_not_published(tmp_path: Path, key: SigningKey) -> None:
    """Nor what is damaged; the mirror stays empty."""
    bundle = signed(tmp_path, key)
    (tmp_path / "others").mkdir()
    with pytest.raises(ConfigRejected, match="not trusted"):
        publish_release(bundle, tmp_path / "mirror", Keyring(tmp_path / "others"))
    raw = bytearray(bundle.read_bytes())
    raw[raw.index(b"\xfd7zXZ") + 20] ^= 1  # within the payload
    bundle.write_bytes(raw)

    assert not (tmp_path / "mirror").exists()
    with pytest.raises(ConfigRejected):
        publish_release(bundle, tmp_path / "mirror", Keyring(tmp_path / "keys"))
    assert not (tmp_path / "mirror").exists()


def test_a_damaged_bundle_of_the_mirror_is_told(tmp_path: Path, key: SigningKey) -> None:
    """And left out of the index."""
    root, keys = tmp_path / "mirror", Keyring(tmp_path / "keys")
    old, _ = publish_release(signed(tmp_path, key, "0.9.0+g0000009"), root, keys)
    (root / old.path).write_bytes(b"rotten")
    _, left_out = publish_release(signed(tmp_path, key), root, keys)
    index = json.loads((root / "camera-gateway" / "index.json").read_text())

    assert [each["version"] for each in index["releases"]] == ["0.2.0+g1a2b3c4"]
    assert len(left_out) == 1
    assert old.path in left_out[0]
