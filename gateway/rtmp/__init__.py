"""RTMP, the part that plays a live stream: Adobe's RTMP 1.0 of 2012-12-21."""
