"""paho without dnspython: 5 MB of it, which it takes up for SRV records if it is installed.

We look names up ourselves (`gateway.mqtt.dial`). `tests/unit/relay/test_lean.py` knows that it is
not loaded.
"""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["paho"]

_RESOLVER = "dns"

if "paho.mqtt.client" in sys.modules or _RESOLVER in sys.modules:
    import paho.mqtt.client as paho
else:
    # None makes the import an error, which paho takes for "not installed"
    hidden: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    hidden[_RESOLVER] = None
    try:
        import paho.mqtt.client as paho
    finally:
        del sys.modules[_RESOLVER]
