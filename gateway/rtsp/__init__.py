"""The RTSP 1.0 client: parser, messages, authentication, SDP, TCP and UDP."""
