"""What a set-up gives up before it listens, tried in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.fixtures.clock import HANG_S

PROGRAM = """
import json, os, sys
from pathlib import Path
from gateway.setup.privileges import drop_privileges

own, other = map(Path, sys.argv[1:])
missing = drop_privileges((own,))
refused = []
(own / "new").write_text("1")
(own / "new").replace(own / "site.json")
os.chmod(own / "site.json", 0o600)
for name, act in {
    "make": lambda: (other / "new").write_text("1"),
    "change": lambda: (other / "there").write_text("1"),
    "remove": lambda: (other / "there").unlink(),
    "groups": lambda: os.setgroups([]),
}.items():
    try:
        act()
    except PermissionError:
        refused.append(name)
reads = (other / "there").read_text()
status = Path("/proc/self/status").read_text()
(caps,) = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff")]
print(json.dumps({"missing": missing, "refused": refused, "reads": reads, "caps": int(caps, 16)}))
"""


def test_it_changes_its_own_folders_and_nothing_else(tmp_path: Path) -> None:
    """Also by root: no other file, no other right; reading goes on."""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "there").write_text("before")

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, own, other],
        capture_output=True,
        check=True,
        timeout=HANG_S,
        cwd=Path(__file__).parents[3],
    )

    said = json.loads(done.stdout)
    assert said["missing"] == []
    assert said["refused"] == ["make", "change", "remove", "groups"]
    assert said["reads"] == "before"
    assert said["caps"] & ~0b1011 == 0
