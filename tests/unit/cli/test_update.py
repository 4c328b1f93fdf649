"""`camera-gateway update` at a machine without releases: it says so, and changes nothing."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from gateway.cli.main import main


def test_without_a_file_it_says_what_runs() -> None:
    """Also where no release has been installed."""
    result = CliRunner().invoke(main, ["update"])

    assert result.exit_code == 0
    assert "runs: " in result.output


def test_a_file_that_is_no_bundle_is_refused_in_both_languages(tmp_path: Path) -> None:
    """Who is not root is told to be."""
    result = CliRunner().invoke(main, ["update", str(tmp_path / "none.update")])

    assert result.exit_code in (1, 2)
    assert "root" in result.output or "Tệp cập nhật không đúng dạng" in result.output
