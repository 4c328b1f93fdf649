"""Edge camera gateway: RTSP in, WebRTC out, health and control over MQTT."""
