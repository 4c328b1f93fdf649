"""Reads the footage that the host has encoded. Runs in the guest."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from gateway.demo.encoder import CodedPicture, EncoderSettings, RecordedFootage

FOOTAGE = Path("/etc/machine-test/footage")


def read_footage(path: Path) -> RecordedFootage:
    """Return the footage in the file at *path*."""
    tree = json.loads(path.read_text())
    settings = EncoderSettings(tree["codec"], tree["width"], tree["height"], fps=tree["fps"])
    pictures = (
        CodedPicture(tuple(map(base64.b64decode, each["nal_units"])), each["keyframe"])
        for each in tree["pictures"]
    )
    return RecordedFootage(settings, tuple(pictures))
