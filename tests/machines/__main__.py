"""Boot the product's package in an emulated machine and look: ``scripts/machine-test``.

Prints one JSON line for each fact. Exit code 0: every one holds; 1: one does not; 2: there was
nothing to look at.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.machines.boot import boot_facts
from tests.machines.box import Box
from tests.machines.facts import Facts, asked_for
from tests.machines.flashed import flashed_facts
from tests.machines.image import ARCHES, CACHE, Arch, ImageFailed, build_image
from tests.machines.machine import Machine, MachineLost
from tests.machines.site import TOP, GuestSite
from tests.machines.updates import update_facts

PACKAGING_S = 1800
NOTHING_SEEN = 2


def main() -> int:
    """Return the exit code."""
    asked = arguments()
    asked.work.mkdir(parents=True, exist_ok=True)
    facts = Facts(sys.stdout)
    if asked.image is not None:
        return _flashed(asked.image, asked.arch, facts)
    try:
        image = build_image(asked.arch, asked.work)
        package = asked.deb or built_package(asked.arch)
        facts.fact("image and package", True, package=package.name)
    except (ImageFailed, LookupError) as error:
        print(f"machine-test: {error}", file=sys.stderr)
        return NOTHING_SEEN
    with tempfile.TemporaryDirectory(prefix="machine-test-") as name:
        site = GuestSite.create(Path(name) / "share", Path(name) / "private")
        shutil.copy(package, site.share / "camera-gateway.deb")
        try:
            with Machine(image, site.share) as machine:
                box = Box(machine, site, facts)
                looks = [*boot_facts(box, fuzz_s=asked.fuzz)]
                if asked.updates:
                    looks += update_facts(box, asked.arch, Path(name) / "private")
                looks = [*asked_for(looks, asked.only)]
                machine.connect()
                facts.fact("root's shell", True, machine=machine.ask("uname -srm"))
                box.prepare()
                for look in looks:
                    facts.attempt(look)
        except (MachineLost, LookupError) as error:
            print(f"machine-test: {error}", file=sys.stderr)
            facts.close()
            return NOTHING_SEEN
    return facts.close()


def _flashed(image: Path, arch: Arch, facts: Facts) -> int:
    """Look at a box with the flashed *image*; return the exit code."""
    try:
        for look in flashed_facts(image, arch, facts, image.with_suffix(".ppm")):
            facts.attempt(look)
    except MachineLost as error:
        print(f"machine-test: {error}", file=sys.stderr)
        facts.close()
        return NOTHING_SEEN
    return facts.close()


def arguments() -> argparse.Namespace:
    """Return what is asked for."""
    asks = argparse.ArgumentParser(prog="scripts/machine-test", description=__doc__)
    asks.add_argument("--arch", choices=ARCHES, default="arm64")
    asks.add_argument("--work", type=Path, default=CACHE, help="where images are kept")
    asks.add_argument("--deb", type=Path, help="a package; left out: built of this tree")
    asks.add_argument("--image", type=Path, help="of scripts/image: boots that, and nothing else")
    asks.add_argument("--fuzz", type=int, default=0, help="seconds of the fast path's fuzzing")
    asks.add_argument("--updates", action="store_true", help="good and bad updates as well")
    asks.add_argument(
        "--only", action="append", default=[], metavar="LOOK", help="this one (again: and this)"
    )
    return asks.parse_args()


def built_package(arch: Arch) -> Path:
    """Return the package of this tree for *arch*, not compressed: what is inside is the same.

    Raises:
        LookupError: It cannot be built.
    """
    built = subprocess.run(
        (str(TOP / "scripts" / "package"), "--quick", arch),
        stdout=subprocess.PIPE,
        timeout=PACKAGING_S,
        check=False,
        text=True,
    )
    if built.returncode:
        raise LookupError(f"no package for {arch}: scripts/package has failed")
    return TOP / built.stdout.split()[-1]


if __name__ == "__main__":
    sys.exit(main())
