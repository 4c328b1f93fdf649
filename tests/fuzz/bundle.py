"""Bundles damaged at random, and files that are none, into the reader, until the time is up.

    python -m tests.fuzz.bundle SECONDS SEED

Only a refusal with its reason may come out, or a manifest that is signed; and no more is read than
a bundle's bounds allow. Prints what was tried, and the seed of a failure.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from random import Random

from gateway.config.signing import Keyring, load_key, make_key
from gateway.model.errors import UpdateRefused
from gateway.model.reasons import Reason
from gateway.updates.bundle import (
    MANIFEST_BYTES,
    SIGNATURE_BYTES,
    read_bundle,
    verify_payload,
    verify_signature,
    write_bundle,
)
from tests.fixtures.releases import FACTS
from tests.fuzz.rtsp import damaged

REFUSALS = (Reason.UPDATE_FORM, Reason.UPDATE_DAMAGED, Reason.UPDATE_SIGNATURE)
HEAD_BYTES = MANIFEST_BYTES + SIGNATURE_BYTES + 5 * 512
"""The most that may be read before the payload."""


@cache
def good() -> tuple[bytes, Keyring]:
    """Return a bundle and the keys with which it is good."""
    folder = Path(tempfile.mkdtemp(prefix="bundles-"))
    key = load_key(make_key(folder, "rel-fuzz")[0])
    (folder / "payload").write_bytes(bytes(3_000))
    write_bundle(folder / "made", folder / "payload", key, **FACTS)
    return (folder / "made").read_bytes(), Keyring(folder)


def made_up(random: Random) -> bytes:
    """Return what somebody might call a bundle."""
    raw, _ = good()
    if random.random() < 0.1:
        return random.randbytes(random.randrange(4_000))
    if random.random() < 0.5:  # within the head, where the reader looks
        return damaged(raw[:4_096], random) + raw[4_096:]
    return damaged(raw, random)


def try_bundle(seed: int) -> bool:
    """Read one; return whether it was good."""
    raw, keys = made_up(Random(seed)), good()[1]
    file = io.BytesIO(raw)
    try:
        bundle = read_bundle(file)
        verify_signature(bundle, keys)
        verify_payload(file, bundle)
    except UpdateRefused as error:
        if error.reason not in REFUSALS:
            raise
        return False
    finally:
        assert file.tell() <= max(HEAD_BYTES, len(good()[0]))
    assert bundle.manifest.version == FACTS["version"]
    return True


def main() -> None:
    """Try bundles for so many seconds."""
    until_s, seed, whole = time.monotonic() + float(sys.argv[1]), int(sys.argv[2]), 0
    first = seed
    while time.monotonic() < until_s:
        try:
            whole += try_bundle(seed)
        except BaseException:
            print("seed", seed)
            raise
        seed += 1
    print(f"{seed - first} bundles, {whole} of them still good")


if __name__ == "__main__":
    main()
