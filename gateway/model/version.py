"""The version of this program: what `camera-gateway --version` and the health reports say."""

VERSION = "0.1.0"

RELEASED_MS = 1_767_225_600_000
"""2026-01-01 UTC, ms since 1970. This version is younger, so no clock that shows less is right.

Raised with `VERSION`, to the day before the release."""

MINIMUM_VERSION = "0.1.0"
"""The lowest version that may still run where this one has run: raised when older ones have a hole.

Not above `VERSION`. `gateway.runtime.minimum_version` keeps the highest that a machine has seen."""
