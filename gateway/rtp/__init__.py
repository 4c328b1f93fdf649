"""Pure functions over RTP packets and their H.264 and H.265 payloads."""
