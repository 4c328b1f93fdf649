"""Prints whose the parts of a release are, in Debian's form (DEP-5); called by scripts/package.

What a wheel says of its licence is in its METADATA; the full texts are where it has put them.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distributions

OURS = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: {name}
Disclaimer: Not part of Debian. The libraries in the release are others'; each has its own licence,
 whose text is in its folder *.dist-info below lib/python3.11/site-packages.

Files: *
Copyright: 2026 the makers of camera-gateway
License: as-agreed
 Used under the terms agreed with whoever has handed over this package.
"""


def licence_of(part: Distribution) -> str:
    """Return what *part* says of its licence, in one line."""
    said = part.metadata
    classified = [
        each.split(" :: ")[-1] for each in said.get_all("Classifier") or [] if "License" in each
    ]
    words = (
        said["License-Expression"] or said["License"] or " OR ".join(classified) or "see its folder"
    )
    return words.splitlines()[0].strip()


def paragraph(part: Distribution, package: str) -> str:
    """Return what is to be said about *part* of *package*."""
    name, version = part.metadata["Name"], part.version
    authors = part.metadata["Author"] or part.metadata["Author-email"] or f"the authors of {name}"
    folder = name.replace("-", "_")
    return (
        f"Files: opt/{package}/*/{folder}*\n"
        f"Comment: {name} {version}\n"
        f"Copyright: {authors.splitlines()[0].strip()}\n"
        f"License: {licence_of(part)}\n"
        f" {part.metadata['Summary'] or name}.\n"
        f" The text is in {folder}-{version}.dist-info.\n"
    )


def main() -> None:
    """Print it for the package and the site-packages that are named."""
    package, site = sys.argv[1:]
    parts = sorted(distributions(path=[site]), key=lambda each: each.metadata["Name"].lower())
    print(OURS.format(name=package))
    print("\n".join(paragraph(each, package) for each in parts))


if __name__ == "__main__":
    main()
