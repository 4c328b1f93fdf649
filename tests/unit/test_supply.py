"""The list of parts: every package that runs, and the shared libraries inside their wheels."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

TOP = Path(__file__).parents[2]


def sbom(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [TOP / "scripts" / "sbom", *words]
    return subprocess.run(
        command, capture_output=True, check=False, text=True, env=os.environ | environment
    )


@pytest.fixture(scope="module")
def written() -> str:
    """The list; the script lets CycloneDX's own schema judge it before it writes."""
    done = sbom()
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def parts(written: str) -> dict[str, Any]:
    """The packages by name, and this program."""
    bom = json.loads(written)
    return {each["name"]: each for each in [*bom["components"], bom["metadata"]["component"]]}


def test_a_bundled_library_is_listed_with_hash_wheel_and_version(parts: dict[str, Any]) -> None:
    """FFmpeg's libavcodec, which reads what cameras send, as it lies in av's wheel."""
    (codec,) = [e for e in parts["av"]["components"] if e["name"].startswith("libavcodec")]
    path = Path(av.__file__).parents[1] / "av.libs" / codec["name"]

    (digest,) = codec["hashes"]
    assert digest == {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert codec["name"].endswith(f".so.{codec['version']}")
    told = {each["name"]: each["value"] for each in codec["properties"]}
    assert told["camera-gateway:in"] == f"av=={parts['av']['version']}"


@pytest.mark.parametrize(
    "name", ["cryptography", "numpy", "opencv-python-headless", "pylibsrtp", "camera-gateway"]
)
def test_what_is_compiled_is_listed(parts: dict[str, Any], name: str) -> None:
    """Of every wheel, and our own fast path."""
    assert any(".so" in each["name"] for each in parts[name]["components"])


def test_nothing_that_only_tests_is_listed(parts: dict[str, Any]) -> None:
    """The parts are those of the run lock."""
    locked = re.findall(r"^([a-z0-9._-]+)==", (TOP / "requirements" / "run.txt").read_text(), re.M)

    assert set(parts) - {"camera-gateway"} <= set(locked)
    assert "pytest" not in parts


def test_the_same_parts_give_the_same_bytes(written: str) -> None:
    """No random serial number and no time, unless one is given."""
    again, timed = sbom(), sbom(SOURCE_DATE_EPOCH="1000000000")

    assert again.stdout == written
    assert "timestamp" not in json.loads(written)["metadata"]
    assert json.loads(timed.stdout)["metadata"]["timestamp"].startswith("2001-09-09T01:46:40")


def test_the_image_carries_its_list() -> None:
    """Written while it is built, from what is in it; the tool itself stays behind."""
    build, runs = (TOP / "Dockerfile.arm64").read_text(encoding="utf-8").split("\nFROM ")[1:]

    assert "scripts/supply/sbom.py" in build
    assert "/opt/camera-gateway/sbom.cdx.json" in build
    assert "supply" not in runs
