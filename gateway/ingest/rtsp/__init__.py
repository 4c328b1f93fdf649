"""Our own RTSP client: a sans-I/O core under thin transports."""
