"""Imported before all else by the program: what libraries import to spare is left out of it.

A gateway runs for months and asks for none of it. Each module here is one that some library imports
at its head for something that we do not use. Whoever does use what is *put off* gets it, whole, at
that moment. What only one library brings in is kept from it at that library's home: `relay.lean`,
`mqtt.link_lean`, `agent.settings_lean`. `tests/unit/test_lean.py` holds one test per assumption.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gateway.aio.late import Late, hidden, load, only_named, put_off


class _LateMetadata(Late):
    """Stands for `importlib.metadata`, which brings parsers for archives, tables and mail: 2 MB."""

    def version(self, name: str) -> object:
        """Return the version of package *name*, which libraries ask for their own, and we for ours.

        It stands in the name of the folder that the real one would read it from.
        """
        written = name.replace("-", "_")
        for path in sys.path:
            for folder in Path(path).glob(f"{written}-*.dist-info"):
                return folder.stem.removeprefix(f"{written}-")
        if isinstance(self, _LateMetadata):  # whoever has taken this method keeps it
            load(self)
        return vars(self)["version"](name)


# Pydantic looks through every installed package for plugins of its own; there are to be none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
put_off("importlib.metadata", _LateMetadata, calls=("entry_points",))

put_off("email.utils", calls=("parseaddr",))  # cryptography, for certificates of mail addresses
put_off("urllib.request")  # paho, for websockets behind a proxy
put_off("bz2")  # shutil, for archives, as the next
put_off("lzma")
put_off("tempfile")  # ctypes, to find libraries; ifaddr wants it
put_off("calendar")  # pyOpenSSL, for dates of certificates
put_off("difflib")  # we, for what somebody has mistyped
put_off("statistics")  # we, for pictures that are looked at

# Comes with the tests only; structlog takes it up where it is, and with it all of libstdc++.
with hidden("greenlet"), only_named("pickle"):  # loggers are never pickled
    import structlog  # noqa: F401

with only_named("zoneinfo"):  # a kind of value that none of our documents has
    from pydantic import SecretStr, TypeAdapter  # noqa: F401

# Ed25519 and X.509 keys come in PEM; the format of SSH brings the old ciphers.
with only_named("cryptography.hazmat.primitives.serialization.ssh"):
    from cryptography.hazmat.primitives import serialization  # noqa: F401
