"""A camera as a stream of access units: RTSP source, depacketizer, timeline."""
