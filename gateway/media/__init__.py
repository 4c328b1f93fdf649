"""The bounded fan-out of one stream and its cached GOP."""
