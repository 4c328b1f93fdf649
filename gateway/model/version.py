"""The version of this program: what `camera-gateway --version` and the health reports say."""

VERSION = "0.1.0"
