"""Writes the list of parts (CycloneDX 1.6, JSON) of what is installed; called by scripts/sbom.

It has every package of a lock, such as requirements/run.txt, and every shared library (`.so`)
in it by its SHA-256. A library's version is the number after ``.so.`` in its SONAME; it is that of
the library's interface (libavcodec 62.28.101), not that of the project's release (FFmpeg 8.0).
Libraries without one have no version here. The list depends on what is installed and on nothing
else: no random serial number, and a time only with SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import runpy
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PIN = re.compile(r"^[a-z0-9._-]+==[^\\]+")
SHARED = re.compile(r"\.so(\.[0-9a-z.]+)?$")
VERSION = re.compile(r"\.so\.([0-9]+[0-9a-z.]*)$")


def soname_of(path: Path) -> str:
    """Return the SONAME of *path*; empty: it has none."""
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, DynamicSection):
                for tag in section.iter_tags("DT_SONAME"):
                    return str(tag.soname)
    return ""


def library(path: Path, name: str, owner: str) -> Component:
    """Return the shared library *path*, which *owner* brings as *name*."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    soname = soname_of(path)
    version = VERSION.search(soname)
    properties = [Property(name="camera-gateway:path", value=name)]
    properties.append(Property(name="camera-gateway:in", value=owner))
    if soname:
        properties.append(Property(name="camera-gateway:soname", value=soname))
    return Component(
        name=path.name,
        type=ComponentType.LIBRARY,
        version=version[1] if version else None,
        bom_ref=f"{owner}/{name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        properties=properties,
    )


def package(installed: Distribution) -> Component:
    """Return the package *installed*, with the shared libraries of its wheel."""
    name, version = canonicalize_name(installed.metadata["Name"]), installed.version
    shared = sorted(str(each) for each in installed.files or () if SHARED.search(each.name))
    owner = f"{name}=={version}"
    parts = [library(Path(str(installed.locate_file(each))), each, owner) for each in shared]
    return Component(
        name=name,
        type=ComponentType.LIBRARY,
        version=version,
        bom_ref=owner,
        purl=PackageURL("pypi", name=name, version=version),
        components=parts,
    )


def packages(lock: Path, site: Path) -> Iterator[Component]:
    """Yield every package of *lock* in *site*; exits where another version is."""
    here = {canonicalize_name(d.metadata["Name"]): d for d in distributions(path=[str(site)])}
    for line in lock.read_text(encoding="utf-8").splitlines():
        pin = PIN.match(line)
        if pin is None:
            continue
        requirement = Requirement(pin[0].strip())
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        installed = here.get(canonicalize_name(requirement.name))
        if installed is None or not requirement.specifier.contains(installed.version):
            found = "not installed" if installed is None else f"{installed.version} is installed"
            sys.exit(f"sbom: {pin[0].strip()} is locked and {found}: run scripts/install run")
        yield package(installed)


def gateway(folder: Path, name: str) -> Component:
    """Return this program, with its compiled fast path if it has one."""
    version = runpy.run_path(str(folder / "model" / "version.py"))["VERSION"]
    owner = f"{name}=={version}"
    names = sorted(each.relative_to(folder.parent) for each in folder.glob("fastpath/*.so"))
    return Component(
        name=name,
        type=ComponentType.APPLICATION,
        version=version,
        bom_ref=owner,
        components=[library(folder.parent / each, str(each), owner) for each in names],
    )


def document(parts: list[Component], program: Component) -> str:
    """Return the list of *parts* of *program*: the same for the same parts."""
    bom = Bom(components=parts)
    bom.metadata.component = program
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    bom.metadata.timestamp = epoch and datetime.fromtimestamp(int(epoch), UTC)
    bom.register_dependency(program, parts)
    bom.serial_number = uuid.UUID(int=0, version=4)
    content = JsonV1Dot6(bom).output_as_string(indent=1)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, content)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def main() -> None:
    """Write the list, once the schema of CycloneDX has nothing against it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="camera-gateway", help="of the program")
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--site", type=Path, required=True, help="site-packages to look at")
    parser.add_argument("--gateway", type=Path, required=True, help="folder of this program")
    parser.add_argument("file", type=Path, nargs="?", help="[default: standard output]")
    given = parser.parse_args()
    content = document(list(packages(given.lock, given.site)), gateway(given.gateway, given.name))
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(content)
    if fault is not None:
        sys.exit(f"sbom: not as the schema of CycloneDX 1.6 wants it: {fault}")
    if given.file is None:
        sys.stdout.write(content)
    else:
        given.file.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
