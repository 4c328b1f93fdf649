"""A host's name as the resolver is asked for it."""

from __future__ import annotations

import subprocess
import sys

from gateway.runtime.resolver import encode_host


def test_a_host_is_looked_up_without_tables_of_international_names() -> None:
    """Neither the broker's nor a camera's, if it is plain already."""
    program = (
        "from gateway.runtime.resolver import resolve_endpoints, system_resolver\n"
        "assert '127.0.0.1' in system_resolver('localhost')\n"
        "assert '127.0.0.1' in [address for _, (address, _) in resolve_endpoints('localhost', 1)]\n"
    )

    command = [sys.executable, "-X", "importtime", "-c", program]

    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stderr

    assert "gateway.runtime.resolver" in loaded
    assert "encodings.idna" not in loaded
    assert encode_host("máy-chủ.vn") == "máy-chủ.vn"
