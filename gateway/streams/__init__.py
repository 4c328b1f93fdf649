"""A stream is one source that many viewers read, with the cached GOP for those who join."""
