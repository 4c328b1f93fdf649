"""Containers (FLV, MPEG-TS, fragmented MP4) taken apart in a sandboxed child."""
