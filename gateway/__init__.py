"""Edge camera gateway: RTSP in, WebRTC out, health and control over MQTT."""

import sys

from gateway.runtime.missing_library import tell

sys.excepthook = tell
