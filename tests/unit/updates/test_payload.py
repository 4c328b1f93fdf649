"""What a release may hold: files, folders, links inside; bounded, and nothing that leads out."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from gateway.model.errors import UpdateRefused
from gateway.updates import payload
from gateway.updates.payload import unpack
from tests.fixtures.releases import Member, link, packed, plain, release


def unpacked(members: list[Member], folder: Path, *, most: int = 100_000) -> Path:
    raw = packed(members)
    unpack(io.BytesIO(raw), len(raw), folder / "new", most_bytes=most, python="3.11")
    return folder / "new"


def test_a_release_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """Files with their content and whether they can be run, folders, links."""
    folder = unpacked(release("0.2.0", python="3.11"), tmp_path)

    assert (folder / "bin" / "camera-gateway").stat().st_mode & 0o777 == 0o755
    assert (folder / "lib" / "site-packages" / "data.bin").stat().st_size == 10_240
    assert (folder / "bin" / "python").readlink() == Path("/usr/bin/python3.11")


def test_what_is_set_uid_is_not_so_afterwards(tmp_path: Path) -> None:
    """Of the mode only that it can be run is taken over."""
    folder = unpacked([plain("bin/su", b"x", 0o6777)], tmp_path)

    assert (folder / "bin" / "su").stat().st_mode & 0o7777 == 0o755


def special(name: str, kind: bytes) -> Member:
    member = tarfile.TarInfo(name)
    member.type, member.devmajor = kind, 1
    return member, b""


@pytest.mark.parametrize(
    "members",
    [
        [plain("/etc/passwd")],
        [plain("../outside")],
        [plain("lib/../../outside")],
        [plain("lib/./x/../../../outside")],
        [plain("a" * 600)],
        [plain("new\nline")],
        [plain("b\u1ea3n")],
        [link("lib/out", "../../etc")],
        [link("out", "/etc")],
        [link("lib/python", "/usr/bin/python3.11")],
        [link("bin/python", "/usr/bin/python3.12")],
        [link("lib", "share"), plain("lib/x")],
        [link("a", "b"), plain("a")],
        [plain("a"), plain("a")],
        [plain("a"), plain("a/b")],
        [plain("a/b"), plain("a")],
        [plain("a"), link("b", "a", tarfile.LNKTYPE)],
        [special("null", tarfile.CHRTYPE)],
        [special("disk", tarfile.BLKTYPE)],
        [special("pipe", tarfile.FIFOTYPE)],
        [plain("large", bytes(100_001))],
        [plain("a", bytes(60_000)), plain("b", bytes(60_000))],
    ],
)
def test_anything_else_is_refused(members: list[Member], tmp_path: Path) -> None:
    """Nothing outside the folder is there afterwards."""
    with pytest.raises(UpdateRefused):
        unpacked(members, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -40])
def test_a_payload_that_is_cut_short_is_refused(cut: int, tmp_path: Path) -> None:
    """Also where its last bytes alone are missing."""
    raw = packed(release("0.2.0"))[:cut]

    with pytest.raises(UpdateRefused):
        unpack(io.BytesIO(raw), len(raw), tmp_path / "new", most_bytes=100_000, python="3.11")


def test_a_small_payload_that_unpacks_to_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros pack to a thousandth; what lies within no file counts as well."""
    monkeypatch.setattr(payload, "OVERHEAD_BYTES", 1 << 20)
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 4 << 20
    raw = packed([(header, bytes(4 << 20))])

    with pytest.raises(UpdateRefused, match="larger than its manifest says"):
        unpack(io.BytesIO(raw), len(raw), tmp_path / "new", most_bytes=1_000, python="3.11")


def test_more_files_than_a_release_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty ones cost no bytes, but a name each."""
    monkeypatch.setattr(payload, "MEMBERS", 100)

    with pytest.raises(UpdateRefused, match="too many files"):
        unpacked([plain(f"f{number}") for number in range(101)], tmp_path)
