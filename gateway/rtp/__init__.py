"""Pure functions over RTP and RTCP packets and their H.264 and H.265 payloads."""
