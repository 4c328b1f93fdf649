"""When, within a period, this gateway does what all gateways do: not when all the others do."""

from __future__ import annotations

import hashlib


def phase_s(gateway: str, period_s: float) -> float:
    """Return the moment of *gateway* within a period, in ``[0, period_s)``.

    The same id has the same share of every period. SHA-256 of the id makes the shares even, also
    where ids differ in one digit only.

    Args:
        gateway: Its id.
        period_s: Over how long all gateways spread.
    """
    digest = hashlib.sha256(gateway.encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32 * period_s
