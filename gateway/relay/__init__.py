"""Access units to viewers over WebRTC; the only home of aiortc."""
