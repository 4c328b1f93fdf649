"""One pull of a camera, read by many; the cached GOP."""
